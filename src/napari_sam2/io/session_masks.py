"""The masks of prompts and proposals as files of a session folder: one label TIFF each, under `prompts/`.

Its value is the object id, or the number of the proposal.
A file's name ends in a fingerprint of its pixels, so one that is there is right and is not written again, and those
that no prompt names any more can be removed once the new session.json is in place.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import BoolArray, Mask
from napari_sam2.document.proposals import Proposal
from napari_sam2.io.atomic import write_atomically
from napari_sam2.io.folder_parts import OutOfReach, content_of, is_own_folder, is_there, put_aside, was_put_aside
from napari_sam2.io.log_entries import LARGEST_SIDE
from napari_sam2.masks.overlaps import label_dtype
from sam2_core.errors import PromptError, StackError

PROMPT_FOLDER = "prompts"
_IN_FOLDER = re.compile(rf"{PROMPT_FOLDER}/(?:\w+_frame\d+_(?P<digest>[0-9a-f]{{12}})|[^/\\\0]+)\.tiff?")


def write_prompt_mask(folder: Path, prompt: Prompt, mask: Mask) -> str:
    """Return the name, within the session folder, of the file that holds a prompt's mask, written if it is new."""
    return _write(folder, f"object{prompt.object_id}_frame{prompt.frame}", prompt.object_id, mask)


def write_proposal_mask(folder: Path, number: int, proposal: Proposal) -> str:
    """Return the name, within the session folder, of the file that holds a proposal's mask, written if it is new."""
    return _write(folder, f"proposal{number}_frame{proposal.frame}", number, proposal.mask)


def _write(folder: Path, stem: str, value: int, mask: Mask) -> str:
    name = f"{PROMPT_FOLDER}/{stem}_{_fingerprint(mask)}.tif"
    path = folder / name
    if path.is_file() and not path.is_symlink():
        return name
    if (folder / PROMPT_FOLDER).is_symlink():
        raise StackError(f"{folder / PROMPT_FOLDER} is a link, and nothing is written through it; remove the link.")
    path.parent.mkdir(exist_ok=True)
    if is_there(path):
        put_aside(path)
    write_atomically(path, label_tiff(mask.mask, value))
    return name


def _fingerprint(mask: Mask) -> str:
    about = repr((mask.size, mask.y0, mask.x0, mask.shape))
    return hashlib.sha256(about.encode() + np.packbits(mask.inside).tobytes()).hexdigest()[:12]


def _fingerprint_of_frame(mask: BoolArray) -> str:
    """Return the fingerprint by which version 0.1 named a mask (H, W)."""
    return hashlib.sha256(repr(mask.shape).encode() + np.packbits(mask).tobytes()).hexdigest()[:12]


def label_tiff(mask: BoolArray, value: int) -> bytes:
    """Return a mask (H, W) as the content of a label TIFF, in which its pixels have the value."""
    import tifffile

    labels, buffer = mask * np.asarray(value, label_dtype([value])), io.BytesIO()
    tifffile.imwrite(buffer, labels, compression="zlib", metadata={"axes": "YX"})
    return buffer.getvalue()


def is_mask_name(name: str) -> bool:
    """Return whether a name is one that the file of a mask has within a session folder."""
    return _IN_FOLDER.fullmatch(name) is not None


def read_mask(folder: Path, value: int, name: str) -> BoolArray:
    """Return where the label TIFF of a name, within the session folder, holds the id of an object or proposal.

    Raises
    ------
    PromptError
        If it is missing, lies elsewhere, cannot be decoded, or holds other pixels than its name says.
    """
    found = _IN_FOLDER.fullmatch(name)
    path = folder / name
    if found is None or (folder / PROMPT_FOLDER).is_symlink():
        raise PromptError(f"the mask {name!r:.80} is not read: it is no file of the folder {PROMPT_FOLDER}.")
    try:
        mask = _decoded(content_of(path)) == value
    except OutOfReach:
        raise
    except Exception as error:
        what = str(error) or type(error).__name__
        raise PromptError(f"the mask {path.name} cannot be read ({what:.200}).") from error
    if found["digest"] not in (None, _fingerprint(Mask(mask)), _fingerprint_of_frame(mask)):
        raise PromptError(f"the mask {path.name} is damaged: it holds other pixels than were written.")
    return mask


def _decoded(content: bytes) -> np.ndarray[Any, Any]:
    """Return the one plane (H, W) of a label TIFF, unpacked only if it can be the plane of a stack."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(content)) as file:
        shape = file.pages[0].shape
        if len(shape) != 2 or len(file.pages) != 1 or max(shape) > LARGEST_SIDE or _is_inflated(shape, len(content)):
            raise ValueError(f"its shape is {shape}")
        return np.asarray(file.pages[0].asarray())


def _is_inflated(shape: tuple[int, ...], size: int) -> bool:
    """Return whether so many pixels cannot come out of so many bytes (zlib: 1032 of one, 4 bytes a pixel)."""
    return math.prod(shape) > size * 1032


def remove_unused_masks(folder: Path, used: Container[str]) -> None:
    """Remove the mask files that no prompt and no proposal names; what was put aside stays."""
    if not is_own_folder(folder / PROMPT_FOLDER):
        return
    for pattern in ("object*_frame*_*.tif", "proposal*_frame*_*.tif"):
        for path in (folder / PROMPT_FOLDER).glob(pattern):
            if f"{PROMPT_FOLDER}/{path.name}" not in used and not was_put_aside(path) and path.is_file():
                path.unlink()
