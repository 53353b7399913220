"""Results of other programs, or of an earlier day, as a document and masks whose status is `imported`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from napari_sam2.document.document import Document
from napari_sam2.document.objects import LinkStatus, ObjectInfo
from napari_sam2.document.track_events import Division
from napari_sam2.io.import_warnings import tell_of_pieces, tell_of_table
from napari_sam2.io.lineage_pieces import split_lineages
from napari_sam2.io.mask_pieces import imported_mask
from napari_sam2.io.track_files import TrackedLabels
from napari_sam2.lineage.tracks import divisions_of, tracks_of
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stored_masks import MaskKey, StoredMask
from napari_sam2.stacks import Movie
from sam2_core.errors import PromptError, StackError


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
    ids, known = dict.fromkeys(masks.object_ids()), parents or {}
    for one in ids:
        if known.get(one, one) not in ids:
            raise PromptError(
                f"{labels.stack.name} holds no object {known[one]}, which is said to be the parent of {one}; leave the "
                "parent empty or 0 in the table, or take labels that hold it."
            )
        begin, parent = min(masks.frames(one)), known.get(one)
        if parent not in (None, one) and min(masks.frames(parent)) > begin:
            raise PromptError(
                f"{labels.stack.name}: object {one} begins on frame {begin}, and {parent}, which is said to be its "
                f"parent, on frame {min(masks.frames(parent))}; leave the parent empty or 0 in the table."
            )
    return Document.of([], [ObjectInfo(one, parent=known.get(one)) for one in ids]), masks


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


def imported(
    tracks: TrackedLabels, document: Document, masks: MaskStore, is_split: bool = False
) -> tuple[Document, dict[MaskKey, StoredMask]]:
    """Return a document with the objects of tracks as well, and their masks; where an id is taken, all get new ones.

    Parameters
    ----------
    masks
        Those that go with the document.
    is_split
        Whether objects in several pieces become mothers and daughters.

    Raises
    ------
    StackError
        If they hold nothing, or are of other frames.
    PromptError
        If a parent is not in them or begins later, or an object comes from itself.
    """
    movie = tracks.labels
    if (len(movie), movie.height, movie.width) != (masks.frame_count, *masks.size):
        raise StackError(
            f"{movie.stack.name} has {len(movie)} frames of {movie.height} x {movie.width} pixels, and the session "
            f"{masks.frame_count} of {masks.size[0]} x {masks.size[1]}; import the tracks of the same stack."
        )
    new, found = import_labels(movie, tracks.parents)
    if not new.objects:
        raise StackError(f"{movie.stack.name} holds no object: all labels are 0.")
    tell_of_table(tracks, found)
    if is_split:
        new, found = split_lineages(new, found)
    else:
        tell_of_pieces(movie.stack.name, found)
    taken = {*document.objects, *masks.object_ids()}
    shift = max(taken) if taken & set(new.objects) else 0
    infos = [_shifted(info, shift) for info in new.objects.values()]
    divisions = [
        Division(one.mother + shift, one.frame, tuple(daughter + shift for daughter in one.daughters))
        for one in divisions_of(tracks_of(new, found))
    ]
    return document.with_tracks(infos, divisions), {(one + shift, frame): mask for (one, frame), mask in found.items()}


def _shifted(info: ObjectInfo, shift: int) -> ObjectInfo:
    parent = None if info.parent is None else info.parent + shift
    return replace(info, object_id=info.object_id + shift, parent=parent, links=LinkStatus.linked)


def _masks(labels: np.ndarray[Any, Any]) -> Iterator[tuple[int, StoredMask]]:
    """Yield the values but 0 of labels (H, W), ascending, each with its pixels; these are passed over once."""
    rows, columns = np.nonzero(labels)
    order = np.argsort(labels[rows, columns], kind="stable")
    values, starts = np.unique(labels[rows[order], columns[order]], return_index=True)
    for value, places in zip(values.tolist(), np.split(order, starts[1:]), strict=False):
        yield int(value), imported_mask(rows[places], columns[places])
