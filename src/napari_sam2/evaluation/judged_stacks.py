"""Stacks and stills with their ground truth, opened and checked against each other.

Images become what the model sees (uint8, one contrast for a stack, one for each still); labels stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.evaluation.movies import MovieTask
from napari_sam2.evaluation.stills import Still
from napari_sam2.stacks import ModelMovie, Movie, open_labels, open_stack
from sam2_core.errors import StackError
from sam2_core.scoring.ground_truth import MovieScope, movie_targets, typical_diameter

_IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")


class TruthFrames:
    """Frames of labels (H, W): `len` and `[i]`; the frame read last is kept.

    Raises
    ------
    StackError
        If the stack does not hold whole numbers in one channel.
    """

    def __init__(self, movie: Movie) -> None:
        if movie.dtype.kind not in "biu" or movie.channel_count > 1:
            raise StackError(
                f"{movie.stack.name} has pixels of type {movie.dtype} in {movie.channel_count} channel(s); ground "
                "truth is a stack of whole numbers, one value per object and 0 for background."
            )
        self.movie = movie
        self._read = lru_cache(1)(movie.__getitem__)

    def __len__(self) -> int:
        return len(self.movie)

    def __getitem__(self, index: int) -> np.ndarray[Any, Any]:
        return self._read(index)

    def __iter__(self) -> Iterator[np.ndarray[Any, Any]]:
        return (self[index] for index in range(len(self)))


@dataclass(frozen=True, slots=True)
class Stills:
    """Images with their labels: files of two folders that share a name, or the frames of two stacks.

    Each is opened when its turn comes, and again when they are gone through again; `len` opens no file of a folder.

    Attributes
    ----------
    images, masks
        Two folders, or two stacks.
    every
        Only every so many images, sorted by name, from the first.
    diameter_px
        Typical object diameter; each still's own median where None.
    fixed
        Where the other axes of images, and of their labels, are held.

    Raises
    ------
    StackError
        When they are gone through, if no file has a partner, or an image and its labels differ in size.
    """

    images: str | Path
    masks: str | Path
    every: int = 1
    diameter_px: float | None = None
    fixed: Mapping[str, int] | None = None

    def __len__(self) -> int:
        if self._in_folders:
            return len(self._files())
        return len(range(0, len(open_stack(self.images).movie(fixed=self.fixed)), self.every))

    def __iter__(self) -> Iterator[Still]:
        every = 1 if self._in_folders else self.every
        for image, labels in self._files():
            yield from JudgedFrames(open_stack(image).movie(fixed=self.fixed), labels, every, self.diameter_px)

    @property
    def _in_folders(self) -> bool:
        return Path(self.images).is_dir() and Path(self.masks).is_dir()

    def _files(self) -> list[tuple[Path, Path]]:
        """Return (image, labels): of folders those files that are taken, of stacks the two of them."""
        images, masks = Path(self.images), Path(self.masks)
        return matched_files(images, masks)[:: self.every] if self._in_folders else [(images, masks)]


@dataclass(frozen=True, slots=True)
class JudgedFrames:
    """Every so many frames of a movie, as stills with their labels, one after another.

    Attributes
    ----------
    movie
        Brought to one contrast for all of its frames.
    truth
        A label stack of as many frames of the same size; `StackError` where it is none, when they are gone through.
    every
        Only every so many frames, from the first.
    diameter_px
        Typical object diameter; each frame's own median where None.
    """

    movie: Movie
    truth: str | Path
    every: int = 1
    diameter_px: float | None = None

    def __len__(self) -> int:
        return len(range(0, len(self.movie), self.every))

    def __iter__(self) -> Iterator[Still]:
        truth = TruthFrames(open_labels(self.truth, None, self.movie.track_axis, self.movie.held))
        check_fit(self.movie, truth.movie)
        frames, name = ModelMovie(self.movie), Path(self.movie.stack.name).stem
        for index in range(0, len(self.movie), self.every):
            called = name if len(self.movie) == 1 else f"{name} [{index}]"
            yield Still(called, frames[index], truth[index], self.diameter_px)


def open_task(
    movie: Movie, truth: str | Path, scope: MovieScope | None = None, diameter_px: float | None = None
) -> MovieTask:
    """Return a movie with its truth, a stack of as many frames of the same size, and the objects that are judged.

    diameter_px: typical object diameter; the median over the truth where None.

    Raises
    ------
    StackError
        If one cannot be read, they do not fit each other, or no object can be judged.
    """
    labels = TruthFrames(open_labels(truth, None, movie.track_axis, movie.held))
    check_fit(movie, labels.movie)
    diameter = typical_diameter(labels) if diameter_px is None else diameter_px
    frames: Any = ModelMovie(movie)
    known: Any = labels
    return MovieTask(frames, known, movie_targets(known, scope), diameter)


def matched_files(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """Return (image, labels) of two folders that share a name, sorted by it.

    Raises
    ------
    StackError
        If there is none.
    """
    partners = {path.stem: path for path in masks.iterdir() if path.suffix.lower() in _IMAGE_SUFFIXES}
    found = [path for path in sorted(images.iterdir()) if path.suffix.lower() in _IMAGE_SUFFIXES]
    pairs = [(path, partners[path.stem]) for path in found if path.stem in partners]
    if not pairs:
        raise StackError(f"No image in {images} has labels of the same name in {masks}; name both alike.")
    return pairs


def check_fit(movie: Movie, truth: Movie) -> None:
    """Return nothing if a truth has as many frames as its movie, of the same size.

    Raises
    ------
    StackError
        If not.
    """
    have, wanted = truth.shape[:3], movie.shape[:3]
    if have != wanted:
        raise StackError(
            f"{truth.stack.name} has (frames, height, width) {have}, but {movie.stack.name} has {wanted}; the ground "
            "truth must cover the same frames. Choose the axis with --track-axis or --axes if it was taken wrongly."
        )


def stack_name(stack: Path) -> str:
    """Return a name for the table and the picture: that of the file, or of its folder where that says more."""
    name, folder = stack.name.split(".")[0], stack.resolve().parent
    part = ""
    while name in ("images", "image", "movie", "stack", "val", "train", "test") and folder.name:
        part = f"_{name}{part}" if name in ("val", "train", "test") else part
        name, folder = folder.name, folder.parent
    return f"{name}{part}"
