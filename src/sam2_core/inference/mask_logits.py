"""Mask logits of one frame, as whole planes or as patches: of each object the part of the frame where it was sought.

`WindowedLogits` holds one `LogitPatch` per object, `patches_of` reads logits of either kind, and `labels_from_logits`
makes labels of them. So fifty small objects on a large frame cost fifty small patches. What comes out is numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

ABSENT_LOGIT = -1024.0

Logits = npt.NDArray[np.float32]
MaskLogits: TypeAlias = "Tensor | Logits | WindowedLogits"
"""(O, 1, H, W) in shape."""


@dataclass(frozen=True, slots=True, eq=False)
class LogitPatch:
    """Logits (h, w) of one object, and the rows and columns of the frame that they cover."""

    rows: slice
    columns: slice
    logits: Logits


class WindowedLogits:
    """Logits of one frame, (O, 1, H, W) in shape, kept as one patch per object; outside it the object is absent.

    `numpy.asarray` makes the full array where somebody needs it. A patch is None for an object without a mask there.
    """

    def __init__(self, patches: Sequence[LogitPatch | None], size: tuple[int, int]) -> None:
        self.patches = tuple(patches)
        self.shape = (len(self.patches), 1, *size)

    def __len__(self) -> int:
        return len(self.patches)

    def __getitem__(self, index: int) -> Logits:
        """Return the logits of one object, (1, H, W)."""
        plane = np.full(self.shape[1:], ABSENT_LOGIT, dtype=np.float32)
        patch = self.patches[index]
        if patch is not None:
            plane[0, patch.rows, patch.columns] = patch.logits
        return plane

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Logits:
        if copy is False:
            raise ValueError("windowed logits can only be copied into an array; leave out copy=False")
        planes = [self[index] for index in range(len(self))]
        full = np.stack(planes) if planes else np.zeros(self.shape, np.float32)  # (O, 1, H, W)
        return full if dtype is None else full.astype(dtype)


def patches_of(logits: MaskLogits) -> tuple[LogitPatch | None, ...]:
    """Return one patch per object of logits (O, 1, H, W), dense or windowed; None for an absent object."""
    if isinstance(logits, WindowedLogits):
        return logits.patches
    return tuple(LogitPatch(slice(None), slice(None), planes[0]) for planes in as_numpy(logits))


def labels_from_logits(logits: MaskLogits, values: Sequence[int], dtype: npt.DTypeLike) -> npt.NDArray[np.integer]:
    """Return labels (H, W): at each pixel the value of the object with the highest logit above 0, else 0.

    There is a value per object of the logits (O, 1, H, W); 0 leaves the object out.
    """
    height, width = logits.shape[-2:]
    labels = np.zeros((height, width), dtype=dtype)
    highest = np.zeros((height, width), dtype=np.float32)
    for value, patch in zip(values, patches_of(logits), strict=True):
        if value == 0 or patch is None:
            continue
        best = highest[patch.rows, patch.columns]
        wins = patch.logits > best
        labels[patch.rows, patch.columns][wins] = value
        best[wins] = patch.logits[wins]
    return labels


def as_numpy(logits: MaskLogits) -> Logits:
    """Return logits of any kind, also those of a tensor on another device, as numpy."""
    dense = logits if isinstance(logits, np.ndarray | WindowedLogits) else logits.detach().float().cpu()
    return np.asarray(dense, dtype=np.float32)
