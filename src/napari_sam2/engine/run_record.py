"""A session's runs: which are under way, what the one that was stopped has finished, and how it goes on.

Values and bookkeeping only; the lane computes, the session writes. What is kept here is what a session folder says of a
run (`RunRecord`), so that a run goes on after a stop and after a crash alike.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

from napari_sam2.document.document import Document
from napari_sam2.engine.jobs import Json, PropagateJob, PropagateRequest, Span


@dataclass(slots=True)
class RunInWork:
    """A propagation that was begun and is not finished, on the document of a revision.

    Attributes
    ----------
    spans
        What the request comes to as a whole.
    finished
        Leg -> frames whose masks came, in their order.
    """

    request: PropagateRequest
    spans: tuple[Span, ...]
    revision: int
    finished: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def from_record(
        cls, request: Mapping[str, Json], finished: Mapping[str, Iterable[int]], revision: int
    ) -> RunInWork:
        """Return what a session folder says of an interrupted run.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it says none.
        """
        fields = dict(request)
        spans = tuple(Span.from_json(entry) for entry in fields.pop("spans"))
        frames, object_ids = fields["frames"], fields["object_ids"]
        fields["frames"] = None if frames is None else range(*frames)
        fields["object_ids"] = None if object_ids is None else tuple(object_ids)
        done = {leg: [int(frame) for frame in frames] for leg, frames in finished.items()}
        return cls(PropagateRequest(**fields), spans, revision, done)

    def fits(self, frame_count: int, objects: Container[int]) -> bool:
        """Return whether all that it asks for is in a movie, and of objects that are there."""
        frames = range(frame_count)
        if not all(span.frames for span in self.spans):
            return False
        ends = [end for span in self.spans for end in (span.anchor, span.frames[0], span.frames[-1])]
        return all(end in frames for end in ends) and all(span.object_id in objects for span in self.spans)

    def record(self) -> dict[str, Json]:
        """Return what is asked for as JSON can hold it."""
        frames, object_ids = self.request.frames, self.request.object_ids
        return {
            "direction": self.request.direction,
            "frames": None if frames is None else [int(frames.start), int(frames.stop)],
            "object_ids": None if object_ids is None else [int(one) for one in object_ids],
            "only_stale": self.request.only_stale,
            "until_next_prompt": self.request.until_next_prompt,
            "spans": [span.to_json() for span in self.spans],
        }

    def finish(self, leg: str, frame: int) -> None:
        """Note that the masks of a frame came."""
        self.finished.setdefault(leg, []).append(frame)

    def done(self) -> dict[str, tuple[int, ...]]:
        """Return a copy of what is finished."""
        return {leg: tuple(frames) for leg, frames in self.finished.items()}

    def rest(self, document: Document, revision: int) -> PropagateJob:
        """Return the job that does what is left."""
        spans = [rest for span in self.spans if (rest := self._rest_of(span)) is not None]
        return PropagateJob(document, revision, self.request, tuple(spans), resumes=True)

    def _rest_of(self, span: Span) -> Span | None:
        finished = self.finished.get(span.leg)
        if not finished:
            return span
        sign = span.frames.step
        frames = [frame for frame in span.frames if sign * frame > sign * finished[-1]]
        return replace(span, frames=range(frames[0], span.frames.stop, sign)) if frames else None
