"""The masks of prompts and proposals as label TIFFs of a session folder, under `prompts/`.

The mask of a prompt has a file of its own, its value the object id. Where a frame has many, and for proposals (value =
number), they share label images ("sheets"), and only what lies over others is in a further one.
A file's name ends in a fingerprint of its pixels, so one that is there is right and is not written again, and those
that no prompt names any more can be removed once the new session.json is in place.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import BoolArray, Mask, cut_labels
from napari_sam2.document.proposals import Proposal
from napari_sam2.io.atomic import write_atomically
from napari_sam2.io.folder_parts import OutOfReach, content_of, is_own_folder, is_there, put_aside, was_put_aside
from napari_sam2.io.label_planes import label_plane
from napari_sam2.masks.overlaps import label_dtype
from napari_sam2.masks.stored_masks import MaskKey
from sam2_core.errors import PromptError, StackError

PROMPT_FOLDER = "prompts"
_IN_FOLDER = re.compile(rf"{PROMPT_FOLDER}/(?:\w+_frame\d+_(?P<digest>[0-9a-f]{{12}})|[^/\\\0]+)\.tiff?")
_SHEET = re.compile(rf"{PROMPT_FOLDER}/(?:objects|proposals)-frame\d+-(?P<digest>[0-9a-f]{{12}})\.tif")
ALONE = 8
"""Up to so many masks of prompts on a frame have files of their own."""


KnownSheets = dict[str, tuple[Mapping[int, Mask], dict[int, str]]]
"""What was written last: by the beginning of their names the masks that share sheets, and in which file each is."""


def write_prompt_masks(folder: Path, prompts: Iterable[Prompt], known: KnownSheets) -> dict[MaskKey, str]:
    """Return the names, within the session folder, of the files that hold the masks of prompts, written if new."""
    by_frame: dict[int, dict[int, Mask]] = {}
    for prompt in prompts:
        if prompt.drawn is not None:
            by_frame.setdefault(prompt.frame, {})[prompt.object_id] = prompt.drawn
    names: dict[MaskKey, str] = {}
    for frame, masks in by_frame.items():
        drawn = {one: mask for one, mask in masks.items() if not mask.is_empty} if len(masks) > ALONE else {}
        shared = _write_sheets(folder, f"objects-frame{frame}", drawn, known)
        for object_id, mask in masks.items():
            names[object_id, frame] = shared.get(object_id) or _write_alone(folder, object_id, frame, mask)
    return names


def write_proposal_masks(folder: Path, proposals: Mapping[int, Proposal], known: KnownSheets) -> dict[int, str]:
    """Return the names, within the session folder, of the files that hold the masks of proposals, written if new."""
    by_frame: dict[int, dict[int, Mask]] = {}
    for number, proposal in proposals.items():
        by_frame.setdefault(proposal.frame, {})[number] = proposal.mask
    names: dict[int, str] = {}
    for frame, masks in by_frame.items():
        names |= _write_sheets(folder, f"proposals-frame{frame}", masks, known)
    return names


def _write_alone(folder: Path, object_id: int, frame: int, mask: Mask) -> str:
    name = f"{PROMPT_FOLDER}/object{object_id}_frame{frame}_{_fingerprint(mask)}.tif"
    if not _is_written(folder, name):
        write_atomically(folder / name, label_tiff(mask.mask, object_id))
    return name


def _write_sheets(folder: Path, stem: str, masks: Mapping[int, Mask], known: KnownSheets) -> dict[int, str]:
    """Return by their numbers in which files masks of one frame are, as few as hold them without overlap.

    The masks that were written last are not looked at again, so what a frame costs is paid when it changes.
    """
    before, there = known.get(stem, ({}, {}))
    if before == masks and all(_is_written(folder, name) for name in set(there.values())):
        return there
    sheets: list[_Sheet] = []
    for number, mask in masks.items():
        if not any(sheet.take(number, mask) for sheet in sheets):
            sheets.append(_Sheet(number, mask))
    names: dict[int, str] = {}
    for sheet in sheets:
        name = f"{PROMPT_FOLDER}/{stem}-{_fingerprint_of_sheet(sheet.masks)}.tif"
        if not _is_written(folder, name):
            write_atomically(folder / name, label_tiff(sheet.labels, 1))
        names |= dict.fromkeys(sheet.masks, name)
    known[stem] = masks, names
    return names


class _Sheet:
    """A label image that masks share as long as they do not overlap."""

    def __init__(self, number: int, mask: Mask) -> None:
        self.masks: dict[int, Mask] = {}
        self.labels = np.zeros(mask.size, np.uint32)
        self.take(number, mask)

    def take(self, number: int, mask: Mask) -> bool:
        """Return whether the mask found room."""
        inside, here = mask.inside, self.labels[mask.rows, mask.columns]
        if mask.size != self.labels.shape or here[inside].any():
            return False
        here[inside] = number
        self.masks[number] = mask
        return True


def _is_written(folder: Path, name: str) -> bool:
    """Return whether a file is there already; where it is not, there is room for it."""
    path = folder / name
    if path.is_file() and not path.is_symlink():
        return True
    if (folder / PROMPT_FOLDER).is_symlink():
        raise StackError(f"{folder / PROMPT_FOLDER} is a link, and nothing is written through it; remove the link.")
    path.parent.mkdir(exist_ok=True)
    if is_there(path):
        put_aside(path)
    return False


def _fingerprint(mask: Mask) -> str:
    return hashlib.sha256(_told(mask)).hexdigest()[:12]


def _fingerprint_of_sheet(masks: Mapping[int, Mask]) -> str:
    told = hashlib.sha256()
    for number in sorted(masks):
        told.update(str(number).encode() + _told(masks[number]))
    return told.hexdigest()[:12]


def _told(mask: Mask) -> bytes:
    about = repr((mask.size, mask.y0, mask.x0, mask.shape))
    return about.encode() + np.packbits(mask.inside).tobytes()


def _fingerprint_of_frame(mask: BoolArray) -> str:
    """Return the fingerprint by which version 0.1 named a mask (H, W)."""
    return hashlib.sha256(repr(mask.shape).encode() + np.packbits(mask).tobytes()).hexdigest()[:12]


def label_tiff(mask: NDArray[np.bool_ | np.uint32], value: int) -> bytes:
    """Return a mask (H, W) as the content of a label TIFF, in which its pixels have the value; or labels, times it."""
    import tifffile

    labels, buffer = mask * np.asarray(value, label_dtype([int(mask.max(initial=0)) * value])), io.BytesIO()
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
    mask = _read(folder, name) == value
    found = _IN_FOLDER.fullmatch(name)
    if found is not None and found["digest"] not in (None, _fingerprint(Mask(mask)), _fingerprint_of_frame(mask)):
        raise _damaged(name)
    return mask


Sheets = Mapping[str, Mapping[int, Mask] | PromptError]
"""By the name of a file the masks in it by their values, or why it cannot be read."""


def read_sheets(folder: Path, names: Iterable[str]) -> Sheets:
    """Return what is in those of the files of a session folder that masks share; see `mask_in`."""
    found: dict[str, Mapping[int, Mask] | PromptError] = {}
    for name in names:
        if _SHEET.fullmatch(name) is not None:
            try:
                found[name] = _read_sheet(folder, name)
            except PromptError as error:
                found[name] = error
    return found


def mask_in(folder: Path, sheets: Sheets, value: int, name: str) -> Mask:
    """Return the mask of an object or proposal in the file of a name, where it is no sheet as `read_mask` reads it.

    Raises
    ------
    PromptError
        See `read_mask`; also if the sheet does not hold it.
    """
    sheet = sheets.get(name)
    if sheet is None:
        return Mask(read_mask(folder, value, name))
    if isinstance(sheet, PromptError):
        raise sheet
    if value not in sheet:
        raise PromptError(f"the mask {Path(name).name} holds no {value}.")
    return sheet[value]


def _read_sheet(folder: Path, name: str) -> dict[int, Mask]:
    masks, sheet = cut_labels(_read(folder, name)), _SHEET.fullmatch(name)
    if sheet is None or sheet["digest"] != _fingerprint_of_sheet(masks):
        raise _damaged(name)
    return masks


def _damaged(name: str) -> PromptError:
    return PromptError(f"the mask {Path(name).name} is damaged: it holds other pixels than were written.")


def _read(folder: Path, name: str) -> NDArray[Any]:
    """Return the label image (H, W) of a name, within the session folder; raise `PromptError` if it cannot be read."""
    path = folder / name
    if not is_mask_name(name) or (folder / PROMPT_FOLDER).is_symlink():
        raise PromptError(f"the mask {name!r:.80} is not read: it is no file of the folder {PROMPT_FOLDER}.")
    try:
        return label_plane(content_of(path))
    except OutOfReach:
        raise
    except Exception as error:
        what = str(error) or type(error).__name__
        raise PromptError(f"the mask {path.name} cannot be read ({what:.200}).") from error


def remove_unused_masks(folder: Path, used: Container[str]) -> None:
    """Remove the mask files that no prompt and no proposal names; what was put aside stays."""
    if not is_own_folder(folder / PROMPT_FOLDER):
        return
    for pattern in ("object*_frame*_*.tif", "proposal*_frame*_*.tif", "*s-frame*-*.tif"):
        for path in (folder / PROMPT_FOLDER).glob(pattern):
            if f"{PROMPT_FOLDER}/{path.name}" not in used and not was_put_aside(path) and path.is_file():
                path.unlink()
