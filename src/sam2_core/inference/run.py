"""One propagation: frame by frame, and where asked for, objects left alone from where nothing changes any more.

With ``stop_when_unchanged=n`` a run compares each mask with the one that was on the frame before. An object whose masks
agreed on n frames in a row rests: it is not computed on frames that were tracked in this direction before, and what is
remembered there is its mask. It does not rest before a frame whose prompts were changed too; to know these, an object
carries `TrackedObject.outdated`, which a run takes along as far as it gets. Frames that were never tracked are
computed.

This is exact where nothing changed at all. Otherwise it is an approximation: a frame attends to the tracked frames
before it (16 with all models that ship, so fewer agreeing frames are a bolder one), and to prompted frames however far
away, whose memories may have changed too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from sam2_core.inference.memory.inference_state import InferenceState, TrackedObject
from sam2_core.inference.memory.memory_bank import MemoryEntry
from sam2_core.inference.read_ahead import FrameImages
from sam2_core.inference.tracker import Tracker
from sam2_core.inference.tracking_options import TrackingOptions


@dataclass(slots=True)
class _Watched:
    """An object during a run.

    Attributes
    ----------
    carries
        Whether masks are outdated behind a frame that the run has passed or begun after.
    agreed
        On how many frames in a row the run found what was there.
    """

    tracked: TrackedObject
    reverse: bool
    carries: bool = False
    agreed: int = 0

    def known(self, frame: int) -> MemoryEntry | None:
        """Return the entry of a frame that was prompted, or tracked in the direction of the run."""
        bank = self.tracked.bank
        if frame in bank.conditioning:
            return bank.conditioning[frame]
        return bank.tracked.get(frame) if bank.direction.get(frame) == self.reverse else None

    def may_rest(self, frame: int, needed: int) -> bool:
        """Return whether a frame need not be computed."""
        return self.agreed >= needed and self.known(frame) is not None and not self._is_outdated(frame, ahead=True)

    def compare(self, frame: int, before: MemoryEntry | None, least_iou: float) -> None:
        """Note how a frame that was visited compares with what was known of it."""
        outdated, after = self.tracked.outdated, self.known(frame)
        self.carries = self.carries or self._is_outdated(frame, ahead=False)
        if (frame, self.reverse) in outdated:
            outdated.discard((frame, self.reverse))
            self.agreed = 0
        elif frame not in self.tracked.bank.conditioning:
            agrees = before is not None and after is not None and _agree(before, after, least_iou)
            self.agreed = self.agreed + 1 if agrees else 0

    def leave(self, frame: int, needed: int) -> None:
        """Note that the run ends with a frame: what it has not carried farther is outdated from there."""
        following = frame + (-1 if self.reverse else 1)
        if self.carries and self.agreed < needed and self.known(following) is not None:
            self.tracked.outdated.add((frame, self.reverse))

    def _is_outdated(self, frame: int, ahead: bool) -> bool:
        """Return whether masks are outdated by a prompt on the frame, or on one that lies ahead (else behind)."""
        sign = 1 if ahead != self.reverse else -1
        return any(sign * other >= sign * frame for other, way in self.tracked.outdated if way == self.reverse)


class Run:
    """A propagation over several states; a context, so that its end is noted wherever it is left."""

    def __init__(
        self, tracker: Tracker, states: Sequence[InferenceState], reverse: bool, images: FrameImages | None = None
    ) -> None:
        self._tracker = tracker
        self._states = states
        self._reverse = reverse
        self._images = images
        self._options: TrackingOptions = tracker.options
        self._watched = [
            {object_id: _Watched(tracked, reverse) for object_id, tracked in state.objects.items()} for state in states
        ]
        self._last: int | None = None

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *error: object) -> None:
        needed = self._options.stop_when_unchanged
        if needed is None or self._last is None:
            return
        for watched in (one for some in self._watched for one in some.values()):
            watched.leave(self._last, needed)

    def while_any(self, frames: Iterable[int]) -> Iterator[int]:
        """Yield frames as long as there is an object; all may be removed between two frames."""
        return takewhile(lambda _: any(state.objects for state in self._states), frames)

    def visit(self, frame: int) -> None:
        """Track on a frame the objects that do not rest."""
        needed = self._options.stop_when_unchanged
        if needed is None:
            self._tracker.visit(self._states, frame, self._reverse, self._images)
            return
        busy = [
            {object_id: one.known(frame) for object_id, one in some.items() if not one.may_rest(frame, needed)}
            for some in self._watched
        ]
        selected = [state.select(some) for state, some in zip(self._states, busy, strict=True) if some]
        if selected:
            self._tracker.visit(selected, frame, self._reverse, self._images)
        self._last = frame
        for watched, some in zip(self._watched, busy, strict=True):
            for object_id, before in some.items():
                watched[object_id].compare(frame, before, self._options.unchanged_iou)


def _agree(before: MemoryEntry, after: MemoryEntry, least_iou: float) -> bool:
    """Return whether two entries of a frame show the same mask, by the overlap of their low-resolution masks."""
    first, second = (entry.low_res_logits.cpu() > 0 for entry in (before, after))
    union = int((first | second).sum())
    return union == 0 or int((first & second).sum()) >= least_iou * union
