"""What a person says about tracks on the frame in view, a key each: who divides here, who ends here.

Meant are the objects chosen in a table (`chosen`, which a panel sets) where there are several, else the current one.
Everything is a step of the session that can be undone, and is told in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from napari_sam2.document.prompt_parts import BoxYX
from napari_sam2.masks.stored_masks import StoredMask
from napari_sam2.session.session import Session
from napari_sam2.viewer.current import Current
from napari_sam2.viewer.running import Notify
from napari_sam2.viewer.sight import Sight
from napari_sam2.viewer.telling import check_divides, told_step
from sam2_core.errors import PromptError

REACH = 3.0
"""Daughters lie no farther from their mother than so many times her size."""
DAUGHTERS = 2


class LineageVerbs:
    """The verbs of one session; `notify` is told what was done, or why nothing was.

    Attributes
    ----------
    chosen
        Returns the ids of the objects that a person has chosen besides the current one.
    """

    def __init__(self, session: Session, current: Current, sight: Sight, notify: Notify) -> None:
        self.chosen: Callable[[], tuple[int, ...]] = tuple
        self._session = session
        self._current = current
        self._sight = sight
        self._notify = notify

    def divide_here(self) -> None:
        """Let an object divide on the frame in view into those that begin there: two that are chosen, or the nearest.

        With two daughters the mother ends before; with one she goes on beside it, until another one is said.
        """
        frame = self._sight.frame

        def edit() -> str:
            mother, new = self._family(frame)
            daughters = self._with_known(mother, frame, new)
            ends = len(daughters) >= DAUGHTERS
            (self._session.surgery.divide_here if ends else self._session.divide)(mother, frame, daughters)
            into = " and ".join(map(str, daughters))
            rest = f"it ends on frame {frame - 1}" if ends else "it goes on beside it"
            return f"Object {mother} divides into {into} on frame {frame}; {rest}."

        self._do(edit)

    def end_here(self) -> None:
        """Let the objects that are meant end on the frame in view: on later ones they are not there."""
        frame, ids = self._sight.frame, self._meant()

        def edit() -> str:
            events = self._session.surgery.end_here(ids, frame)
            told = ", ".join(f"object {one.object_id} {one.kind.value}" for one in events)
            return f"On frame {frame} {told}: it is not there on later frames."

        self._do(edit)

    def _do(self, edit: Callable[[], str]) -> None:
        try:
            self._notify(told_step(self._session, edit))
        except PromptError as error:
            self._notify(str(error))

    def _meant(self) -> tuple[int, ...]:
        chosen = self.chosen()
        return chosen if len(chosen) > 1 else (self._current.object_id,)

    def _family(self, frame: int) -> tuple[int, tuple[int, ...]]:
        """Return the mother and her daughters, as far as there are.

        Raises
        ------
        PromptError
            If it is not clear who the mother is, or no daughter begins near her on the frame.
        """
        check_divides(frame)
        old = [one for one in self._meant() if self._is_there_before(one, frame)]
        new = [one for one in self._meant() if one not in old and self._is_there(one, frame)]
        if not old and new:
            there = {*self._session.masks.objects_on(frame - 1)}
            old = self._nearest(new[0], [one for one in there if self._is_there(one, frame - 1)], frame)[:1]
        if len(old) != 1:
            raise PromptError(
                f"It is not clear who divides on frame {frame}: make the object that is there before the current one, "
                "or choose it in the table with its daughters."
            )
        if len(new) < DAUGHTERS:
            born = [one for one in self._session.masks.objects_on(frame) if self._is_born(one, frame)]
            new += self._nearest(old[0], [one for one in born if one not in new], frame)[: DAUGHTERS - len(new)]
        if not new:
            raise PromptError(
                f"No object begins on frame {frame} near object {old[0]}; click on its daughters first, each as a new "
                "object (M)."
            )
        return old[0], tuple(sorted(new))

    def _with_known(self, mother: int, frame: int, new: Iterable[int]) -> tuple[int, ...]:
        """Return daughters, with those into whom the mother is known to divide on the frame already."""
        divisions = self._session.document.divisions
        known = [one for each in divisions if (each.mother, each.frame) == (mother, frame) for one in each.daughters]
        return tuple(sorted({*known, *new}))

    def _nearest(self, object_id: int, others: Iterable[int], frame: int) -> list[int]:
        """Return others that are near an object about a frame, the nearest first."""
        here, reach = self._middle(object_id, frame)
        far = {one: float(np.hypot(*(self._middle(one, frame)[0] - here))) for one in others if one != object_id}
        return sorted((one for one in far if far[one] <= reach), key=lambda one: far[one])

    def _middle(self, object_id: int, frame: int) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], float]:
        """Return where an object is about a frame, (y, x), and how far its daughters may be."""
        place = place_of(self._session.masks.there(object_id), frame)
        y0, x0, y1, x1 = (0.0, 0.0, 0.0, 0.0) if place is None else place
        return np.array(((y0 + y1) / 2, (x0 + x1) / 2)), REACH * max(y1 - y0, x1 - x0)

    def _is_there(self, object_id: int, frame: int) -> bool:
        mask = self._session.masks.get((object_id, frame))
        return mask is not None and not mask.is_empty

    def _is_there_before(self, object_id: int, frame: int) -> bool:
        if self._is_there(object_id, frame - 1):
            return True
        return any(at < frame for at in self._session.masks.there(object_id))

    def _is_born(self, object_id: int, frame: int) -> bool:
        """Return whether an object begins on a frame and comes from nobody yet."""
        info = self._session.document.objects.get(object_id)
        is_free = info is not None and info.parent is None
        return is_free and self._is_there(object_id, frame) and not self._is_there_before(object_id, frame)


def place_of(masks: Mapping[int, StoredMask], frame: int) -> BoxYX | None:
    """Return the box (y0, x0, y1, x1) of the mask on a frame that holds a pixel, or of the nearest one that does."""
    if not masks:
        return None
    mask = masks[min(masks, key=lambda one: abs(one - frame))]
    return float(mask.rows.start), float(mask.columns.start), float(mask.rows.stop), float(mask.columns.stop)
