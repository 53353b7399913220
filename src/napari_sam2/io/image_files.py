"""Images that are in no file of their own: copied once into the session folder, as the OME-Zarr `images.zarr`.

So a session on an array can be opened again like any other; one that is computed when it is looked at is computed
plane by plane for it. What is copied is read back and compared before it is named in session.json. Larger stacks are
not copied.
"""

from __future__ import annotations

import math
import os
import shutil
import stat
from itertools import product
from pathlib import Path
from typing import Any

from napari_sam2.io.atomic import part_beside, remove_parts, sync_folder
from napari_sam2.io.folder_parts import is_there, put_aside
from napari_sam2.io.label_files import new_ome_zarr
from napari_sam2.io.saved_session import StackRecord
from napari_sam2.stacks import Stack, open_stack
from sam2_core.errors import StackError

IMAGES = "images.zarr"
MOST_BYTES = 2**31
"""Stacks up to this size are copied."""


def is_kept(source: str | Path) -> bool:
    """Return whether a path is that of images which were copied into a session folder."""
    path = Path(source)
    return path.name == IMAGES and (path.parent / "session.json").is_file()


def can_be_kept(stack: Stack) -> bool:
    """Return whether images are not too large to be copied."""
    return math.prod(stack.shape) * stack.dtype.itemsize <= MOST_BYTES


def leads_to(path: str, axes: str | None, record: StackRecord, scene: int | str | None = None) -> bool:
    """Return whether opening a path gives the images that a record is of."""
    try:
        return record.is_of(open_stack(path, axes, scene))
    except StackError:
        return False


def keep_images(folder: Path, stack: Stack, record: StackRecord) -> Path | None:
    """Return where a copy of the images was put; None if they would not come back from there as they are.

    Raises
    ------
    StackError
        If the disk is full; what was there before is untouched.
    """
    path = folder / IMAGES
    part = part_beside(path)
    try:
        remove_parts(folder)
        _write(part, stack)
        if not leads_to(str(part), stack.axes, record):
            return None
        step_aside(folder)
        os.replace(part, path)
        sync_folder(folder)
    except OSError as error:
        raise StackError(
            f"The images cannot be copied to {path} ({error}); free some space and save again. All the rest is saved."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return path


def check_kept(path: Path) -> None:
    """Return nothing if images that were copied into a session folder are files and folders of their own.

    Raises
    ------
    StackError
        If there is a link or a device among them: a session folder may come from anybody, and none is followed.
    """
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            mode = os.lstat(os.path.join(folder, name)).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise StackError(f"{os.path.join(folder, name)} is a link or no file, and is not followed; remove it.")


def step_aside(folder: Path) -> None:
    """Let the images in a session folder make room for those of another session; they may be the only ones."""
    if is_there(folder / IMAGES):
        put_aside(folder / IMAGES, "replaced")


def _write(path: Path, stack: Stack) -> None:
    channels = [{"label": name} for name in stack.calibration.channel_names]
    more = {"omero": {"channels": channels}} if channels else {}
    array = new_ome_zarr(path, stack.axes, stack, stack.calibration, more)
    whole = (slice(None),)
    steps: list[Any] = [whole if axis in "YXS" else range(n) for axis, n in zip(stack.axes, stack.shape, strict=True)]
    for index in product(*steps):
        array[index] = stack.read(index)
