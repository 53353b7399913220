"""The masks of prompts as files of a session folder: one label TIFF each, under `prompts/`, value = object id.

A file's name ends in a fingerprint of its pixels, so one that is there is right and is not written again, and those
that no prompt names any more can be removed once the new session.json is in place.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import BoolArray
from napari_sam2.io.atomic import write_atomically
from napari_sam2.masks.overlaps import label_dtype
from sam2_core.errors import PromptError

PROMPT_FOLDER = "prompts"


def write_prompt_mask(folder: Path, prompt: Prompt, mask: BoolArray) -> str:
    """Return the name, within the session folder, of the file that holds a prompt's mask, written if it is new."""
    mask = np.ascontiguousarray(mask, dtype=bool)
    digest = hashlib.sha256(repr(mask.shape).encode() + np.packbits(mask).tobytes()).hexdigest()[:12]
    name = f"{PROMPT_FOLDER}/object{prompt.object_id}_frame{prompt.frame}_{digest}.tif"
    path = folder / name
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, _tiff(mask * np.asarray(prompt.object_id, label_dtype([prompt.object_id]))))
    return name


def read_prompt_mask(folder: Path, object_id: int, name: str) -> BoolArray:
    """Return where the label TIFF of a name, within the session folder, holds an object's id.

    Raises
    ------
    PromptError
        If it is missing or cannot be decoded.
    """
    import tifffile

    path = folder / name
    try:
        image = np.asarray(tifffile.imread(path))
    except (OSError, ValueError, RuntimeError, tifffile.TiffFileError) as error:
        raise PromptError(f"the mask {path.name} of object {object_id} cannot be read ({error}).") from error
    return np.asarray(image == object_id)


def remove_unused_masks(folder: Path, used: Iterable[str | None]) -> None:
    """Remove the mask files that no prompt names."""
    kept = set(used)
    for path in (folder / PROMPT_FOLDER).glob("object*_frame*_*.tif"):
        if f"{PROMPT_FOLDER}/{path.name}" not in kept:
            path.unlink()


def _tiff(labels: np.ndarray[Any, Any]) -> bytes:
    import tifffile

    buffer = io.BytesIO()
    tifffile.imwrite(buffer, labels, compression="zlib", metadata={"axes": "YX"})
    return buffer.getvalue()
