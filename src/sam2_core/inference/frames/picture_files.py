"""Pictures in files: one of any usual kind, and those of a folder in the order in which people count.

Values come out as they are stored: gray (H, W), or samples (H, W, S) that may end in an alpha channel; what no array
can hold becomes RGB, and so do palettes, unless it is their indices that count, as those of labels do.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from sam2_core.errors import StackError
from sam2_core.inference.frames.contrast import Frame

logger = logging.getLogger(__name__)

JPEG_SUFFIXES = (".jpg", ".jpeg")
OTHER_PICTURE_SUFFIXES = (".png", ".bmp")
_PALETTES = ("P", "PA")
_PLAIN_MODES = ("1", "L", "LA", "I", "F", "RGB", "RGBA")


def read_picture(path: Path, indexed: bool = False) -> Frame:
    """Return the picture in a file as (H, W) or (H, W, S); see `picture_as_array`.

    Raises
    ------
    StackError
        The file holds several, or more pixels than a picture may have; damage raises what Pillow raises.
    """
    try:
        with Image.open(path) as picture:
            count = getattr(picture, "n_frames", 1)
            if count > 1 and picture.format != "MPO":  # the second one of a camera is a preview
                raise StackError(
                    f"{path} is a {picture.format} that holds {count} pictures, of which one would be read; give it "
                    "the suffix of its kind, or save each picture as a file of its own."
                )
            return picture_as_array(picture, indexed)
    except Image.DecompressionBombError as error:
        raise StackError(f"{path} is too large for a picture file ({error}); save it as a TIFF.") from error


def picture_as_array(picture: Image.Image, indexed: bool = False) -> Frame:
    """Return a Pillow image as (H, W) or (H, W, S); what is not light or colour becomes RGB.

    A palette becomes RGB too, or its indices (H, W) where `indexed`.
    """
    if indexed and picture.mode in _PALETTES:
        return np.array(picture)
    if not (picture.mode in _PLAIN_MODES or picture.mode.startswith("I;16")):
        picture = picture.convert("RGB")
    return np.array(picture)


def files_of_one_kind(folder: Path, kinds: tuple[tuple[str, ...], ...]) -> list[Path]:
    """Return the image files of a folder, sorted by number, or naturally (t2 before t10) where names hold text.

    Where kinds (their suffixes, by preference) are mixed, a warning says which is used: the first of which there are
    several files. A single picture beside a movie is a preview.

    Raises
    ------
    StackError
        There are no images, or several kinds with one file each, or one is a link to a file that is gone.
    """
    files = [path for path in folder.iterdir() if not path.is_dir() and not path.name.startswith(".")]
    found = [images for kind in kinds if (images := [path for path in files if path.name.lower().endswith(kind)])]
    if not found:
        raise StackError(f"The folder {folder} holds no TIFF, PNG or JPEG images ({len(files)} other files).")
    images = next((images for images in found if len(images) > 1), found[0])
    if len(found) > 1:
        kinds_found = ", ".join(f"{len(images)} x {images[0].suffix.lower()}" for images in found)
        if len(images) == 1:
            raise StackError(f"The folder {folder} mixes kinds of images ({kinds_found}); keep one kind in a folder.")
        logger.warning(
            "%s mixes kinds of images (%s); only its %d %s files are used",
            *(folder, kinds_found, len(images), images[0].suffix),
        )
    gone = next((path for path in images if not path.is_file()), None)
    if gone is not None:
        raise StackError(
            f"{gone} leads to a file that is not there; bring it back, or take the link out of the folder."
        )
    return _sorted_by_name(images)


def series_by_name(images: Sequence[Path]) -> dict[str, list[Path]]:
    """Return the series that the names of a folder's images tell apart, in order of their names; often only one.

    Names of several series differ in two places and hold every combination, as of times and channels
    (`t00_ch0.tif`, `t00_ch1.tif`, ...). The series are named by the place that has fewer values: `ch0`, `ch1`.
    """
    one = {"": list(images)}
    parts = [re.split(r"(\d+)", path.stem) for path in images]
    if len({len(found) for found in parts}) != 1:
        return one
    varied = [place for place, values in enumerate(zip(*parts, strict=True)) if len(set(values)) > 1]
    if len(varied) != 2:
        return one
    by, along = sorted(varied, key=lambda place: len({found[place] for found in parts}))
    if len(images) != len({found[by] for found in parts}) * len({found[along] for found in parts}):
        return one
    series: dict[str, list[Path]] = {}
    for path, found in zip(images, parts, strict=True):
        before = re.split(r"[^A-Za-z]", found[by - 1])[-1] if by % 2 else ""
        series.setdefault(before + found[by].strip("_- ."), []).append(path)
    return dict(sorted(series.items())) if len(series) * len(next(iter(series.values()))) == len(images) else one


def missing_numbers(images: Sequence[Path]) -> list[int]:
    """Return the numbers that are missing between those by which the names of images differ, at their usual step.

    Empty where names differ in more than one number, or more are missing than there are: those do not count frames.
    """
    numbers, step = _numbers(images), 0
    for before, after in pairwise(numbers):
        step = math.gcd(step, after - before)
    if not step or (numbers[-1] - numbers[0]) // step >= 2 * len(numbers):
        return []
    return sorted({*range(numbers[0], numbers[-1], step)} - {*numbers})


def _numbers(images: Sequence[Path]) -> list[int]:
    """Return the numbers, ascending, by which the names of images differ in one place; else none."""
    parts = [re.split(r"(\d+)", path.stem) for path in images]
    if len({len(found) for found in parts}) != 1:
        return []
    varied = [place for place, values in enumerate(zip(*parts, strict=True)) if len(set(values)) > 1]
    return sorted(int(found[varied[0]]) for found in parts) if len(varied) == 1 and varied[0] % 2 else []


def _sorted_by_name(paths: list[Path]) -> list[Path]:
    if all(path.stem.isdecimal() for path in paths):
        return sorted(paths, key=lambda path: (int(path.stem), path.name))
    return sorted(paths, key=_natural_key)


def _natural_key(path: Path) -> list[tuple[int, str]]:
    """Return the name as text and numbers by turns, so that t2 comes before t10."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]
