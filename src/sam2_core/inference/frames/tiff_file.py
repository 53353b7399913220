"""TIFF files as arrays whose planes are read when they are asked for: OME, ImageJ, LSM, MetaMorph (.stk), plain ones.

Pixels that lie in one piece are mapped, others decoded page by page; a file is never read as a whole. One that is
incomplete is never taken for a shorter one. Axes are named as the file names them; what they mean is decided elsewhere.
"""

from __future__ import annotations

import logging
import math
import struct
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sam2_core.errors import StackError
from sam2_core.inference.frames.contrast import Frame

if TYPE_CHECKING:
    import tifffile

Index = tuple[int | slice, ...]
TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk")
_log = logging.getLogger(__name__)


class TiffImages:
    """One image series of a TIFF file as a lazy array; the file is closed with the last reference.

    Parameters
    ----------
    scene
        Which series of a file that holds several (index or name). If None, alike single planes, as a loop of writes
        makes them, are the frames of one movie, and else the first series is taken.

    Attributes
    ----------
    axes
        One letter per dimension, as tifffile names them.
    file, series_index
        The opened file, and the number of the series in it.

    Raises
    ------
    StackError
        The file is damaged or incomplete, or has no such scene.
    """

    def __init__(self, path: Path, scene: int | str | None = None) -> None:
        import tifffile

        self._path = path
        self._lock = threading.Lock()
        self._mapped: Frame | None = None
        self._pages: Sequence[Any] = ()
        try:
            self.file = tifffile.TiffFile(path)
            weakref.finalize(self, self.file.close)
            self._choose(scene)
        except (StackError, MemoryError):
            raise
        except Exception as error:  # tifffile raises many types on damaged files (struct, index, value, its own)
            raise StackError(
                f"{path} cannot be read as a TIFF ({error}); the file may be damaged or still being written."
            ) from error

    def __getitem__(self, index: Index) -> Frame:
        """Return a part of the array; planes are decoded whole, and only those that are asked for."""
        counted = self._numbers.ndim
        with self._lock:
            if self._mapped is not None:
                return np.array(self._mapped[index])
            numbers = np.asarray(self._numbers[index[:counted]])
            planes = [self._plane(int(number))[index[counted:]] for number in numbers.flat]
        return planes[0] if numbers.ndim == 0 else np.stack(planes).reshape(numbers.shape + planes[0].shape)

    def _choose(self, scene: int | str | None) -> None:
        import tifffile

        series = self.file.series
        if not series:
            raise StackError(f"{self._path} holds no images")
        self._check_chain()
        self.series_index = _scene_index(series, scene, self._path)
        chosen = series[self.series_index]
        self.shape, self.axes = tuple(int(size) for size in chosen.shape), str(chosen.axes)
        self.dtype, self._pages = np.dtype(chosen.dtype), chosen.pages
        if scene is None and len(series) > 1 and not self._is_written_plane_by_plane():
            _tell_of_others(series, self._path, self.file.is_lsm)
        elif scene is None and len(series) > 1:
            self.shape, self.axes = (len(series), *self.shape), f"T{self.axes}"
            self._pages = [one.keyframe for one in series]
        counted = self.shape[: len(self.shape) - chosen.keyframe.ndim]
        self._numbers = np.arange(math.prod(counted)).reshape(counted)
        if self._pages is chosen.pages and chosen.dataoffset is not None:
            self._mapped = tifffile.memmap(self._path, series=self.series_index, mode="r")
        elif len(self._pages) != self._numbers.size:
            raise StackError(
                f"{self._path} names {self._numbers.size} images but holds {len(self._pages)}; the file is incomplete"
            )

    def _is_written_plane_by_plane(self) -> bool:
        """Return whether all series are alike single planes, as a loop of writes makes them, and not scenes."""
        first = self.file.series[0]
        kinds = {(one.shape, one.dtype, one.axes) for one in self.file.series}
        return len(kinds) == 1 and first.ndim == first.keyframe.ndim and not self.file.is_ome

    def _plane(self, number: int) -> Frame:
        page = self._pages[number]
        if page is None:
            raise StackError(f"{self._path} names image {number} but does not hold it; the file is incomplete")
        return np.asarray(page.asarray())

    def _check_chain(self) -> None:
        """Raise where the chain of images breaks off: each names the place of the next one, the last one names 0."""
        pages, layout = self.file.pages, self.file.tiff
        count = len(pages)  # follows the chain to its end
        self.file.filehandle.seek(pages.next_page_offset or 0)
        link = self.file.filehandle.read(layout.offsetsize)
        if len(link) < layout.offsetsize or struct.unpack(layout.offsetformat, link)[0] != 0:
            raise StackError(f"{self._path} breaks off after {count} images; the file is damaged or was cut short")


def _tell_of_others(series: Sequence[tifffile.TiffPageSeries], path: Path, is_lsm: bool) -> None:
    if not is_lsm:  # whose second series holds thumbnails
        names = ", ".join(f"{one.name} {one.shape}" for one in series)
        _log.warning("%s holds %d series of images (%s); only the first scene is read", path, len(series), names)


def _scene_index(series: Sequence[tifffile.TiffPageSeries], scene: int | str | None, path: Path) -> int:
    if scene is None:
        return 0
    names = [str(one.name) for one in series]
    index = names.index(scene) if scene in names else int(scene) if str(scene).isdigit() else -1
    if not 0 <= index < len(names):
        raise StackError(f"{path} has no scene {scene!r}; it holds {len(names)}: {', '.join(names)}.")
    return index
