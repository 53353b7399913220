"""Folders into which a long command writes at its end: whether it can is found out before it begins."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_sam2.io.raw_data import RawData, check_not_raw
from sam2_core.errors import StackError


def check_out_folder(folder: Path, names: Sequence[str], inputs: Iterable[RawData] = (), is_own: bool = False) -> None:
    """Return nothing if files of these names can be written to a folder, or to the one in which it will be made.

    Parameters
    ----------
    inputs
        Stacks and paths that the command reads, and never replaces.
    is_own
        Whether what is there of these names is of an earlier run of the command, and may be replaced.

    Raises
    ------
    StackError
        If it cannot be written to, or a file would be lost.
    """
    try:
        there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        why = error.strerror
        raise StackError(f"{folder} cannot be written to ({why}); choose another folder for --out.") from error
    for path in (folder, *(folder / name for name in names)):
        check_not_raw(path, *inputs)
    for path in (folder / name for name in names):
        if path.exists() and not is_own:
            raise StackError(f"{path} exists, and would be overwritten; choose another folder for --out.")
