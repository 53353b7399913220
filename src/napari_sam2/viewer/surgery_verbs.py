"""Tracks cut and joined while reviewing, a key each, on the cell under the mouse or on those chosen by hand.

Who is meant: the cells chosen with Shift+click; without any, the one under the mouse; else the current object. Verbs
about two take the chosen ones, or the chosen or current one and the one under the mouse. Everything is a step of
`session.surgery` that can be undone, and is told in words; where it is about the place in view, it corrects that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from psygnal import Signal

from napari_sam2.document.objects import LinkStatus
from napari_sam2.engine.jobs import PropagateRequest
from napari_sam2.masks.stored_masks import MaskKey
from napari_sam2.review.ground import is_about
from napari_sam2.session.parentage import told_alone
from napari_sam2.viewer.current import Current
from napari_sam2.viewer.picking import Picking
from napari_sam2.viewer.reviewing import Reviewing
from napari_sam2.viewer.running import Notify, Work
from napari_sam2.viewer.sight import Sight
from napari_sam2.viewer.telling import ALREADY, check_divides, told_step
from sam2_core.errors import PromptError


class SurgeryVerbs:
    """The verbs of one session, with the work on it; `notify` is told what was done, or why nothing was.

    `pointed_at` is emitted with the id of a cell that a person looks for, once it is in view.
    """

    pointed_at = Signal(int)

    def __init__(
        self, work: Work, current: Current, sight: Sight, picking: Picking, reviewing: Reviewing, notify: Notify
    ) -> None:
        self._session = work.session
        self._propagate = work.propagate
        self._current = current
        self._sight = sight
        self._picking = picking
        self._reviewing = reviewing
        self._notify = notify

    def connect(self) -> None:
        """Let a cell go on as another one: the one that is there earlier as the one that is there later."""

        def edit(keys: Sequence[MaskKey]) -> str:
            before, after = self._in_order(*_two(keys))
            into = self._session.surgery.connect(before, after)
            return f"Object {before[0]} goes on as {after[0]} from frame {after[1]}: one track, {into}."

        self._do(self._pair(), edit)

    def break_here(self) -> None:
        """Let a cell be another one from the frame in view on."""

        def edit(keys: Sequence[MaskKey]) -> str:
            rests = self._session.surgery.break_all([one for one, _ in keys], self._frame)
            return f"{_named(keys)} is {' and '.join(map(str, rests))} from frame {self._frame} on."

        self._do(self._meant(), edit)

    def divide(self) -> None:
        """Let a cell divide on the frame in view: into the two chosen there, or the two nearest; it ends before."""

        def edit(keys: Sequence[MaskKey]) -> str:
            mother, daughters = self._family()
            division = self._session.surgery.divide_here(mother, self._frame, daughters)
            into = " and ".join(map(str, division.daughters))
            return f"Object {mother} divides into {into} on frame {division.frame}."

        self._do(self._meant(), edit)

    def end(self) -> None:
        """Let a cell end on the frame in view: on later ones it is not there."""

        def edit(keys: Sequence[MaskKey]) -> str:
            events = self._session.surgery.end_here([one for one, _ in keys], self._frame)
            return f"{', '.join(f'Object {one.object_id} {one.kind.value}' for one in events)} on frame {self._frame}."

        self._do(self._meant(), edit)

    def begin(self) -> None:
        """Let a cell begin on the frame in view: on earlier ones it is not there, and nobody is its mother."""

        def edit(keys: Sequence[MaskKey]) -> str:
            alone = self._session.surgery.begin_here([one for one, _ in keys], self._frame)
            who, have = " and ".join(map(str, alone)), "has" if len(alone) == 1 else "have"
            told = f" {who} came from it before and {have} no parent any more." if alone else ""
            return f"{_named(keys)} begins on frame {self._frame}.{told}"

        self._do(self._meant(), edit)

    def absent(self) -> None:
        """Say that a cell is not there on the frame in view, or from the frame on which it was chosen to this one."""

        def edit(keys: Sequence[MaskKey]) -> str:
            spans = {one: (min(frame, self._frame), max(frame, self._frame)) for one, frame in keys}
            self._session.surgery.absent_all(spans)
            first, last = min([self._frame, *(one for _, one in keys)]), max([self._frame, *(one for _, one in keys)])
            when = f"on frame {first}" if first == last else f"from frame {first} to {last}"
            return f"{_named(keys)} is not there {when}."

        self._do(self._meant(), edit)

    def delete_from(self) -> None:
        """Delete a cell from the frame in view on; on its first frame, all of it."""

        def edit(keys: Sequence[MaskKey]) -> str:
            self._session.surgery.delete_from([one for one, _ in keys], self._frame, whole=True)
            return f"{_named(keys)} is deleted from frame {self._frame} on."

        self._do(self._meant(), edit)

    def track_on(self) -> None:
        """Track a cell anew from the frame in view on, up to its next prompt; its mask here is what is gone on from."""
        self._track_again(backward=False)

    def track_back(self) -> None:
        """Track a cell anew from the frame in view to earlier ones, down to the prompt before."""
        self._track_again(backward=True)

    def swap(self) -> None:
        """Exchange two cells from the frame in view on."""

        def edit(keys: Sequence[MaskKey]) -> str:
            (first, _), (second, _) = _two(keys)
            alone = self._session.swap_objects(first, second, self._frame)
            return f"Objects {first} and {second} are exchanged from frame {self._frame} on.{told_alone(alone)}"

        self._do(self._pair(), edit)

    def merge(self) -> None:
        """Make cells one, under the number of the first."""

        def edit(keys: Sequence[MaskKey]) -> str:
            _two(keys)
            (into, _), *others = keys
            alone = self._session.merge_objects(into, [other for other, _ in others])
            told = f"{' and '.join(str(one) for one, _ in others)} is part of object {into} now."
            return f"{told}{told_alone(alone)}"

        self._do(self._pair(), edit)

    def looked_at(self) -> None:
        """Say that a track is right as a whole: how it begins, ends and divides is in doubt no more."""

        def edit(keys: Sequence[MaskKey]) -> str:
            self._session.set_links([one for one, _ in keys], LinkStatus.looked_at)
            return f"{_named(keys)} was looked at."

        self._do(self._meant(), edit)

    def find(self) -> None:
        """Bring the cell that is meant to the middle of the view, and point at it."""
        for object_id, _ in self._meant()[:1]:
            mask = self._session.masks.get((object_id, self._frame))
            if mask is None or mask.is_empty:
                self._notify(f"Object {object_id} is not there on frame {self._frame}.")
                return
            y0, x0, y1, x1 = mask.box_yx
            self._sight.bring(self._frame, (float(y0), float(x0), float(y1), float(x1)), centred=True)
            self.pointed_at.emit(object_id)

    @property
    def _frame(self) -> int:
        return self._sight.frame

    def _track_again(self, backward: bool) -> None:
        requests: list[PropagateRequest] = []

        def edit(keys: Sequence[MaskKey]) -> str:
            requests.append(self._session.surgery.track_again([one for one, _ in keys], self._frame, backward))
            return f"{_named(keys)} is tracked again from frame {self._frame} {'back' if backward else 'on'}."

        self._do(self._meant(), edit, "There was nothing to delete; what is missing is tracked.")
        for request in requests:
            self._propagate(request)

    def _meant(self) -> list[MaskKey]:
        """Return the cells that a verb about single ones is about, with the frame on which each was chosen."""
        here = self._picking.under_cursor()
        return list(self._picking.keys) or [here or (self._current.object_id, self._frame)]

    def _pair(self) -> list[MaskKey]:
        """Return the cells that a verb about several is about; fewer than two where that is not clear."""
        chosen, here = list(self._picking.keys), self._picking.under_cursor()
        if len(chosen) > 1:
            return chosen
        first = chosen or [(self._current.object_id, self._frame)]
        return first if here is None or here[0] == first[0][0] else [*first, here]

    def _do(self, keys: Sequence[MaskKey], edit: Callable[[Sequence[MaskKey]], str], otherwise: str = ALREADY) -> None:
        """Make an edit, as the correction of the place in view where that is about the same cells; say what was done.

        What was chosen for it is let go of. `otherwise` is said where it changed nothing.
        """
        told: list[str] = []

        def make() -> None:
            told.append(told_step(self._session, lambda: edit(keys), otherwise))

        item = self._reviewing.item
        about = {one for one, _ in keys}
        try:
            if item is not None and is_about(item.place, about, self._session.document):
                self._reviewing.correct(make)
            else:
                make()
        except PromptError as error:
            self._notify(str(error))
            return
        self._picking.choose(())
        self._notify(told[0])

    def _in_order(self, one: MaskKey, other: MaskKey) -> tuple[MaskKey, MaskKey]:
        """Return where the earlier of two cells is left, and where the later one is joined.

        Raises
        ------
        PromptError
            If it is not clear which one is the earlier.
        """
        (first, at), (second, then) = one, other
        if at != then and at in self._there(first) and then in self._there(second):
            return (one, other) if at < then else (other, one)
        for left, (joined, frame) in ((first, other), (second, one)):
            before = [each for each in self._there(left) if each < frame]
            if before and frame in self._there(joined) and frame not in self._there(left):
                return (left, before[-1]), (joined, frame)
        for left, joined in ((first, second), (second, first)):
            if self._there(left) and self._there(joined) and self._there(left)[-1] < self._there(joined)[0]:
                return (left, self._there(left)[-1]), (joined, self._there(joined)[0])
        raise PromptError(
            f"Objects {first} and {second} are both there on frame {self._frame}: choose one on an earlier frame with "
            "Shift+click, the other on a later one, then connect."
        )

    def _family(self) -> tuple[int, list[int]]:
        """Return the mother, and her daughters where two were chosen; the nearest two are found without.

        Raises
        ------
        PromptError
            If nobody who is meant is there before.
        """
        frame, chosen = self._frame, self._picking.keys
        check_divides(frame)
        daughters = [one for one, at in chosen if at == frame]
        older = [one for one, at in chosen if at < frame]
        here = self._picking.under_cursor()
        hovered = [] if here is None else [here[0]]
        candidates = [*older, self._current.object_id] if daughters else [*older, *hovered, self._current.object_id]
        for mother in candidates:
            if any(at < frame for at in self._there(mother)):
                if len(daughters) == 1 and mother not in daughters and frame in self._there(mother):
                    return mother, [mother, *daughters]
                return mother, daughters if len(daughters) > 1 else []
        raise PromptError(
            f"It is not clear who divides on frame {frame}: point at a cell that is there on frame {frame - 1} too, or "
            "choose the mother there with Shift+click."
        )

    def _there(self, object_id: int) -> list[int]:
        """Return the frames on which a cell is there, ascending."""
        return list(self._session.masks.there(object_id))


def _two(keys: Sequence[MaskKey]) -> tuple[MaskKey, MaskKey]:
    """Return the last two of the cells that are meant.

    Raises
    ------
    PromptError
        If there are fewer.
    """
    if len(keys) < 2:
        raise PromptError("That takes two cells: choose them with Shift+click, or point at the second one.")
    return keys[-2], keys[-1]


def _named(keys: Sequence[MaskKey]) -> str:
    names = " and ".join(str(one) for one, _ in keys)
    return f"Object {names}" if len(keys) == 1 else f"Objects {names}"
