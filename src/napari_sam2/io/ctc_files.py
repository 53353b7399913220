"""Results in the format of the Cell Tracking Challenge: `mask000.tif` ... (uint16) and `res_track.txt`.

Each line of the text is a track: label, first frame, last frame, parent (0 for none). The format wants tracks without
gaps whose parents have ended before, so one object may become several tracks: where it is absent for a while, a new
track goes on as the child of the one before; where another object says that it came from it while it is still there (a
mother that keeps its id), it goes on as its own child. The first track of an object has the object's id for a label.
Which object is where is said by `lineage.tracks`.

The format is that of the challenge's "Naming and Content Conventions"; `man_track` names make it a ground truth.
"""

from __future__ import annotations

import re
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, groupby
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

import numpy as np

from napari_sam2.io.atomic import check_has_folder, part_beside, remove_parts, remove_path, writing
from napari_sam2.io.label_files import put_in_place
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.io.results import Results
from napari_sam2.lineage.tracks import Stretch, Track
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


@dataclass(frozen=True, slots=True)
class CtcTrack:
    """A run of frames in a row on which one label is there, as a line of the table has it."""

    label: int
    begin: int
    end: int
    parent: int
    object_id: int


def ctc_tracks(tracks: Mapping[int, Track], first_labels: Mapping[int, int]) -> tuple[CtcTrack, ...]:
    """Return the tracks without gaps whose parents have ended before, in the order in which they begin.

    The first track of an object has the label that `first_labels` says.

    Raises
    ------
    StackError
        If there are more tracks than uint16 has labels.
    """
    made: list[CtcTrack] = []
    last: dict[int, CtcTrack] = {}
    spare = count(max(first_labels.values(), default=0) + 1)
    children: dict[int | None, set[int]] = defaultdict(set)
    for track in tracks.values():
        children[track.parent].add(track.begin)
    pieces = sorted((begin, one, end) for one in tracks for begin, end in _pieces(tracks[one], children[one]))
    for begin, together in groupby(pieces, key=itemgetter(0)):
        before = dict(last)
        for _, object_id, end in together:
            label = next(spare) if object_id in before else first_labels[object_id]
            if label > LARGEST_LABEL:
                raise StackError(
                    f"CTC files hold labels up to {LARGEST_LABEL}, and more are needed; export a label stack."
                )
            mother = before.get(object_id, before.get(tracks[object_id].parent or 0))
            made.append(CtcTrack(label, begin, end, 0 if mother is None else mother.label, object_id))
            last[object_id] = made[-1]
    return tuple(made)


def _pieces(track: Track, divided: Iterable[int]) -> Iterator[Stretch]:
    """Yield the stretches of an object, cut at the frames on which children of it begin."""
    for first, last in track.stretches:
        begins = [first, *sorted(frame for frame in divided if first < frame <= last)]
        yield from zip(begins, [*(frame - 1 for frame in begins[1:]), last], strict=True)


def export_ctc(folder: str | Path, results: Results, names: CtcNames = RESULT) -> tuple[CtcTrack, ...]:
    """Return the tracks after writing the label images and the table; the folder appears when it is whole.

    An earlier result that is there is replaced by it, then.

    Raises
    ------
    StackError
        If the folder holds something else already, or there are too many tracks.
    """
    import tifffile

    folder = Path(folder)
    check_not_raw(folder, results.movie.stack, is_replaced=True)
    check_ctc_folder(folder, is_replaced=names == RESULT)
    check_has_folder(folder)
    part = part_beside(folder)
    remove_parts(folder.parent, folder.name)
    try:
        with writing(folder):
            part.mkdir()
            with tempfile.TemporaryFile(dir=part) as file:
                painted = _Painted(file)
                tracks = ctc_tracks(results.tracks(painted.kept(results.frames())), _first_labels(results))
                digits = max(3, len(str(len(results.movie) - 1)))
                for frame, image in enumerate(_images(painted.again(), tracks)):
                    tifffile.imwrite(part / f"{names.image}{frame:0{digits}d}.tif", image, compression="zlib")
            (part / names.table).write_text(_table(tracks), encoding="ascii")
            put_in_place(part, folder)
    finally:
        remove_path(part)
    return tracks


def check_ctc_folder(folder: Path, is_replaced: bool) -> None:
    """Say no before anything is computed where a folder cannot take CTC files.

    Parameters
    ----------
    is_replaced
        Whether an earlier result may go; never anything else.

    Raises
    ------
    StackError
        If it holds something else, or a result that is to stay.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise StackError(f"{folder} is a file, and CTC files need a folder; choose another name.")
    inside = [path.name for path in folder.iterdir()]
    known = re.compile(rf"{re.escape(RESULT.image)}\d+\.tif")
    if inside and not (is_replaced and all(name == RESULT.table or known.fullmatch(name) for name in inside)):
        raise StackError(f"{folder} is not empty; choose a new folder for the CTC files.")


class _Painted:
    """Label images that are painted once and needed twice, kept in a file: they are small when they are packed."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._about: list[tuple[int, tuple[int, ...], np.dtype[Any]]] = []

    def kept(self, frames: Iterable[Array]) -> Iterator[Array]:
        """Yield frames, and keep each."""
        for labels in frames:
            packed = zlib.compress(labels.tobytes(), level=1)
            self._file.write(packed)
            self._about.append((len(packed), labels.shape, labels.dtype))
            yield labels

    def again(self) -> Iterator[Array]:
        """Yield the frames that were kept, in their order."""
        self._file.seek(0)
        for size, shape, dtype in self._about:
            yield np.frombuffer(zlib.decompress(self._file.read(size)), dtype).reshape(shape)


def _first_labels(results: Results) -> dict[int, int]:
    """Return the label of each object's first track: its id where all ids fit, else objects are numbered anew."""
    ids = results.object_ids
    fits = max(ids, default=0) <= LARGEST_LABEL
    return {object_id: object_id if fits else number for number, object_id in enumerate(ids, start=1)}


def _images(frames: Iterable[Array], tracks: Iterable[CtcTrack]) -> Iterator[Array]:
    """Yield the frames (H, W) uint16 with the labels of tracks in the place of object ids."""
    begun = defaultdict(list)
    for track in tracks:
        begun[track.begin].append(track)
    current: dict[int, int] = {0: 0}
    for frame, labels in enumerate(frames):
        current |= {track.object_id: track.label for track in begun[frame]}
        present, places = np.unique(labels, return_inverse=True)
        values = np.array([current[object_id] for object_id in present.tolist()], dtype=np.uint16)
        yield values[places].reshape(labels.shape)


def _table(tracks: Iterable[CtcTrack]) -> str:
    ordered = sorted(tracks, key=lambda track: track.label)
    return "".join(f"{track.label} {track.begin} {track.end} {track.parent}\n" for track in ordered)
