"""Which of the images in a TIFF file are meant, and whether all of them are there.

A file may hold several series: positions, runs that were appended, a preview, pages of another size or type. One is
read when nothing else can be meant: thumbnails, sub-resolutions and the labels of slides are no choice, and alike
single planes, as a loop of writes makes them, are the frames of one movie. Else the caller chooses. What a description
names and the file does not hold is an error, and so is what the file holds and no description names.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam2_core.errors import StackError
from sam2_core.inference.frames.scenes import scene_index, several

if TYPE_CHECKING:
    import tifffile

_DESCRIPTION = 270
_KNOWN = "TZCYXS"
_SLIDE_KINDS = ("svs", "ndpi", "philips", "scn", "qpi", "bif", "avs")
_SLIDE_PARTS = ("thumbnail", "label", "macro", "map", "overview")


@dataclass(frozen=True, slots=True)
class TiffSeries:
    """Pages in order, and the shape and axes (one letter per dimension, as tifffile names them) of their array."""

    index: int
    shape: tuple[int, ...]
    axes: str
    pages: Sequence[Any]
    keyframe: Any
    dataoffset: int | None


def choose_series(
    file: tifffile.TiffFile, path: Path, scene: int | str | None, axes: str | None, are_labels: bool = False
) -> TiffSeries:
    """Return the series of a TIFF that is meant.

    Parameters
    ----------
    scene
        Number or name of a series; None where only one can be meant.
    axes
        What the caller says that the axes are; it decides whether axes of one step, which the file names, count.
    are_labels
        Whether the images cannot be colours.

    Raises
    ------
    StackError
        Nothing or something else is there, or several could be meant.
    """
    found = _told_apart(file.series)
    if not found:
        raise StackError(f"{path} holds no images")
    if scene is not None:
        index = scene_index([str(one.name) for one in found], scene, path)
    else:
        _check_described(file, path)
        if _are_written_plane_by_plane(file, found):
            return _of_all(found, axes, path)
        index = _only_one(found, path)
    if are_labels and axes is None and _may_be_colours(found[index]):
        axes = f"T{found[index].axes[1:]}"
    return _of_one(found[index], index, axes, path)


def scenes_to_choose(path: Path) -> tuple[int, ...]:
    """Return the numbers of the series of a TIFF of which one has to be chosen; empty where only one can be meant."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        found = _told_apart(file.series)
        meant = _meant(found)
        return () if len(meant) < 2 or _are_written_plane_by_plane(file, found) else tuple(meant)


def _meant(found: Sequence[tifffile.TiffPageSeries]) -> list[int]:
    return [index for index, one in enumerate(found) if not _is_beside(one)]


def _only_one(found: Sequence[tifffile.TiffPageSeries], path: Path) -> int:
    meant = _meant(found)
    if len(meant) != 1:
        raise StackError(several([_words(one) for one in found], path))
    return meant[0]


def _words(one: tifffile.TiffPageSeries) -> str:
    return f"{one.name} {one.shape} {one.dtype}".strip()


def _told_apart(series: Sequence[tifffile.TiffPageSeries]) -> list[tifffile.TiffPageSeries]:
    """Return all series; one that tifffile takes for a sub-resolution, but that is a movie of its own, among them."""
    found = []
    for one in series:
        found.append(one)
        for level in one.levels[1:]:
            is_smaller_copy = level.keyframe.is_subifd or level.keyframe.is_reduced
            if len(level) > 1 and not is_smaller_copy and level.kind == "generic":
                found.append(level)
    return found


def _is_beside(one: tifffile.TiffPageSeries) -> bool:
    """Return whether a series only goes with another one: a thumbnail, or the label of a slide."""
    is_part_of_a_slide = one.kind.lower() in _SLIDE_KINDS and one.name.lower() in _SLIDE_PARTS
    return bool(one.keyframe.is_reduced or one.keyframe.is_subifd or is_part_of_a_slide)


def _are_written_plane_by_plane(file: tifffile.TiffFile, series: Sequence[tifffile.TiffPageSeries]) -> bool:
    """Return whether all series are alike single planes, as a loop of writes makes them, and not scenes."""
    first = series[0]
    kinds = {(one.shape, one.dtype, one.axes) for one in series}
    return len(series) > 1 and len(kinds) == 1 and first.ndim == first.keyframe.ndim and not file.is_ome


def _of_all(series: Sequence[tifffile.TiffPageSeries], axes: str | None, path: Path) -> TiffSeries:
    """Return alike single planes as the frames of one movie."""
    first = series[0]
    if axes is None:
        _check_colours(first, path)
    pages = [one.keyframe for one in series]
    return TiffSeries(0, (len(series), *first.shape), f"T{first.axes}", pages, first.keyframe, None)


def _of_one(one: tifffile.TiffPageSeries, index: int, axes: str | None, path: Path) -> TiffSeries:
    """Return one series as it is read: without axes of one step, but for those that the caller names."""
    shape, letters = tuple(int(size) for size in one.shape), str(one.axes)
    if axes is None:
        _check_colours(one, path)
    elif len(axes) != len(shape):
        shape = _with_single_steps(axes.upper().strip(), one) or shape
    letters = letters if axes is None or len(axes) != len(shape) else axes
    return TiffSeries(index, shape, letters, one, one.keyframe, one.dataoffset)


def _with_single_steps(given: str, one: tifffile.TiffPageSeries) -> tuple[int, ...] | None:
    """Return the sizes of the axes that are given where they are those of the file with more or fewer of one step."""
    axes, shape = one.get_axes(squeeze=False), tuple(int(size) for size in one.get_shape(squeeze=False))
    added = max(len(given) - len(shape), 0)
    axes, shape = given[:added] + axes, (1,) * added + shape
    single = [place for place, size in enumerate(shape) if size == 1]
    for left_out in combinations(single, len(shape) - len(given)):
        kept = [place for place in range(len(shape)) if place not in left_out]
        if all(axes[place] == letter or axes[place] not in _KNOWN for place, letter in zip(kept, given, strict=True)):
            return tuple(shape[place] for place in kept)
    return None


def _may_be_colours(one: tifffile.TiffPageSeries) -> bool:
    """Return whether planes are marked as colours, as tifffile and scikit-image mark three or four frames too."""
    return str(one.axes).startswith("S") and one.kind.lower() in ("shaped", "generic", "uniform")


def _check_colours(one: tifffile.TiffPageSeries, path: Path) -> None:
    """Say no where the planes of a file may be the colours of one picture, or as well the frames of a movie."""
    if _may_be_colours(one):
        colours, movie = str(one.axes), f"T{one.axes[1:]}"
        raise StackError(
            f"{path} holds {one.shape[0]} planes that are marked as the colours of one picture, which is also how "
            f"tifffile and scikit-image write a movie of {one.shape[0]} frames; say what they are: --axes {movie} "
            f"(axes={movie!r}) if they are frames, --axes {colours} if they are colours."
        )


def _check_described(file: tifffile.TiffFile, path: Path) -> None:
    """Raise where a file holds more or fewer images than its own description names."""
    first, held = file.series[0], len(file.pages)
    is_plain, kind = first.kind.lower() in ("generic", "uniform"), first.kind.lower()
    take = "choose scene=0 (--scene 0) to take only what is there."
    if is_plain and _has_lost_its_description(file):
        raise StackError(f"{path} was cut short: its description is not there any more; copy it again, or {take}")
    if is_plain and file.is_ome:
        raise StackError(
            f"{path} is one file of a set, or its OME description does not fit its images; open the file that "
            f"describes the whole set, or {take}"
        )
    named = _named_count(file) if is_plain else held
    if named > held:
        raise StackError(
            f"{path} names {named} images but holds {held}; the file is incomplete: copy it again, or {take}"
        )
    if kind == "mmstack":
        _check_whole_set(file, first, path, take)
    used = sum(len(level) for one in file.series for level in one.levels if not level.keyframe.is_subifd)
    if held > used:
        raise StackError(
            f"{path} holds {held} images, of which its description names only {used}; write it anew, or {take}"
        )


def _has_lost_its_description(file: tifffile.TiffFile) -> bool:
    """Return whether the first image says that it has a description, which lies behind the end of the file."""
    layout, source = file.tiff, file.filehandle
    source.seek(file.pages.first.offset)
    (count,) = struct.unpack(layout.tagnoformat, source.read(layout.tagnosize))
    codes = [struct.unpack(layout.tagformat1, source.read(layout.tagsize)[:4])[0] for _ in range(count)]
    return _DESCRIPTION in codes and _DESCRIPTION not in file.pages.first.tags


def _named_count(file: tifffile.TiffFile) -> int:
    """Return how many images the description of a file names that could not be followed; 0 if it names none."""
    about: Any = file.imagej_metadata
    if about:
        counted = math.prod(int(about.get(name, 1)) for name in ("frames", "slices", "channels"))
        return max(int(about.get("images", 1)), counted)
    first = file.pages.first
    text = first.shaped_description
    if text is None or not text.startswith("{"):
        return 0
    return math.prod(json.loads(text)["shape"]) // max(math.prod(first.shape), 1)


def _check_whole_set(file: tifffile.TiffFile, first: tifffile.TiffPageSeries, path: Path, take: str) -> None:
    """Raise where a Micro-Manager file names more positions in time or space than it and its companions hold."""
    about: Any = file.micromanager_metadata
    sizes = dict(zip(first.get_axes(squeeze=False), first.get_shape(squeeze=False), strict=True))
    for axis, name in {"C": "Channels", "Z": "Slices", "R": "Positions", "T": "Frames"}.items():
        named = int(about["Summary"].get(name, 1))
        if named > sizes.get(axis, 1):
            raise StackError(
                f"{path} names {named} {name.lower()} but {sizes.get(axis, 1)} are there; put the missing files of the "
                f"set beside it, or, where the recording was stopped, {take}"
            )
