"""What memory sees of cells behind the ends of their tracks: candidates for frames on which they were missed.

Proposals are linked, but not taken; SAM 2's memory looks on for some frames from where each track ends, and back from
where it begins. What it sees where nobody was found is proposed as well, and linking again decides who it is. Most of
what it adds are cells that come in or go out at the border, and ones that look different for a moment. Along Z an
object ends where it ends, and this is not done. It costs as much as finding where many tracks end, so it is asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np

from napari_sam2.document.document import Document
from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.engine.jobs import FindRequest, PropagateJob, PropagateRequest, Span
from napari_sam2.engine.updates import FoundTracks
from napari_sam2.linking import Begin, End, LinkingOptions
from napari_sam2.masks.ground import Ground
from napari_sam2.session.session import Session

SCORE = 0.3
"""What its proposals are worth: that many were right in the development movies, about."""
SOURCE = "memory"
LEAST_PIXELS = 10


def look_on(
    session: Session, request: FindRequest, options: LinkingOptions | None, reach: int, told: Callable[[int, int], None]
) -> int:
    """Return how many masks memory proposed behind the ends of what linking makes of the proposals.

    Only where the request looks: on its frames, in its region.

    Parameters
    ----------
    reach
        Frames behind an end; 2 are enough: on the third, what is seen is hardly ever right.
    """
    tracks: FoundTracks | None = None
    link_job = session.proposals.link_job(options=options)
    for update in session.run(link_job):
        tracks = update.tracks or tracks
    if tracks is None:
        return 0
    job = ends_job(tracks, link_job.revision, reach)
    seen: dict[int, list[Mask]] = defaultdict(list)
    for shown in session.run(job) if not job.is_empty else ():
        told(shown.done, shown.total)
        for patch in shown.patches if shown.leg != "prompt" else ():
            if patch is not None:
                mask = Mask.in_box(session.size, patch.y0, patch.x0, patch.logits > 0)
                seen[shown.frame_index] += [mask] if np.count_nonzero(mask.inside) >= LEAST_PIXELS else []
    where = {frame: [mask for mask in seen[frame] if _is_asked(request, mask)] for frame in sorted(seen)}
    return sum(_proposed(session, tracks, frame, where[frame]) for frame in where if frame in set(request.frames))


def _is_asked(request: FindRequest, mask: Mask) -> bool:
    """Return whether a mask lies in the region, for the most part."""
    region = request.region
    return region is None or bool(region[mask.rows, mask.columns][mask.inside].mean() > 0.5)


def ends_job(tracks: FoundTracks, revision: int, reach: int) -> PropagateJob:
    """Return the job that follows objects for `reach` frames behind the ends of their tracks; empty without any."""
    last, many = len(tracks.frames) - 1, len(tracks.linked.tracks)
    prompts: list[Prompt] = []
    spans: list[Span] = []

    def follow(object_id: int, node: tuple[int, int], way: range) -> None:
        mask = tracks.proposals[tracks.frames[node[0]][node[1]]].mask
        prompts.append(Prompt(object_id, node[0], mask=mask))
        spans.append(Span("forward" if way.step > 0 else "backward", object_id, node[0], way))

    for track in tracks.linked.tracks:
        first, end = track.nodes[0], track.nodes[-1]
        if track.ends in (End.dies, End.leaves):
            follow(track.track_id, end, range(end[0] + 1, min(end[0] + reach, last) + 1))
        if track.begins in (Begin.appears, Begin.enters):
            follow(track.track_id + many, first, range(first[0] - 1, max(first[0] - reach, 0) - 1, -1))
    return PropagateJob(Document.of(prompts), revision, PropagateRequest("both"), tuple(spans), is_aside=True)


def _proposed(session: Session, tracks: FoundTracks, frame: int, masks: list[Mask]) -> int:
    """Return how many masks of a frame were proposed: those that lie beside all that was found there."""
    ground = Ground(session.size, {number: tracks.proposals[number].mask for number in tracks.frames[frame]})
    free: list[Mask] = []
    for mask in masks:
        if not ground.is_taken(mask):
            ground.take(session.document.next_proposal() + len(free), mask)
            free.append(mask)
    if free:
        session.proposals.add(frame, free, SOURCE, [SCORE] * len(free))
    return len(free)
