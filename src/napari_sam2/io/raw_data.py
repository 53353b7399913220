"""Raw data is never overwritten: whoever writes results asks `check_not_raw` first, whatever the path looks like.

Files are the same if the system says so: through links of either kind, relative paths, and capitals on disks that do
not tell them apart. A folder of images and a zarr store are raw data with all that is in them.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from napari_sam2.io.session_document import PREVIOUS_FILE, SESSION_FILE
from napari_sam2.stacks import Stack
from sam2_core.errors import StackError
from sam2_core.inference.frames.stored_images import is_zarr

RawData = Stack | str | Path | None
_IMAGES = {".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".zarr"}


def check_not_raw(out: str | Path, *sources: RawData, is_replaced: bool = False) -> None:
    """Return nothing if what is written to a path changes none of the raw data, and no session from inside.

    Parameters
    ----------
    out
        A file or folder that is written.
    sources
        Stacks or paths of what was read; None for what is in no file.
    is_replaced
        Whether a folder that is there under that name goes, with all that is in it.

    Raises
    ------
    StackError
        If it is one of the sources, lies in one, or would take one along; or lies in a session folder.
    """
    out = Path(out).expanduser()
    for place in _places(out):
        if any((place / name).is_file() for name in (SESSION_FILE, PREVIOUS_FILE)):
            raise StackError(f"{out} lies in the session {place}, which holds its own files. Choose another place.")
    for source in sources:
        for raw in _files_of(source):
            if _is_same(out, raw):
                raise StackError(f"{out} is {raw}, which was read; raw data is never overwritten. Choose another name.")
            if is_replaced and any(_is_same(out, parent) for parent in _places(raw)):
                raise StackError(f"{out} holds {raw}, which was read, and would be replaced. Choose another name.")
            if any(_is_same(parent, raw) for parent in _places(out)) and _would_be_read(out, raw):
                raise StackError(
                    f"{out} lies in {raw}, which was read, and would be a part of it. Choose another place."
                )


def _files_of(source: RawData) -> list[Path]:
    """Return the file or folder of a source, and the files that belong to it."""
    path = source.path if isinstance(source, Stack) else source
    if path is None:
        return []
    first = Path(path).expanduser()
    return [first, *(first.with_name(name) for name in _ome_names(first) if name != first.name)]


def _ome_names(path: Path) -> set[str]:
    """Return the names of the files that an OME-TIFF says it is made of; empty for anything else."""
    if path.suffix.lower() not in (".tif", ".tiff") or not path.is_file():
        return set()
    import tifffile

    with suppress(Exception), tifffile.TiffFile(path) as file:  # who reads it says what is wrong with it
        return {Path(name).name for name in re.findall(r'FileName="([^"]+)"', file.ome_metadata or "")}
    return set()


def _is_same(one: Path, other: Path) -> bool:
    with suppress(OSError, ValueError):
        return os.path.samefile(one, other)
    return os.path.realpath(one) == os.path.realpath(other)


def _places(path: Path) -> tuple[Path, ...]:
    """Return the folders that a path lies in, links followed and not."""
    return (*Path(os.path.realpath(path)).parents, *path.absolute().parents)


def _would_be_read(out: Path, folder: Path) -> bool:
    """Return whether something in a folder of raw data belongs to it: all in a zarr store, images among images."""
    return is_zarr(folder) or (out.suffix.lower() in _IMAGES and _is_same(out.absolute().parent, folder))
