"""What memory sees of cells behind the ends of their tracks: candidates for frames on which they were missed.

Proposals are linked, but not taken; SAM 2's memory looks on for some frames from where each track ends, and back from
where it begins. What it sees where nobody was found is proposed as well, and linking again decides who it is. Most of
what it adds are cells that come in or go out at the border, and ones that look different for a moment. Along Z an
object ends where it ends, and this is not done. Memory follows what it finds near its place: where cells move by half
of their size or more from frame to frame it loses most of them, and looks on only where that is asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from napari_sam2.document.document import Document
from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.document.proposals import Proposal
from napari_sam2.engine.jobs import PropagateJob, PropagateRequest, Span
from napari_sam2.engine.updates import FoundTracks, FrameUpdate
from napari_sam2.linking import Begin, End, Node
from napari_sam2.masks.ground import Ground

SCORE = 0.3
"""What its proposals are worth: that many were right in the development movies, about."""
SOURCE = "memory"
LEAST_PIXELS = 10
REACH = 3
"""Frames for which memory looks on where nobody said how many; the second and third add little, at little cost."""
MOST_STEP = 0.5
"""Median step of cells from frame to frame, in their diameters, up to which it does by itself."""


Add = Callable[[int, list[Proposal]], dict[int, Proposal]]
"""Proposes what was seen on a frame beside all that is linked there, and returns it by number."""


class LookingOn:
    """A look behind the ends of tracks that are not taken yet: `job` is to be run, each update of it is for `take`.

    Parameters
    ----------
    tracks
        What linking made of the proposals.
    job
        See `ends_job`; empty where there is nothing to look at.
    size
        (H, W) of a frame.
    add
        Proposes what is seen.
    region
        (H, W) bool, where to look; the whole frame where None.
    """

    def __init__(
        self,
        tracks: FoundTracks,
        job: PropagateJob,
        size: tuple[int, int],
        add: Add,
        region: NDArray[np.bool_] | None = None,
    ) -> None:
        self.job = job
        self._tracks = tracks
        self._size = size
        self._add = add
        self._region = region
        self._seen: dict[int, list[Mask]] = defaultdict(list)
        self._proposed: dict[int, dict[int, Proposal]] = {}

    def left(self, known: Mapping[int, Proposal]) -> list[int]:
        """Return the numbers to link again: of what was linked and is as it was, and of what memory saw beside that.

        known: the proposals as they are now. Nothing is left where all that was linked is gone.
        """
        linked = {number: self._tracks.proposals[number] for numbers in self._tracks.frames for number in numbers}
        seen = {number: one for found in self._proposed.values() for number, one in found.items()}
        same = [number for number, one in linked.items() if known.get(number) is one]
        return same and same + [number for number, one in seen.items() if known.get(number) is one]

    def take(self, update: FrameUpdate) -> None:
        """Propose what memory saw on a frame beside all that was found there, if cells were sought on it.

        Everything that one look proposes is taken back in one step.
        """
        frame = update.frame_index
        if update.leg == "prompt" or not self._tracks.sought_on(frame):
            return
        for patch in update.patches:
            mask = None if patch is None else Mask.in_box(self._size, patch.y0, patch.x0, patch.logits > 0)
            if mask is not None and np.count_nonzero(mask.inside) >= LEAST_PIXELS and self._is_asked(mask):
                self._seen[frame].append(mask)
        free = self._free(frame)
        if free:
            self._proposed[frame] = self._add(frame, [Proposal(frame, mask, SCORE, SOURCE) for mask in free])

    def _is_asked(self, mask: Mask) -> bool:
        """Return whether a mask lies in the region, for the most part."""
        region = self._region
        return region is None or bool(region[mask.rows, mask.columns][mask.inside].mean() > 0.5)

    def _free(self, frame: int) -> list[Mask]:
        """Return the masks that memory saw beside all that was found on a frame, and beside each other."""
        found = {number: self._tracks.proposals[number].mask for number in self._tracks.frames[frame]}
        ground, free = Ground(self._size, found), list[Mask]()
        for mask in self._seen[frame]:
            if not ground.is_taken(mask):
                ground.take(max(found, default=0) + 1 + len(free), mask)
                free.append(mask)
        return free


def reach_of(tracks: FoundTracks, asked: int | None) -> int:
    """Return for how many frames to look on: as was asked, or `REACH` where cells move slowly enough for memory."""
    if asked is not None:
        return asked
    return REACH if tracks.median_step <= MOST_STEP else 0


def ends_job(tracks: FoundTracks, revision: int, reach: int) -> PropagateJob:
    """Return the job that follows objects for `reach` frames behind the ends of their tracks; empty without any.

    Not behind an end that a person said, nor before such a beginning; nor where a run has come to with an object: the
    next one goes on with that.
    """
    sought, kept, many = tracks.sought, tracks.known.kept, len(tracks.linked.tracks)
    prompts: list[Prompt] = []
    spans: list[Span] = []

    def follow(object_id: int, node: Node, way: range) -> None:
        is_of_run = tracks.number(node) is None and tracks.known.mask(node).status.is_made_by_run
        if way and not is_of_run:
            prompts.append(Prompt(object_id, node[0], mask=tracks.drawn(node)))
            spans.append(Span("forward" if way.step > 0 else "backward", object_id, node[0], way))

    for track in tracks.linked.tracks:
        first, end = track.nodes[0], track.nodes[-1]
        if track.ends in (End.dies, End.leaves) and end not in kept.ends:
            follow(track.track_id, end, range(end[0] + 1, min(end[0] + reach, sought[-1]) + 1))
        if track.begins in (Begin.appears, Begin.enters) and first not in kept.begins:
            follow(track.track_id + many, first, range(first[0] - 1, max(first[0] - reach, sought[0]) - 1, -1))
    return PropagateJob(Document.of(prompts), revision, PropagateRequest("both"), tuple(spans), is_aside=True)
