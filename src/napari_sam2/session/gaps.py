"""Frames on which an object was missed, beside others on which it was found: memory tells where it was.

The job says the masks on both sides of a gap, as prompts of a document of its own, and asks for the frames between.
What comes is written as tracked masks; where somebody else was found, nothing is (`mask_updates`). A gap that was
filled in part, because that was stopped, is filled anew as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from napari_sam2.document.document import Document
from napari_sam2.document.plain_values import whole_numbers
from napari_sam2.document.prompt import Prompt
from napari_sam2.engine.jobs import PropagateJob, PropagateRequest, Span
from napari_sam2.lineage.tracks import Track, tracks_of
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stored_masks import StoredMask


def gap_job(
    document: Document, masks: MaskStore, revision: int, object_ids: int | Sequence[int] | None = None
) -> PropagateJob:
    """Return the job that fills the gaps of objects that are not locked; an empty one where there are none."""
    wanted = set(document.objects if object_ids is None else whole_numbers(object_ids, "object id")) - document.locked
    prompts: dict[tuple[int, int], Prompt] = {}
    spans: list[Span] = []
    for object_id, track in tracks_of(document, masks).items():
        if object_id not in wanted:
            continue
        kept = masks.frames(object_id)
        for frames in _gaps(track, kept, bool(document.prompts_of(object_id))):
            for frame in (frames.start - 1, frames.stop):
                prompts[object_id, frame] = Prompt(object_id, frame, mask=kept[frame].drawn(masks.size))
            spans.append(Span("forward", object_id, frames.start - 1, frames))
    return PropagateJob(
        Document.of(prompts.values()), revision, PropagateRequest("forward"), tuple(spans), is_aside=True
    )


def _gaps(track: Track, kept: Mapping[int, StoredMask], has_prompts: bool) -> Iterator[range]:
    """Yield the frames that are to be filled, between masks that no run made.

    An object without prompts has masks of a run there only where a filling was begun: where one is on each frame, it is
    over. What memory carried from a prompt it carries on, with the next run.
    """
    for first, last in pairwise(frame for frame in track.frames if not kept[frame].status.is_made_by_run):
        between = [kept[frame] for frame in range(first + 1, last) if frame in kept]
        is_missed = len(between) < last - first - 1 and all(mask.status.is_made_by_run for mask in between)
        if is_missed and not (between and has_prompts) and any(kept[at].status.is_evidence for at in (first, last)):
            yield range(first + 1, last)
