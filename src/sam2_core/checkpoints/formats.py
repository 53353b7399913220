"""Which kind of file a checkpoint is, told by its first and last bytes.

Looks at a few bytes only: cheap enough to run on every download before it is accepted. That the tensors inside are
those of a model is for `load` to find out.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Literal

from sam2_core.errors import CheckpointError

FileFormat = Literal["torch", "legacy torch", "safetensors"]

_LENGTH_BYTES = 8  # a safetensors file starts with the length of its header, little endian
_LARGEST_HEADER = 100_000_000
_PAGE_STARTS = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")


def sniff_format(path: Path) -> FileFormat:
    """The format of a checkpoint file, whatever its name ends with.

    Raises
    ------
    CheckpointError
        If the file cannot be opened, is empty, cut short, a web page, or of no known format.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise CheckpointError(f"cannot open the checkpoint {path}: {error.strerror or error}") from error
    if size == 0:
        raise CheckpointError(f"{path} is empty; delete it and fetch or copy it again")
    if is_web_page(start):
        raise CheckpointError(
            f"{path} is a web page, not a checkpoint (it starts with {start[:40]!r}); "
            "the server or a login page answered instead: delete it and fetch or copy it again"
        )
    return _known_format(path, start, size)


def is_web_page(start: bytes) -> bool:
    """Whether the first bytes of a file are those of an HTML or XML page."""
    return start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGE_STARTS)


def _known_format(path: Path, start: bytes, size: int) -> FileFormat:
    if start.startswith(b"PK\x03\x04"):
        if not _is_whole_zip(path):
            raise CheckpointError(
                f"{path} is cut short or damaged after {size} bytes; delete it and fetch or copy it again"
            )
        return "torch"
    if start.startswith(b"\x80"):
        if not start.startswith(b"\x80\x02"):
            raise CheckpointError(f"{path} is a pickle, but none that torch.save wrote; save it as tensors alone")
        return "legacy torch"
    if start[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"{":
        _check_safetensors_size(path, size)
        return "safetensors"
    raise CheckpointError(
        f"{path} is neither a torch nor a safetensors checkpoint (it starts with {start[:8]!r}, {size} bytes)"
    )


def _is_whole_zip(path: Path) -> bool:
    """Return whether a ZIP archive has its table of contents; one that claims to lie on several disks has none."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:
        return False


def _check_safetensors_size(path: Path, size: int) -> None:
    with path.open("rb") as file:
        header_length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        header = file.read(min(header_length, _LARGEST_HEADER))
    try:
        fields = json.loads(header)
        data_length = max(
            (entry["data_offsets"][1] for key, entry in fields.items() if key != "__metadata__"), default=0
        )
        expected = _LENGTH_BYTES + header_length + data_length
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{path} has a broken safetensors header; delete it and fetch or copy it again"
        ) from error
    if size != expected:
        raise CheckpointError(f"{path} has {size} bytes where its header says {expected}; fetch or copy it again")
