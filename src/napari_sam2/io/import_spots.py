"""Places of other programs as a document: clicks that the model answers, masks of outlines, and lineages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from napari_sam2.document.document import Document
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.polygons import mask_of_polygon
from napari_sam2.document.prompt import Prompt, check_prompts
from napari_sam2.document.track_events import Division, EventKind, TrackEvent
from napari_sam2.io.mask_pieces import imported_mask
from napari_sam2.io.tracked import TrackedSpots, check_fits, checked_parents
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stored_masks import StoredMask
from sam2_core.errors import PromptError

Array = np.ndarray[Any, Any]


def import_spots(spots: TrackedSpots, frame_count: int, size: tuple[int, int]) -> tuple[Document, MaskStore]:
    """Return the objects of places on a movie of so many frames of a size (H, W), and the masks of their outlines.

    Where there is no outline, or none that holds a pixel, there is a click. An object with clicks is followed from its
    first frame to its last one and not beyond: divisions and events say so.

    Raises
    ------
    StackError
        If they are of other frames.
    PromptError
        If a place lies outside the movie, a parent is not there or begins later, or an object comes from itself.
    """
    if spots.shape is not None:
        check_fits(spots.name, spots.shape, (frame_count, *size))
    frames = spots.frames_of
    parents = checked_parents(spots.name, spots.parents, {one: there[0] for one, there in frames.items()})
    masks, clicks = MaskStore(size, frame_count), list[Prompt]()
    for row, (one, frame) in enumerate(zip(spots.object_ids.tolist(), spots.frames.tolist(), strict=True)):
        y, x = spots.places_yx[row].tolist()
        click = Prompt(one, frame, ((y, x),), (1,), origin=spots.name)
        mask = _mask_of(spots.outlines_yx[row], size) if row in spots.outlines_yx else None
        if mask is None:
            clicks.append(click)
        else:
            check_prompts([click], (frame_count, *size))
            masks.put((one, frame), mask)
    checked = check_prompts(clicks, (frame_count, *size)) if clicks else ()
    document = Document.of(checked, [ObjectInfo(one, parent=parents.get(one)) for one in frames])
    divisions = _divisions(parents, frames)
    events = [one for one in _events(frames, divisions, frame_count) if document.prompts_of(one.object_id)]
    return document.with_tracks([], divisions, events), masks


def _mask_of(outline: Array, size: tuple[int, int]) -> StoredMask | None:
    """Return the pixels of the frame in an outline (V, 2); None where it holds none."""
    low = np.maximum(np.floor(outline.min(axis=0)), 0).astype(int)
    high = np.minimum(np.ceil(outline.max(axis=0)) + 1, size).astype(int)
    if np.any(low >= high):
        return None
    height, width = (high - low).tolist()
    try:
        rows, columns = np.nonzero(mask_of_polygon(outline - low, (height, width)))
    except PromptError:
        return None
    return imported_mask(rows + low[0], columns + low[1])


def _divisions(parents: Mapping[int, int], frames: Mapping[int, list[int]]) -> list[Division]:
    """Return the divisions that parents make; one daughter alone makes one, for the mother ends there."""
    born: dict[tuple[int, int], list[int]] = defaultdict(list)
    for one, parent in parents.items():
        if frames[one][0] > frames[parent][0]:
            born[parent, frames[one][0]].append(one)
    return [Division(mother, frame, tuple(daughters)) for (mother, frame), daughters in born.items()]


def _events(frames: Mapping[int, list[int]], divisions: list[Division], frame_count: int) -> Iterator[TrackEvent]:
    """Yield where objects begin and end for which no division says it."""
    daughters = {one for each in divisions for one in each.daughters}
    for one, there in frames.items():
        if there[0] > 0 and one not in daughters:
            yield TrackEvent(one, there[0], EventKind.appears)
        ends = [each.frame for each in divisions if each.mother == one and each.frame > there[-1]]
        if there[-1] < min(ends, default=frame_count) - 1:
            yield TrackEvent(one, there[-1], EventKind.dies)
