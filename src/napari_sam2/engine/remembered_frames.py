"""On which frames an object's memory holds, by leg: frame numbers alone, no tensors.

A prompt that changes on a frame makes what was tracked behind it invalid, in either direction. `begins` says where a
span has to begin so that its first wanted frame finds all that it attends to: there, where nothing is missing, else as
far back as needed, at the latest at the anchor.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from napari_sam2.document.document import Document, PromptKey
from napari_sam2.engine.jobs import Json, Span

REACH = 16
"""A frame attends to no tracked frame farther back than this (`SelectionRule.max_pointers`)."""


class Remembered:
    """Frames that were tracked and still hold, by object and leg."""

    def __init__(self) -> None:
        self._frames: dict[tuple[int, str], set[int]] = {}

    def holds(self, object_id: int, leg: str, frame: int) -> bool:
        """Return whether the object's memory of a frame is from that leg and holds."""
        return frame in self._frames.get((object_id, leg), ())

    def add(self, object_ids: Iterable[int], leg: str, frame: int) -> None:
        """Note that a frame was tracked; what another leg remembered there is gone."""
        other = "backward" if leg == "forward" else "forward"
        for object_id in object_ids:
            self._frames.setdefault((object_id, leg), set()).add(frame)
            self._frames.get((object_id, other), set()).discard(frame)

    def prompt_changed(self, key: PromptKey) -> None:
        """Note that what lies behind a prompt holds no longer."""
        object_id, changed = key
        for leg, sign in (("forward", 1), ("backward", -1)):
            frames = self._frames.get((object_id, leg), set())
            frames -= {frame for frame in frames if sign * frame >= sign * changed}

    def forget(self, object_id: int) -> None:
        """Note that an object is gone."""
        for leg in ("forward", "backward"):
            self._frames.pop((object_id, leg), None)

    def begins(self, spans: Iterable[Span], document: Document) -> dict[Span, int]:
        """Return the frame with which the predictor has to begin for each span."""
        return {span: self._begin(span, document.prompts_of(span.object_id)) for span in spans}

    def to_json(self, hidden: Collection[tuple[int, str]]) -> list[Json]:
        """Return all but what is `hidden` (object and leg) as JSON can hold it: object, leg, stretches of frames.

        A stretch is its first frame and the one behind its last, so a long run takes no more room than a short one.
        """
        return [[*key, _stretches(frames)] for key, frames in sorted(self._frames.items()) if key not in hidden]

    @classmethod
    def from_json(cls, entries: Iterable[Json]) -> Remembered:
        """Return what `to_json` wrote; sessions of 0.1 list the frames one by one."""
        made = cls()
        for object_id, leg, listed in entries:
            frames = (range(*one) if isinstance(one, list) else range(one, one + 1) for one in listed)
            made._frames[int(object_id), leg] = set().union(*frames)
        return made

    def _begin(self, span: Span, prompted: Collection[int]) -> int:
        """Return the last frame of the leg before the wanted ones that is known whole, itself included, or the anchor.

        The frame before the first one to compute is looked at once more, because that places a window on the next.
        """
        sign = 1 if span.leg == "forward" else -1
        known = self._frames.get((span.object_id, span.leg), set())
        last = sign * span.anchor
        place = max(sign * span.frames[0], last)
        while place > last:
            needed = range(max(last, place - REACH), place)
            missing = [one for one in needed if sign * one not in known and sign * one not in prompted]
            if not missing:
                return sign * (place - 1)
            place = missing[0]
        return span.anchor


def _stretches(frames: Iterable[int]) -> list[list[int]]:
    """Return frames as stretches, (first, last + 1) of each, ascending."""
    found: list[list[int]] = []
    for frame in sorted(frames):
        if found and found[-1][1] == frame:
            found[-1][1] = frame + 1
        else:
            found.append([frame, frame + 1])
    return found
