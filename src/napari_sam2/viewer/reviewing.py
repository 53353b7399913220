"""Going through the masks that look wrong, the worst first: where to is decided in `session.review`, this goes there.

Looking through all masks takes time (0.1 ms each), so it is done by `elsewhere`, which a panel sets to its worker;
by itself it is done on the spot. A mask is shown once, and again when it has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from napari_sam2.document.prompt_parts import BoxYX
from napari_sam2.masks.mask_store import MaskKey, StoredMask
from napari_sam2.session.review import Review, Suspicion, next_suspicious
from napari_sam2.session.session import Session

Ranked = tuple[Suspicion, ...]
Elsewhere = Callable[[Callable[[], Ranked], Callable[[Ranked], None]], None]
"""Runs a function off the main thread, and hands over its result on the main thread."""


class Reviewing:
    """What is left to look at in one session; `notify` is told why a mask is shown, or that there is none."""

    def __init__(self, session: Session, go_to: Callable[[int, int], None], notify: Callable[[str], None]) -> None:
        self.elsewhere: Elsewhere = lambda function, then: then(function())
        self._session = session
        self._go_to = go_to
        self._notify = notify
        self._review = Review()
        self._seen: dict[MaskKey, StoredMask | None] = {}
        self._looking = False

    def next(self) -> None:
        """Go to the most suspicious mask that was not shown yet; while it is looked for, nothing more is asked for."""
        if self._looking:
            return
        masks = self._session.masks
        frames = {object_id: masks.frames(object_id) for object_id in masks.object_ids()}

        def look() -> Ranked:
            try:
                return self._review.ranked(frames)
            finally:
                self._looking = False

        self._looking = True
        self.elsewhere(look, self._found)

    def _found(self, ranked: Ranked) -> None:
        masks = self._session.masks
        seen = {key for key, mask in self._seen.items() if masks.get(key) is mask}
        worst = next_suspicious(ranked, seen)
        if worst is None:
            self._notify("No more masks look wrong." if ranked else "No mask looks wrong.")
            return
        self._seen[worst.key] = masks.get(worst.key)
        self._go_to(*worst.key)
        self._notify(f"Object {worst.object_id} on frame {worst.frame}: {', '.join(worst.reasons)}.")


def place_of(masks: Mapping[int, StoredMask], frame: int) -> BoxYX | None:
    """Return the box (y0, x0, y1, x1) of an object's mask on a frame, or else of the nearest one; None without any."""
    there = [one for one, mask in masks.items() if not mask.is_empty]
    if not there:
        return None
    mask = masks[min(there, key=lambda one: abs(one - frame))]
    return float(mask.rows.start), float(mask.columns.start), float(mask.rows.stop), float(mask.columns.stop)
