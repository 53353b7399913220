"""Going through the places in doubt, the worst first: where to is decided in `session.review`, this goes there.

Looking through all masks takes time (0.3 ms each), so it is done by `elsewhere`, which a panel sets to its worker;
by itself it is done on the spot. A place that nobody decided about is shown once, and again when it has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from napari_sam2.document.prompt_parts import BoxYX
from napari_sam2.document.reviews import At
from napari_sam2.masks.mask_store import StoredMask
from napari_sam2.review.items import ReviewItem
from napari_sam2.review.scene import Scene
from napari_sam2.session.session import Session

Elsewhere = Callable[[Callable[[], Scene], Callable[[Scene], None]], None]
"""Runs a function off the main thread, and hands over its result on the main thread."""


class Reviewing:
    """What is left to look at in one session; `notify` is told why a place is shown, or that there is none."""

    def __init__(self, session: Session, go_to: Callable[[int, int], None], notify: Callable[[str], None]) -> None:
        self.elsewhere: Elsewhere = lambda function, then: then(function())
        self._session = session
        self._go_to = go_to
        self._notify = notify
        self._seen: set[tuple[ReviewItem, str]] = set()
        self._looking = False

    def next(self) -> None:
        """Go to the worst place that was not shown yet; while it is looked for, nothing more is asked for."""
        if self._looking:
            return
        prepared = self._session.review.prepared()

        def look() -> Scene:
            try:
                return prepared()
            finally:
                self._looking = False

        self._looking = True
        self.elsewhere(look, self._looked)

    def _looked(self, scene: Scene) -> None:
        review = self._session.review
        items = [item for item in review.items() if item.place.at is not At.proposal]
        worst = next((one for one in items if (one, review.ground_of(one.place)) not in self._seen), None)
        if worst is None:
            self._notify("No more places look wrong." if items else "No place looks wrong.")
            return
        self._seen.add((worst, review.ground_of(worst.place)))
        object_id, frame = worst.place.object_id, worst.place.frame
        self._go_to(object_id, frame)
        self._notify(f"Object {object_id} on frame {frame}: {', '.join(worst.reasons)}.")


def place_of(masks: Mapping[int, StoredMask], frame: int) -> BoxYX | None:
    """Return the box (y0, x0, y1, x1) of an object's mask on a frame, or else of the nearest one; None without any."""
    there = [one for one, mask in masks.items() if not mask.is_empty]
    if not there:
        return None
    mask = masks[min(there, key=lambda one: abs(one - frame))]
    return float(mask.rows.start), float(mask.columns.start), float(mask.rows.stop), float(mask.columns.stop)
