"""Mask logits that need not cover the frame: each object brings the part of the frame that it was looked for in.

`WindowedLogits` holds one `Patch` per object, `patches_of` reads logits of either kind, whole frames or patches, and
`labels_from_logits` makes labels of them. So fifty small objects on a large frame cost fifty small patches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sam2_core.windowed.following_window import Window

ABSENT_LOGIT = -1024.0


@dataclass(frozen=True, slots=True)
class Patch:
    """Logits (h, w) of one object, tensor or array, and the rows and columns of the frame that they cover."""

    rows: slice
    columns: slice
    logits: Any

    @classmethod
    def of_window(cls, window: Window, logits: np.ndarray[Any, Any], frame_size: tuple[int, int]) -> Patch:
        """Return what a window's logits (h, w) say about a frame of that size (height, width)."""
        return cls(*window.region(frame_size), logits[window.inside(frame_size)])


class WindowedLogits:
    """Logits of one frame, (O, 1, H, W) in shape, kept as one patch per object; outside it the object is absent.

    `numpy.asarray` makes the full array where somebody needs it.

    Parameters
    ----------
    patches
        One per object; None for an object without a mask on the frame.
    frame_size
        (height, width).
    """

    def __init__(self, patches: Sequence[Patch | None], frame_size: tuple[int, int]) -> None:
        self.patches = tuple(patches)
        self.shape = (len(self.patches), 1, *frame_size)

    def __len__(self) -> int:
        return len(self.patches)

    def __getitem__(self, index: int) -> np.ndarray[Any, Any]:
        """Return the logits of one object, (1, H, W) float32."""
        plane = np.full(self.shape[1:], ABSENT_LOGIT, dtype=np.float32)
        patch = self.patches[index]
        if patch is not None:
            plane[0, patch.rows, patch.columns] = as_numpy(patch.logits)
        return plane

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if copy is False:
            raise ValueError("windowed logits can only be copied into an array; leave out copy=False")
        planes = [self[index] for index in range(len(self))]
        full = np.stack(planes) if planes else np.zeros(self.shape, np.float32)  # (O, 1, H, W)
        return full if dtype is None else full.astype(dtype)


def patches_of(logits: Any) -> Iterator[Patch | None]:
    """Yield one patch per object of logits (O, 1, H, W), dense or windowed; None for an absent object."""
    if isinstance(logits, WindowedLogits):
        yield from logits.patches
        return
    for object_logits in logits:
        yield Patch(slice(None), slice(None), object_logits[0])


def labels_from_logits(logits: Any, values: Sequence[int], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return labels (H, W): at each pixel the value of the object with the highest logit above 0, else 0.

    Parameters
    ----------
    logits
        (O, 1, H, W) tensor or array, or `WindowedLogits`.
    values
        Label value per object; 0 leaves the object out.
    dtype
        Type of the labels.
    """
    height, width = logits.shape[-2:]
    labels = np.zeros((height, width), dtype=dtype)
    highest = np.zeros((height, width), dtype=np.float32)
    for value, patch in zip(values, patches_of(logits), strict=True):
        if value == 0 or patch is None:
            continue
        best = highest[patch.rows, patch.columns]
        plane = as_numpy(patch.logits)
        wins = plane > best
        labels[patch.rows, patch.columns][wins] = value
        best[wins] = plane[wins]
    return labels


def as_numpy(values: Any) -> np.ndarray[Any, Any]:
    """Return a tensor of any device, or an array, as float32 numpy."""
    if hasattr(values, "detach"):
        values = values.detach().float().cpu().numpy()
    return np.asarray(values, dtype=np.float32)
