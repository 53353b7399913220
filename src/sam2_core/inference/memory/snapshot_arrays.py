"""Memory entries and prompts as plain arrays and lists, and back, bit by bit.

Entries of one kind lie in one array per attribute, so that a file of many frames has few names. A name ends with the
type of the tensor (``masks:float32``), because numpy has no bfloat16: such a tensor is kept as the int16 of its bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sam2_core.inference.memory.memory_bank import MemoryEntry, PackedMask
from sam2_core.inference.memory.snapshots import Arrays
from sam2_core.inference.prompt_inputs import MaskPrompt, PointPrompt

Array = npt.NDArray[Any]
Prompt = PointPrompt | MaskPrompt


@dataclass(frozen=True, slots=True)
class Homes:
    """Where tensors belong: pointers and scores beside the model, masks and memories into the storage; and how large a
    packed mask (h, w) is.
    """

    model: torch.device
    storage: torch.device
    mask_size: tuple[int, int]


def entries_to_arrays(entries: Iterable[tuple[int, MemoryEntry]]) -> Arrays:
    """Return entries with their frames, either all packed or none, as one array per attribute."""
    rows = list(entries)
    arrays: Arrays = {"frames": np.array([frame for frame, _ in rows], np.int64)}
    if not rows:
        return arrays
    kept = [entry for _, entry in rows]
    arrays |= _named("pointers", [entry.object_pointer for entry in kept])
    arrays |= _named("scores", [entry.object_score_logits for entry in kept])
    masks = [entry.mask for entry in kept if isinstance(entry.mask, Tensor)]
    bits = [entry.mask.bits for entry in kept if isinstance(entry.mask, PackedMask)]
    arrays |= (
        _named("masks", masks) if masks else {"bits": np.frombuffer(b"".join(bits), np.uint8).reshape(len(kept), -1)}
    )
    memories = [entry.memory_features for entry in kept if entry.memory_features is not None]
    return arrays | _named("memories", memories) if memories else arrays


def entries_from_arrays(arrays: Arrays, homes: Homes) -> list[tuple[int, MemoryEntry]]:
    """Return entries with their frames, in the order in which they were given."""
    frames = [int(frame) for frame in arrays["frames"]]
    if not frames:
        return []
    masks: Sequence[Tensor | PackedMask]
    if "bits" in arrays:
        per_frame = arrays["bits"].reshape(len(frames), -1)
        masks = [PackedMask.of_bits(row.tobytes(), homes.mask_size) for row in per_frame]
    else:
        masks = _column(arrays, "masks", homes.storage)
    pointers, scores = (_column(arrays, name, homes.model) for name in ("pointers", "scores"))
    has_memories = any(name.startswith("memories:") for name in arrays)
    memories = _column(arrays, "memories", homes.storage) if has_memories else [None] * len(frames)
    rows = zip(masks, pointers, scores, memories, strict=True)
    return [(frame, MemoryEntry(*row)) for frame, row in zip(frames, rows, strict=True)]


def prompt_to_plain(prompt: Prompt) -> tuple[dict[str, Any], Array | None]:
    """Return a prompt as numbers and lists, and its mask, if it is one: 8 pixels a byte, or the values that it has."""
    if isinstance(prompt, MaskPrompt):
        mask: Array = prompt.mask
        return {"mask_size": list(mask.shape)}, np.packbits(mask) if mask.dtype == np.bool_ else mask
    box = None if prompt.box_xyxy is None else prompt.box_xyxy.tolist()
    points = {"points_xy": prompt.points_xy.tolist(), "labels": prompt.labels.tolist()}
    return {**points, "box_xyxy": box, "normalized": prompt.normalized}, None


def prompt_from_plain(plain: Mapping[str, Any], mask: Array | None) -> Prompt:
    """Return the prompt that `prompt_to_plain` wrote down."""
    if mask is not None and mask.dtype != np.uint8:
        return MaskPrompt(mask)
    if mask is not None:
        height, width = plain["mask_size"]
        return MaskPrompt(np.unpackbits(mask, count=height * width).reshape(height, width).astype(np.bool_))
    points_xy = np.array(plain["points_xy"], np.float32).reshape(-1, 2)
    box = None if plain["box_xyxy"] is None else np.array(plain["box_xyxy"], np.float32)
    return PointPrompt(points_xy, np.array(plain["labels"], np.int32), box, bool(plain["normalized"]))


def _named(name: str, tensors: Sequence[Tensor]) -> Arrays:
    stacked = torch.stack(list(tensors)).cpu()
    dtype = str(stacked.dtype).removeprefix("torch.")
    bits = stacked.view(torch.int16) if stacked.dtype == torch.bfloat16 else stacked
    return {f"{name}:{dtype}": bits.numpy()}


def _column(arrays: Arrays, name: str, device: torch.device) -> list[Tensor]:
    """Return the tensors under a name, one per entry.

    Raises
    ------
    KeyError
        There are none.
    """
    for key, array in arrays.items():
        stem, _, dtype = key.partition(":")
        if stem == name:
            return list(torch.from_numpy(array.copy()).view(getattr(torch, dtype)).to(device))
    raise KeyError(name)
