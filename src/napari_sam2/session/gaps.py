"""Frames on which an object was missed, beside others on which it was found: memory tells where it was.

The job says the masks on both sides of a gap, as prompts of a document of its own, and asks for the frames between.
What comes is written as tracked masks; where somebody else was found, nothing is (`mask_updates`).
"""

from __future__ import annotations

from collections.abc import Sequence

from napari_sam2.document.document import Document
from napari_sam2.document.prompt import Prompt
from napari_sam2.engine.jobs import PropagateJob, PropagateRequest, Span
from napari_sam2.lineage.tracks import tracks_of
from napari_sam2.masks.mask_store import MaskStore


def gap_job(
    document: Document, masks: MaskStore, revision: int, object_ids: Sequence[int] | None = None
) -> PropagateJob:
    """Return the job that fills the gaps of objects that are not locked; an empty one where there are none."""
    wanted = set(document.objects if object_ids is None else object_ids) - document.locked
    prompts: dict[tuple[int, int], Prompt] = {}
    spans: list[Span] = []
    for object_id, track in tracks_of(document, masks).items():
        for first, last in track.gaps if object_id in wanted else ():
            sides = [(frame, masks.get((object_id, frame))) for frame in (first - 1, last + 1)]
            if any(masks.get((object_id, frame)) is not None for frame in range(first, last + 1)):
                continue  # it was looked for there before, and is absent
            known = {frame: mask for frame, mask in sides if mask is not None and not mask.status.is_made_by_run}
            if len(known) < len(sides) or not any(mask.status.is_evidence for mask in known.values()):
                continue  # what memory carried there it carries on, with the next run
            for frame, mask in known.items():
                prompts[object_id, frame] = Prompt(object_id, frame, mask=mask.drawn(masks.size))
            spans.append(Span("forward", object_id, first - 1, range(first, last + 1)))
    return PropagateJob(
        Document.of(prompts.values()), revision, PropagateRequest("forward"), tuple(spans), is_aside=True
    )
