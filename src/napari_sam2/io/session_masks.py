"""The masks of prompts and proposals as files of a session folder: one label TIFF each, under `prompts/`.

Its value is the object id, or the number of the proposal.
A file's name ends in a fingerprint of its pixels, so one that is there is right and is not written again, and those
that no prompt names any more can be removed once the new session.json is in place.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Container
from pathlib import Path

import numpy as np

from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import BoolArray, Mask
from napari_sam2.document.proposals import Proposal
from napari_sam2.io.atomic import write_atomically
from napari_sam2.masks.overlaps import label_dtype
from sam2_core.errors import PromptError

PROMPT_FOLDER = "prompts"


def write_prompt_mask(folder: Path, prompt: Prompt, mask: Mask) -> str:
    """Return the name, within the session folder, of the file that holds a prompt's mask, written if it is new."""
    return _write(folder, f"object{prompt.object_id}_frame{prompt.frame}", prompt.object_id, mask)


def write_proposal_mask(folder: Path, number: int, proposal: Proposal) -> str:
    """Return the name, within the session folder, of the file that holds a proposal's mask, written if it is new."""
    return _write(folder, f"proposal{number}_frame{proposal.frame}", number, proposal.mask)


def _write(folder: Path, stem: str, value: int, mask: Mask) -> str:
    about = repr((mask.size, mask.y0, mask.x0, mask.shape))
    digest = hashlib.sha256(about.encode() + np.packbits(mask.inside).tobytes()).hexdigest()[:12]
    name = f"{PROMPT_FOLDER}/{stem}_{digest}.tif"
    path = folder / name
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, label_tiff(mask.mask, value))
    return name


def label_tiff(mask: BoolArray, value: int) -> bytes:
    """Return a mask (H, W) as the content of a label TIFF, in which its pixels have the value."""
    import tifffile

    labels, buffer = mask * np.asarray(value, label_dtype([value])), io.BytesIO()
    tifffile.imwrite(buffer, labels, compression="zlib", metadata={"axes": "YX"})
    return buffer.getvalue()


def read_mask(folder: Path, value: int, name: str) -> BoolArray:
    """Return where the label TIFF of a name, within the session folder, holds the id of an object or proposal.

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
        raise PromptError(f"the mask {path.name} cannot be read ({error}).") from error
    return np.asarray(image == value)


def remove_unused_masks(folder: Path, used: Container[str]) -> None:
    """Remove the mask files that no prompt and no proposal names."""
    for pattern in ("object*_frame*_*.tif", "proposal*_frame*_*.tif"):
        for path in (folder / PROMPT_FOLDER).glob(pattern):
            if f"{PROMPT_FOLDER}/{path.name}" not in used:
                path.unlink()
