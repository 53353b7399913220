"""TIFF files as arrays whose planes are read when they are asked for: OME, ImageJ, LSM, MetaMorph (.stk), plain ones.

Pixels that lie in one piece are mapped while a part of them is read, for what was read of a mapping counts as memory of
the process as long as it is there; others are decoded page by page. A file is never read as a whole. One that is
incomplete is never taken for a shorter one. Axes are named as the file names them; what they mean is decided elsewhere,
and which of several series is meant in `tiff_series`.
"""

from __future__ import annotations

import math
import struct
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sam2_core.errors import StackError
from sam2_core.inference.frames.contrast import Frame
from sam2_core.inference.frames.tiff_series import choose_series

Index = tuple[int | slice, ...]
TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk")


class TiffImages:
    """One image series of a TIFF file as a lazy array; the file is closed with the last reference.

    Parameters
    ----------
    scene
        Which series of a file that holds several (index or name); see `tiff_series`.
    axes
        What the caller says that the axes are, one letter per dimension.
    are_labels
        Whether the images cannot be colours.

    Attributes
    ----------
    axes
        One letter per dimension, as tifffile names them.
    file, series_index
        The opened file, and the number of the series in it.

    Raises
    ------
    StackError
        The file is incomplete, has no such scene, or has several; damage raises what tifffile raises.
    """

    def __init__(
        self, path: Path, scene: int | str | None = None, axes: str | None = None, are_labels: bool = False
    ) -> None:
        import tifffile

        self._path = path
        self._lock = threading.Lock()
        self.file = tifffile.TiffFile(path)
        weakref.finalize(self, self.file.close)
        self._check_chain()
        chosen = choose_series(self.file, path, scene, axes, are_labels)
        self.series_index, self.shape, self.axes = chosen.index, chosen.shape, chosen.axes
        self.dtype = np.dtype(chosen.keyframe.dtype)
        self._pages: Sequence[Any] = chosen.pages
        self._plane_shape = self._shape_of_a_plane(chosen.keyframe.shape)
        counted = self.shape[: len(self.shape) - len(self._plane_shape)]
        self._numbers = np.arange(math.prod(counted)).reshape(counted)
        self._offset = chosen.dataoffset or 0  # 0 where they do not
        if self._offset:
            self._mapped()  # says no to a file that is cut short
        else:
            self._check_pages()

    def __getitem__(self, index: Index) -> Frame:
        """Return a part of the array; planes are decoded whole, and only those that are asked for."""
        counted = self._numbers.ndim
        with self._lock:
            if self._offset:
                return np.array(self._mapped()[index])
            numbers = np.asarray(self._numbers[index[:counted]])
            planes = [self._plane(int(number))[index[counted:]] for number in numbers.flat]
        return planes[0] if numbers.ndim == 0 else np.stack(planes).reshape(numbers.shape + planes[0].shape)

    @property
    def file_names(self) -> set[str]:
        """The names of the files in which its pages are: of a set that names all of its members, these."""
        return {page.parent.filehandle.name for page in self._pages if page is not None}

    def _mapped(self) -> Frame:
        dtype = np.dtype(self.file.byteorder + self.dtype.char)
        mapped: Frame = self.file.filehandle.memmap_array(dtype, self.shape, self._offset)
        return mapped

    def _shape_of_a_plane(self, stored: Sequence[int]) -> tuple[int, ...]:
        """Return the last sizes of the array that make up one page, axes of one step behind it included."""
        for start in range(len(self.shape) - 1, -1, -1):
            if math.prod(self.shape[start:]) == math.prod(stored) and len(self.shape) - start >= len(stored):
                return self.shape[start:]
        raise StackError(f"{self._path} names images of {self.shape}, which do not consist of planes of {stored}")

    def _plane(self, number: int) -> Frame:
        page = self._pages[number]
        handle = page.parent.filehandle
        is_of_another_file = handle.closed  # one of a set, which is not kept open
        handle.open()
        try:
            return np.asarray(page.asarray()).reshape(self._plane_shape)
        finally:
            if is_of_another_file:
                handle.close()

    def _check_pages(self) -> None:
        """Raise where a page that is named is not there, lacks its pixels, or has them behind the end of the file."""
        held = len(self._pages)
        if held != self._numbers.size:
            raise StackError(f"{self._path} names {self._numbers.size} images but holds {held}; the file is incomplete")
        for number, page in enumerate(self._pages):
            if page is None:
                raise StackError(
                    f"{self._path} names image {number} of {held} but does not hold it; the file is incomplete, or "
                    "another file of its set is missing."
                )
            parts = [part for part in zip(page.dataoffsets, page.databytecounts, strict=False) if part[1]]
            if len(page.dataoffsets) < math.prod(page.chunked) or not all(start for start, _ in parts) or not parts:
                raise StackError(
                    f"{self._path} cannot be read: the pixels of image {number} of {held} are not there; copy it again."
                )
            if max(start + size for start, size in parts) > page.parent.filehandle.size:
                raise StackError(
                    f"{self._path} cannot be read: it breaks off in image {number} of {held}; the file was cut short."
                )

    def _check_chain(self) -> None:
        """Raise where the chain of images breaks off: each names the place of the next one, the last one names 0."""
        pages, layout = self.file.pages, self.file.tiff
        count = len(pages)  # follows the chain to its end
        self.file.filehandle.seek(pages.next_page_offset or 0)
        link = self.file.filehandle.read(layout.offsetsize)
        if len(link) < layout.offsetsize or struct.unpack(layout.offsetformat, link)[0] != 0:
            raise StackError(f"{self._path} breaks off after {count} images; the file is damaged or was cut short")
