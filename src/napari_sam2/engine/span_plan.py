"""Which frames a propagation decides for which object, and the passes of the predictor that this takes.

Forward, an object is followed from its first prompt to the end; backward, from its last prompt to the start; in both
directions, forward from its first prompt and backward from there.

`plan_spans` reads a request against the prompts and the masks that there are: which frames are wanted of each object in
each leg, a `Span` for each stretch of them. `passes_of` joins spans, once it is known where each has to begin, into
passes: runs over consecutive frames with the objects that are under way there, so that each frame is visited once per
leg. Nothing here touches an image or a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from napari_sam2.document.document import Document
from napari_sam2.document.track_events import EventKind
from napari_sam2.engine.jobs import Direction, Leg, PropagateRequest, Span
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stored_masks import Array, MaskStatus
from sam2_core.errors import PromptError


@dataclass(frozen=True, slots=True)
class Pass:
    """One run of the predictor over consecutive frames, in the order of visits, for the objects under way there."""

    leg: Leg
    frames: range
    object_ids: tuple[int, ...]

    @property
    def reverse(self) -> bool:
        """Whether the frames are visited from late to early."""
        return self.leg == "backward"


def plan_spans(request: PropagateRequest, document: Document, masks: MaskStore, frame_count: int) -> tuple[Span, ...]:
    """Return what a request comes to, forward spans first; empty where nothing is stale.

    Raises
    ------
    PromptError
        If an object that is asked for does not exist or has no prompt, or there are no prompts at all.
    """
    found: list[Span] = []
    for object_id in _asked_for(request, document):
        prompted = sorted(document.prompts_of(object_id))
        undecided = _undecided(masks.statuses(object_id), prompted, request.only_stale)
        for leg, anchor, frames in _legs_in_lives(
            request.direction, prompted, _lives(document, object_id, frame_count)
        ):
            wanted = _within(frames, request.frames)
            if request.until_next_prompt:
                wanted = _before_next(wanted, prompted)
            stretches = _stretches(wanted, undecided, prompted)
            for frames_wanted in stretches:
                if any(frame not in prompted for frame in frames_wanted):
                    found.append(Span(leg, object_id, anchor, frames_wanted))
    return tuple(sorted(found, key=lambda span: (span.leg == "backward", span.object_id)))


def passes_of(begins: Mapping[Span, int]) -> tuple[Pass, ...]:
    """Return the passes over spans, each of which begins at a frame at or before those that it wants.

    Forward passes come first; within a leg the passes follow one another in its order.
    """
    passes: list[Pass] = []
    signs: dict[Leg, int] = {"forward": 1, "backward": -1}
    for leg, sign in signs.items():
        spans = {span: sign * begin for span, begin in begins.items() if span.leg == leg}
        for start, stop in _cuts(spans, sign):
            under_way = {span.object_id for span, begin in spans.items() if begin <= start < _end(span, sign)}
            if under_way:
                one = Pass(leg, range(sign * start, sign * stop, sign), tuple(sorted(under_way)))
                passes[-1:] = _joined(passes[-1:], one)
    return tuple(passes)


def _joined(last: Sequence[Pass], one: Pass) -> list[Pass]:
    """Return the pass before, if there is one, and this one; a single one where the same objects go on."""
    if last and (last[0].leg, last[0].frames.stop, last[0].object_ids) == (one.leg, one.frames.start, one.object_ids):
        return [replace(one, frames=range(last[0].frames.start, one.frames.stop, one.frames.step))]
    return [*last, one]


def _end(span: Span, sign: int) -> int:
    """Return the position, frame * sign, behind the last frame of a span."""
    return sign * span.frames[-1] + 1


def _cuts(spans: Mapping[Span, int], sign: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches [start, stop) of positions between which the same objects are under way.

    Frame 0 is never a backward pass of its own: the predictor does not run backward from there.
    """
    places = {*spans.values(), *(_end(span, sign) for span in spans)}
    if sign < 0 and 1 in places and min(places) < 0:
        places.discard(0)
    yield from pairwise(sorted(places))


def _asked_for(request: PropagateRequest, document: Document) -> list[int]:
    prompted = {object_id for object_id, _ in document.prompts}
    chosen = sorted(prompted) if request.object_ids is None else list(dict.fromkeys(request.object_ids))
    for object_id in chosen:
        document.check_object(object_id)
    unprompted = [object_id for object_id in chosen if object_id not in prompted]
    if unprompted or not prompted:
        who = f"object {unprompted[0]} has no prompt on any frame" if unprompted else "There are no prompts"
        raise PromptError(
            f"{who}, and a run goes on from prompts alone; what was found or imported stays as it is. Say where "
            f"{'it' if unprompted else 'an object'} is by a click, a box or a mask, in napari or with "
            f"session.add_points({unprompted[0] if unprompted else 1}, frame, ...); or let `napari-sam2 track --auto "
            "--session FOLDER` find and link what is missing."
        )
    locked = document.locked
    return [object_id for object_id in chosen if object_id not in locked]


def _legs_in_lives(
    direction: Direction, prompted: Sequence[int], lives: Sequence[range]
) -> Iterator[tuple[Leg, int, range]]:
    """Yield name, anchor and frames of an object's legs, each life for itself; without a prompt it has none."""
    for life in lives:
        inside = [frame for frame in prompted if frame in life]
        if inside:
            for leg, anchor, frames in _legs(direction, inside, life.stop):
                yield leg, anchor, _within(frames, life)


def _legs(direction: Direction, prompted: Sequence[int], frame_count: int) -> Iterator[tuple[Leg, int, range]]:
    """Yield name, anchor and frames of an object's legs over the whole movie."""
    first, last = prompted[0], prompted[-1]
    if direction in ("forward", "both"):
        yield "forward", first, range(first, frame_count)
    if direction == "both" and first > 0:
        yield "backward", first, range(first - 1, -1, -1)
    if direction == "backward":
        yield "backward", last, range(last, -1, -1)


def _within(frames: range, wanted: range | None) -> range:
    if wanted is None or not frames:
        return frames
    if frames.step > 0:
        return range(max(frames.start, wanted.start), min(frames.stop, wanted.stop))
    return range(min(frames.start, wanted.stop - 1), max(frames.stop, wanted.start - 1), -1)


def _before_next(frames: range, prompted: Sequence[int]) -> range:
    """Return the frames up to the first prompted one behind the first of them."""
    for index, frame in enumerate(frames):
        if index and frame in prompted:
            return frames[:index]
    return frames


def _lives(document: Document, object_id: int, frame_count: int) -> list[range]:
    """Return the stretches of frames on which an object can be there; no memory crosses from one to the next.

    Not before it comes from a division or is said to begin, nor after its own or where it is said to end, nor while it
    is absent. A prompt beyond a beginning or an end says more than that, and one of a mother beyond her division too.
    """
    prompted = document.prompts_of(object_id)
    born = [one.frame for one in document.divisions if object_id in one.daughters]
    goes_on = max(prompted, default=-1)
    divided = [one.frame for one in document.divisions if one.mother == object_id and one.frame > goes_on]
    events = [one for one in document.events if one.object_id == object_id]
    for one in events:
        if one.kind.is_begin and not any(frame < one.frame for frame in prompted):
            born.append(one.frame)
        if one.kind.is_end and not any(frame > one.frame for frame in prompted):
            divided.append(one.frame + 1)
    start, stop, lives = max(born, default=0), min(divided, default=frame_count), list[range]()
    for one in sorted(events, key=lambda event: event.frame):
        if one.kind is EventKind.absent and one.last_frame is not None:
            lives.append(range(start, min(one.frame, stop)))
            start = max(start, one.last_frame + 1)
    return [life for life in (*lives, range(start, stop)) if life]


def _undecided(codes: Array, prompted: Sequence[int], only_stale: bool) -> Array:
    """Return on which frames (T,) a run decides about an object: where its mask is stale or missing, or on all.

    Prompted ones count as decided, and so does evidence, which no run makes.
    """
    undecided: Array = (codes == 0) | (codes == MaskStatus.stale.code)
    if not only_stale:
        undecided = ~np.isin(codes, [status.code for status in MaskStatus if status.is_evidence])
    undecided[list(prompted)] = False
    return undecided


def _stretches(frames: range, undecided: Array, prompted: Sequence[int]) -> list[range]:
    """Return the parts of a leg's frames that are undecided, each consecutive and as long as can be, in their order.

    A leg of which nothing is decided yet is one, prompted frames and all.
    """
    places = list(frames)
    wanted = undecided[places].astype(np.int8)
    if wanted.sum() + len(set(prompted) & set(places)) == len(places):
        return [frames]
    edges = np.flatnonzero(np.diff(wanted, prepend=0, append=0))
    return [frames[start:stop] for start, stop in edges.reshape(-1, 2).tolist()]
