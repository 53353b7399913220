"""Which frames are run through in which direction for which objects: the plan of a tracking job, as plain values.

Forward, an object is followed from its first prompt to the end of the range; backward, from its last prompt to the
start; in both directions, forward from its first prompt and backward from there. A `Leg` is one run of the predictor.
Nothing here touches an image or a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from napari_sam2.document.prompt import Prompt
from sam2_core.errors import PromptError, StackError

Direction = Literal["forward", "backward", "both"]


@dataclass(frozen=True, slots=True)
class Leg:
    """One run along the movie in one direction.

    Attributes
    ----------
    name
        "forward" or "backward"; results of the two are kept apart.
    frames
        Frames in the order in which they are visited; consecutive, not empty.
    begin
        Frame from which the predictor starts; it lies before `frames` where the first prompt belongs to the other leg.
    anchors
        Object id -> first frame of this leg on which the object can have a mask.
    """

    name: Literal["forward", "backward"]
    frames: range
    begin: int
    anchors: Mapping[int, int]

    @property
    def reverse(self) -> bool:
        """Whether the frames are visited from late to early."""
        return self.name == "backward"

    def shows(self, object_id: int, frame: int) -> bool:
        """Return whether this leg decides about the object on that frame."""
        anchor = self.anchors.get(object_id)
        return anchor is not None and (frame <= anchor if self.reverse else frame >= anchor)

    def from_frame(self, frame: int) -> Leg:
        """Return what is left of the leg, beginning with `frame`."""
        return Leg(self.name, self.frames[self.frames.index(frame) :], frame, self.anchors)


def plan_legs(prompts: Sequence[Prompt], frame_range: range, direction: Direction) -> tuple[Leg, ...]:
    """Return the runs that a job consists of, forward first.

    Parameters
    ----------
    prompts
        At least one, all on frames of `frame_range`.
    frame_range
        Frames to track, ascending.
    direction
        "forward", "backward" or "both".

    Raises
    ------
    PromptError
        If a prompt lies outside the range.
    """
    for prompt in prompts:
        if prompt.frame not in frame_range:
            raise PromptError(
                f"{prompt.place}: the prompt lies outside the frames that are tracked, {frame_range.start} to "
                f"{frame_range.stop - 1}; widen the range (--start, --stop) or leave the prompt out."
            )
    first, last = _first_and_last(prompts)
    if direction == "backward":
        latest = max(last.values())
        return (Leg("backward", range(latest, frame_range.start - 1, -1), latest, last),)
    earliest = min(first.values())
    forward = Leg("forward", range(earliest, frame_range.stop), earliest, first)
    before = {object_id: frame - 1 for object_id, frame in first.items() if frame > frame_range.start}
    if direction == "forward" or not before:
        return (forward,)
    latest = max(before.values())
    return forward, Leg("backward", range(latest, frame_range.start - 1, -1), latest + 1, before)


def checked_range(frame_count: int, start: int | None, stop: int | None) -> range:
    """Return the frames `start` to `stop` - 1 of a movie.

    Raises
    ------
    StackError
        If the range is empty or leaves the movie.
    """
    chosen = range(0 if start is None else start, frame_count if stop is None else stop)
    if len(chosen) == 0 or chosen.start < 0 or chosen.stop > frame_count:
        raise StackError(
            f"Frames {chosen.start} to {chosen.stop} (the last one not included) cannot be tracked; the stack has "
            f"{frame_count} frames, so --start may be 0 to {frame_count - 1} and --stop up to {frame_count}."
        )
    return chosen


def _first_and_last(prompts: Sequence[Prompt]) -> tuple[dict[int, int], dict[int, int]]:
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for prompt in prompts:
        first[prompt.object_id] = min(first.get(prompt.object_id, prompt.frame), prompt.frame)
        last[prompt.object_id] = max(last.get(prompt.object_id, prompt.frame), prompt.frame)
    return first, last
