"""What stands beside tracks in the table: a classical pipeline, and ours with one part left out.

A baseline is labels and parents, made from the images of the movie: `classical_tracks` segments as `baseline` does and
links centroids by `laptrack` (an extra); `our_tracks` finds every object once and links what it found several times.
The classical pipeline is told what a person would: the size of the objects, and whether they are bright or dark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam2.engine.jobs import LEAST_LINKED_SCORE, FindRequest
from napari_sam2.evaluation.baseline import regions_of_frame
from napari_sam2.evaluation.benchmark import Begin, unseen
from napari_sam2.io.label_array import ResultLabels
from napari_sam2.io.tracked import TrackedLabels
from napari_sam2.linking import LinkingOptions
from napari_sam2.masks.stored_masks import Array
from napari_sam2.session.linked import linking_for
from napari_sam2.session.looks import movie_of
from napari_sam2.session.movie_job import results_in
from napari_sam2.session.session import Predictor, Session
from napari_sam2.session.settings import SessionSettings
from napari_sam2.stacks import Movie, Stack, open_labels
from sam2_core.errors import StackError
from sam2_core.scoring.ground_truth import typical_diameter

LINK, SPLIT = 1.0, 0.75
"""How far an object moves, and a daughter lies from her mother, in diameters: what did best on four movies."""

Tracked = tuple[str, TrackedLabels]
"""What made it, and the tracks; they hold until the next are asked for."""


@dataclass(frozen=True, slots=True)
class Images:
    """The images of a movie, and how a session sees them."""

    stack: Stack
    settings: SessionSettings

    def baselines(self, truth: Movie, begin: Begin) -> Iterator[Tracked]:
        """Yield all of them.

        Raises
        ------
        StackError
            If `laptrack` is not installed, or a frame cannot be read.
        """
        laptrack_library()
        yield "classical + laptrack", classical_tracks(self, truth, begin)
        yield from our_tracks(self, begin=begin)


def laptrack_library() -> ModuleType:
    """Return the `laptrack` library.

    Raises
    ------
    StackError
        If it is not installed.
    """
    try:
        import laptrack
    except ImportError as error:
        raise StackError(
            f"The classical baseline is linked by the laptrack library, which is not installed ({error}); install it "
            'with pip install "napari-sam2[baselines]", or leave --baselines out.'
        ) from error
    return laptrack


def classical_tracks(images: Images, truth: Movie, begin: Begin = unseen) -> TrackedLabels:
    """Return what smoothing, Otsu and watershed find on each frame, linked by `laptrack`."""
    diameter_px = typical_diameter(truth)
    movie = movie_of(images.stack, images.settings)
    tick = begin("classical + laptrack", len(movie))
    labels: NDArray[np.uint32] = np.zeros((len(movie), movie.height, movie.width), np.uint32)
    for frame, true in enumerate(truth):
        labels[frame] = regions_of_frame(movie[frame], true, diameter_px)
        tick()
    values = [np.unique(plane[plane > 0]) for plane in labels]
    points = [_centroids(plane, here) for plane, here in zip(labels, values, strict=True)]
    tracker = laptrack_library().LapTrack(
        cutoff=(LINK * diameter_px) ** 2,
        gap_closing_cutoff=(LINK * diameter_px) ** 2,
        gap_closing_max_frame_count=1,
        splitting_cutoff=(SPLIT * diameter_px) ** 2,
    )
    ids, parents = track_ids(tracker.predict(points), [len(here) for here in points])
    for plane, here, new in zip(labels, values, ids, strict=True):
        named = np.zeros(int(here.max(initial=0)) + 1, np.uint32)
        named[here] = new
        plane[:] = named[plane]
    return TrackedLabels(open_labels(labels, "TYX"), parents)


def track_ids(graph: Any, counts: Sequence[int]) -> tuple[list[list[int]], dict[int, int]]:
    """Return the object id of each detection, frame by frame, and id -> the one that it comes from.

    Parameters
    ----------
    graph
        Links from earlier nodes (frame, index) to later ones, as `networkx.DiGraph`.
    counts
        Detections of each frame.
    """
    ids: dict[tuple[int, int], int] = {}
    parents: dict[int, int] = {}
    following = count(1)
    for node in ((frame, index) for frame, objects in enumerate(counts) for index in range(objects)):
        before = next(iter(graph.predecessors(node)), None) if node in graph else None
        if before is not None and graph.out_degree(before) == 1:
            ids[node] = ids[before]
            continue
        ids[node] = next(following)
        if before is not None:
            parents[ids[node]] = ids[before]
    return [[ids[frame, index] for index in range(objects)] for frame, objects in enumerate(counts)], parents


def our_tracks(images: Images, predictor: Predictor = None, begin: Begin = unseen) -> Iterator[Tracked]:
    """Yield our own tracks without memory (gaps stay), without drift, without divisions, and in full."""
    with Session.open(images.stack, settings=images.settings, predictor=predictor) as session:
        frames = tuple(range(len(session.movie)))
        tick = begin("finding", len(frames))
        request = FindRequest(frames, min_score=LEAST_LINKED_SCORE)
        for update in session.run(session.proposals.find_job(request)):
            session.accept(update)
            if update.found is not None:
                tick()
        usual = linking_for(session.movie.movie)
        yield from _linked(session, "ours, without memory", usual, fill=False)
        yield from _linked(session, "ours, without drift", replace(usual, drift=False))
        yield from _linked(session, "ours, without divisions", replace(usual, divisions=False))
        yield from _linked(session, "ours", usual)


def _linked(session: Session, name: str, options: LinkingOptions, fill: bool = True) -> Iterator[Tracked]:
    """Yield the tracks that linking makes of the proposals, which are there again behind that."""
    session.proposals.link(options=options)
    for _ in session.fill_gaps() if fill else ():
        pass
    yield name, _tracked(session)
    session.undo()


def _tracked(session: Session) -> TrackedLabels:
    parents = {one: info.parent for one, info in session.document.objects.items() if info.parent is not None}
    return TrackedLabels(open_labels(ResultLabels(results_in(session)), "TYX"), parents)


def _centroids(labels: Array, values: Array) -> NDArray[np.float64]:
    """Return the centroids (N, 2) of the objects of a frame."""
    found = ndimage.center_of_mass(labels > 0, labels, values)
    return np.array(found, np.float64).reshape(-1, 2)
