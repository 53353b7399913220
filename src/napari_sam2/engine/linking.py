"""Proposals of many frames linked to tracks, on the lane: masks and intensities go to `napari_sam2.linking`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.document.proposals import Proposal
from napari_sam2.engine.jobs import CancelToken, LinkJob
from napari_sam2.engine.updates import FoundTracks, LinkUpdate
from napari_sam2.linking import Detection, Linked, link_steps
from napari_sam2.linking.linking import LinkSteps
from napari_sam2.masks.stored_masks import MaskStatus, StoredMask
from napari_sam2.stacks import Movie


def link(movie: Movie, job: LinkJob, token: CancelToken) -> Iterator[LinkUpdate]:
    """Yield how far linking is, and last what came of it, until it is done or cancelled.

    Raises
    ------
    StackError
        A frame cannot be read.
    """
    count = len(job.frames)
    seen: list[list[Detection]] = []
    masks: dict[int, StoredMask] = {}
    for frame, (numbers, keys) in enumerate(zip(job.frames, job.known.on_frames, strict=True)):
        if token.cancelled:
            return
        plane = movie[frame] if numbers or keys else np.zeros(())
        found = [_detection(plane, job.proposals[number]) for number in numbers]
        seen.append(found + [_known(plane, job.known.ways[one].masks[frame]) for one, _ in keys])
        masks |= {number: StoredMask.of_drawn(job.proposals[number].mask, MaskStatus.found) for number in numbers}
        yield LinkUpdate(job.revision, frame, frame + 1, 2 * count)
    with closing(_steps(movie, job, seen)) as steps:
        while not token.cancelled:
            try:
                done, total = next(steps)
            except StopIteration as end:
                step = _median_step(end.value, seen)
                tracks = FoundTracks(end.value, job.proposals, job.frames, masks, step, job.known, job.sought)
                yield LinkUpdate(job.revision, count - 1, 2 * count, 2 * count, tracks)
                return
            done = min(count + count * done // max(1, total), 2 * count - 1)
            yield LinkUpdate(job.revision, min(done - count, count - 1), done, 2 * count)


def _steps(movie: Movie, job: LinkJob, seen: Sequence[Sequence[Detection]]) -> LinkSteps:
    size = movie.height, movie.width
    return link_steps(seen, job.options, kept=job.known.kept, frame_hw=size, sought=job.sought)


def _median_step(linked: Linked, seen: Sequence[Sequence[Detection]]) -> float:
    steps: list[float] = []
    for link in linked.links:
        if not link.gap:
            before, after = (seen[frame][index] for frame, index in (link.before, link.after))
            way = np.subtract(before.centroid_yx, after.centroid_yx)
            steps.append(float(np.hypot(*way)) / before.diameter)
    return float(np.median(steps)) if steps else 0.0


def _detection(plane: NDArray[Any], proposal: Proposal) -> Detection:
    mask = proposal.mask
    intensity = float(plane[mask.rows, mask.columns][mask.inside].mean())
    return Detection((mask.y0, mask.x0), mask.inside, min(max(proposal.score, 0.0), 1.0), intensity)


def _known(plane: NDArray[Any], mask: StoredMask) -> Detection:
    """Return the detection of an object that is there."""
    inside = mask.mask()
    intensity = float(plane[mask.rows, mask.columns][inside].mean())
    return Detection((mask.y0, mask.x0), inside, 1.0, intensity)
