"""Results of other programs, or of an earlier day, as a document and masks whose status is `imported`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_sam2.document.document import Document
from napari_sam2.document.objects import LinkStatus, ObjectInfo
from napari_sam2.document.track_events import Division, Names
from napari_sam2.io.import_spots import import_spots
from napari_sam2.io.import_warnings import odd_in_table, odd_pieces
from napari_sam2.io.lineage_pieces import split_lineages
from napari_sam2.io.mask_pieces import imported_mask
from napari_sam2.io.tracked import TrackedLabels, TrackedSpots, check_fits, checked_parents
from napari_sam2.lineage.tracks import divisions_of, tracks_of
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stored_masks import MaskKey, StoredMask
from napari_sam2.stacks import Movie
from sam2_core.errors import StackError


def import_labels(labels: Movie, parents: Mapping[int, int] | None = None) -> tuple[Document, MaskStore]:
    """Return the objects and masks of a label stack, an object for each value above 0; one frame is read at a time.

    Parameters
    ----------
    labels
        Whole numbers, one channel, also as floats (32-bit images of ImageJ); see `stacks.open_labels`.
    parents
        Object id -> object that it came from.

    Raises
    ------
    StackError
        If it holds anything but whole numbers from 0, or several channels.
    PromptError
        If a parent is not in the stack or begins later, or an object comes from itself.
    """
    if labels.channel_count != 1 or labels.dtype.kind not in "buif":
        raise StackError(
            f"{labels.stack.name} holds {labels.dtype} in {labels.channel_count} channels, no labels; give a stack of "
            "whole numbers, 0 for nothing, with one channel."
        )
    masks = MaskStore((labels.height, labels.width), len(labels))
    for frame in range(len(labels)):
        for object_id, mask in _masks(_whole(labels, frame)):
            if object_id < 0:
                raise StackError(
                    f"{labels.stack.name}, frame {frame}: the label {object_id} is below 0; use 1 or more."
                )
            masks.put((object_id, frame), mask)
    begins = {one: min(masks.frames(one)) for one in dict.fromkeys(masks.object_ids())}
    known = checked_parents(labels.stack.name, parents or {}, begins)
    return Document.of([], [ObjectInfo(one, parent=known.get(one)) for one in begins]), masks


def _whole(labels: Movie, frame: int) -> np.ndarray[Any, Any]:
    """Return the labels of a frame, (H, W), as whole numbers."""
    stored = labels[frame]
    if stored.dtype.kind != "f":
        return stored
    with np.errstate(invalid="ignore"):  # what is not finite is no whole number
        whole = stored.astype(np.int64)
    if not np.array_equal(whole, stored):
        raise StackError(
            f"{labels.stack.name}, frame {frame}: it holds {stored.dtype} that are no whole numbers, so these are no "
            "labels; give a stack of whole numbers, 0 for nothing."
        )
    return whole


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What tracks come to by themselves: objects, prompts, divisions and events; masks; what is odd about them."""

    document: Document
    masks: MaskStore
    notes: tuple[str, ...] = ()

    @property
    def has_gaps(self) -> bool:
        """Whether objects with prompts are missing on frames between their first and last, which memory can fill."""
        for object_id in {object_id for object_id, _ in self.document.prompts}:
            frames = {*self.document.prompts_of(object_id), *self.masks.frames(object_id)}
            if max(frames) - min(frames) >= len(frames):
                return True
        return False


def arriving(
    tracks: TrackedLabels | TrackedSpots, frame_count: int, size: tuple[int, int], is_split: bool = False
) -> Arrivals:
    """Return the objects of tracks on a movie of so many frames of a size (H, W); all their pixels are read.

    is_split: whether objects of labels in several pieces become mothers and daughters.

    Raises
    ------
    StackError
        If they hold nothing, or are of other frames.
    PromptError
        If a parent is not in them or begins later, or an object comes from itself.
    """
    if isinstance(tracks, TrackedSpots):
        return Arrivals(*import_spots(tracks, frame_count, size), tracks.notes)
    movie = tracks.labels
    check_fits(movie.stack.name, (len(movie), movie.height, movie.width), (frame_count, *size))
    document, masks = import_labels(movie, tracks.parents)
    if not document.objects:
        raise StackError(f"{movie.stack.name} holds no object: all labels are 0.")
    notes = [*tracks.notes, *odd_in_table(tracks, masks)]
    if is_split:
        document, masks = split_lineages(document, masks)
    else:
        notes += odd_pieces(movie.stack.name, masks)
    return Arrivals(document.with_tracks([], divisions_of(tracks_of(document, masks))), masks, tuple(notes))


def imported(came: Arrivals, document: Document, masks: MaskStore) -> tuple[Document, dict[MaskKey, StoredMask]]:
    """Return a document with what came as well, and the masks of that; where an id is taken, all get new ones.

    masks: those that go with the document.
    """
    taken = {*document.objects, *masks.object_ids()}
    shift = max(taken) if taken & set(came.document.objects) else 0
    names = {one: one + shift for one in came.document.objects}
    divisions = [
        Division(names[one.mother], one.frame, tuple(names[daughter] for daughter in one.daughters))
        for one in came.document.divisions
    ]
    infos = [_renamed(info, names) for info in came.document.objects.values()]
    made = document.with_tracks(infos, divisions, [event.renamed(names) for event in came.document.events])
    prompts = [prompt.owned_by(names[prompt.object_id]) for prompt in came.document.prompts.values()]
    made = made.with_prompts({(prompt.object_id, prompt.frame): prompt for prompt in prompts})
    return made, {(names[one], frame): mask for (one, frame), mask in came.masks.items()}


def _renamed(info: ObjectInfo, names: Names) -> ObjectInfo:
    parent = None if info.parent is None else names[info.parent]
    return replace(info, object_id=names[info.object_id], parent=parent, links=LinkStatus.linked)


def _masks(labels: np.ndarray[Any, Any]) -> Iterator[tuple[int, StoredMask]]:
    """Yield the values but 0 of labels (H, W), ascending, each with its pixels; these are passed over once."""
    rows, columns = np.nonzero(labels)
    order = np.argsort(labels[rows, columns], kind="stable")
    values, starts = np.unique(labels[rows[order], columns[order]], return_index=True)
    for value, places in zip(values.tolist(), np.split(order, starts[1:]), strict=False):
        yield int(value), imported_mask(rows[places], columns[places])
