"""Results in the format of the Cell Tracking Challenge: `mask000.tif` ... (uint16) and `res_track.txt`.

Each line of the text is a track: label, first frame, last frame, parent (0 for none). The format wants tracks without
gaps whose parents have ended before, so one object may become several tracks: where it is absent for a while, a new
track goes on as the child of the one before; where another object says that it came from it while it is still there (a
mother that keeps its id), it goes on as its own child. The first track of an object has the object's id for a label.
Frames are visited once and in order.

The format is that of the challenge's "Naming and Content Conventions"; `man_track` names make it a ground truth.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.io.results import Results
from sam2_core.errors import StackError

LARGEST_LABEL = 2**16 - 1
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class CtcNames:
    """How the files are called."""

    image: str
    table: str


RESULT = CtcNames("mask", "res_track.txt")
TRUTH = CtcNames("man_track", "man_track.txt")


@dataclass(slots=True)
class Track:
    """A run of frames in a row on which one label is there."""

    label: int
    begin: int
    end: int
    parent: int = 0


@dataclass(slots=True)
class Tracks:
    """The tracks so far, and which of them each object is on.

    Attributes
    ----------
    parents
        Object id -> object that it came from.
    first_labels
        Object id -> label of its first track.
    """

    parents: dict[int, int]
    first_labels: dict[int, int]
    tracks: list[Track] = field(default_factory=list)
    current: dict[int, Track] = field(default_factory=dict)

    def add_frame(self, frame: int, present: Iterable[int]) -> dict[int, int]:
        """Return object id -> label for a frame, given who is on it.

        Raises
        ------
        StackError
            If there are more tracks than uint16 has labels.
        """
        here = sorted(present)
        born = {object_id for object_id in here if object_id not in self.current}
        divided = {self.parents[object_id] for object_id in born if object_id in self.parents} - born
        before = dict(self.current)
        for object_id in here:
            track = before.get(object_id)
            if track is not None and track.end == frame - 1 and object_id not in divided:
                track.end = frame
            else:
                mother = track if track is not None else before.get(self.parents.get(object_id, 0))
                self._begin(object_id, frame, 0 if mother is None else mother.label)
        return {object_id: self.current[object_id].label for object_id in here}

    def _begin(self, object_id: int, frame: int, parent: int) -> None:
        label = self.first_labels[object_id]
        if object_id in self.current:
            label = max([*self.first_labels.values(), *(track.label for track in self.tracks)]) + 1
        if label > LARGEST_LABEL:
            raise StackError(f"CTC files hold labels up to {LARGEST_LABEL}, and more are needed; export a label stack.")
        self.current[object_id] = Track(label, frame, frame, parent)
        self.tracks.append(self.current[object_id])


def export_ctc(folder: str | Path, results: Results, names: CtcNames = RESULT) -> tuple[Track, ...]:
    """Return the tracks after writing the label images and the table; the folder appears when it is whole.

    Raises
    ------
    StackError
        If the folder holds something already, or there are too many tracks.
    """
    import tifffile

    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise StackError(f"{folder} is not empty; choose a new folder for the CTC files.")
    if not folder.parent.is_dir():
        raise StackError(f"There is no folder {folder.parent} for {folder.name}; create it first.")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        tracks = _begun(results)
        digits = max(3, len(str(len(results.movie) - 1)))
        for frame, labels in enumerate(results.frames()):
            image = _relabelled(labels, tracks, frame)
            tifffile.imwrite(part / f"{names.image}{frame:0{digits}d}.tif", image, compression="zlib")
        (part / names.table).write_text(_table(tracks.tracks), encoding="ascii")
        if folder.is_dir():
            folder.rmdir()
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return tuple(tracks.tracks)


def _begun(results: Results) -> Tracks:
    """Return no tracks yet; objects keep their id as a label where all ids fit, else they are numbered anew."""
    ids = results.object_ids
    fits = max(ids, default=0) <= LARGEST_LABEL
    labels = {object_id: object_id if fits else number for number, object_id in enumerate(ids, start=1)}
    objects = results.document.objects.values()
    parents = {info.object_id: info.parent for info in objects if info.parent is not None}
    return Tracks(parents, labels)


def _relabelled(labels: Array, tracks: Tracks, frame: int) -> Array:
    present, places = np.unique(labels, return_inverse=True)
    mapped = tracks.add_frame(frame, [object_id for object_id in present.tolist() if object_id])
    values = np.array([mapped.get(object_id, 0) for object_id in present.tolist()], dtype=np.uint16)
    return values[places].reshape(labels.shape)  # (H, W)


def _table(tracks: Iterable[Track]) -> str:
    ordered = sorted(tracks, key=lambda track: track.label)
    return "".join(f"{track.label} {track.begin} {track.end} {track.parent}\n" for track in ordered)
