"""Which answers to a click are masks worth keeping, found on the part of the frame where an answer can be.

Logits come at the decoder's resolution and are judged at that of the image, as the official generator does. Bilinear
interpolation makes nothing larger than what it is made from, so pixels around which all logits are clearly below every
threshold are known without being computed: the window around the others is all that is brought to full size, one mask
after the other. What is kept is the mask, one bit a pixel of its box, deflated. All of it happens on the CPU, whatever
the network ran on, so the same logits give the same masks.

Source of the scores: ``calculate_stability_score`` and ``batched_mask_to_box`` in ``sam2/utils/amg.py``
(facebookresearch/sam2, 2b90b9f).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sam2_core.automatic.crops import Box
from sam2_core.inference.memory.memory_bank import PackedMask
from sam2_core.inference.transforms import masks_to_video

ROUNDING = 1e-5
"""Of a logit, that interpolation may add to it: a hundred times what float32 can lose."""
WHOLE_SHARE = 0.5
"""A window of a larger share of the frame is cut from the whole frame, for which torch has a faster way."""

Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class JudgedMask:
    """A mask at the size of its frame.

    Attributes
    ----------
    box
        x0, y0, x1, y1 of its outermost pixels, all inside; zeros where the mask is empty.
    area
        In pixels.
    stability
        Area above the threshold plus the offset, divided by the area above the threshold minus the offset; NaN where
        both are empty.
    packed
        The pixels of the box.
    """

    box: Box
    area: int
    stability: float
    packed: PackedMask

    @property
    def patch(self) -> Bits:
        """The pixels of the box, (h, w)."""
        height, width = self.packed.size
        bits = np.unpackbits(np.frombuffer(self.packed.bits, dtype=np.uint8), count=height * width)
        return bits.reshape(height, width).astype(bool)


class Judge:
    """Thresholds for the logits of one crop, `low_hw` in size, seen at the size `frame_hw` of the crop."""

    def __init__(
        self, low_hw: tuple[int, int], frame_hw: tuple[int, int], threshold: float, offset: float, stability: float
    ) -> None:
        self.threshold, self.offset, self.least_stability = threshold, offset, stability
        self._frame_hw = frame_hw
        self._rows, self._columns = (_Axis(low, full) for low, full in zip(low_hw, frame_hw, strict=True))

    def mask(self, logits: Tensor) -> JudgedMask | None:
        """Return the mask of logits (h, w) float32 on the CPU; None where it is not stable enough."""
        lowest = self.threshold - abs(self.offset)
        able = (logits > lowest - ROUNDING * max(1.0, abs(lowest))).numpy()
        rows, columns = self._rows.reached(np.any(able, axis=1)), self._columns.reached(np.any(able, axis=0))
        window = self._enlarged(logits, rows, columns)
        stability = self._stability(window)
        if self.least_stability > 0 and not stability >= np.float32(self.least_stability):
            return None
        return _packed((window > self.threshold).numpy(), (columns.start, rows.start), float(stability))

    def _enlarged(self, logits: Tensor, rows: slice, columns: slice) -> Tensor:
        """Return the rows and columns of the full-size logits."""
        height, width = self._frame_hw
        area = (rows.stop - rows.start) * (columns.stop - columns.start)
        if area > WHOLE_SHARE * height * width:
            return masks_to_video(logits[None, None], self._frame_hw)[0, 0, rows, columns]
        return self._rows.between(self._columns.between(logits.T, columns).T, rows)

    def _stability(self, window: Tensor) -> np.float32:
        """Return the stability as the reference computes it: two counts as float32, divided."""
        low, high = (
            np.float32(np.count_nonzero((window > self.threshold + shift).numpy()))
            for shift in (-self.offset, self.offset)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            return high / low


class _Axis:
    """One direction of a bilinear interpolation: which two values lie beside each pixel, and how much each counts.

    The numbers are those of `torch.nn.functional.interpolate` without aligned corners, and rounded where its kernel for
    float32 on a CPU rounds them (a product and a sum at once), so that both agree to the last bit where torch has it.
    """

    def __init__(self, low: int, full: int) -> None:
        scale = torch.tensor(low / full, dtype=torch.float32).double()
        place = ((torch.arange(full) + 0.5).double() * scale - 0.5).float().clamp_(min=0)
        self.first = place.long().clamp(max=low - 1)
        self.second = (self.first + 1).clamp(max=low - 1)
        self.share = (place - self.first).clamp(0, 1)[:, None]  # of the second

    @cached_property
    def _beside(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        return self.first.numpy(), self.second.numpy()

    def reached(self, able: Bits) -> slice:
        """Return the pixels beside one of the values that are marked; an empty slice where none is."""
        marked = np.flatnonzero(able)
        if not marked.size:
            return slice(0, 0)
        first, second = self._beside
        return slice(int(np.searchsorted(second, marked[0])), int(np.searchsorted(first, marked[-1], side="right")))

    def between(self, values: Tensor, pixels: slice) -> Tensor:
        """Return the interpolated rows (pixels, n) of values (low, n)."""
        share = self.share[pixels]
        made = values.index_select(0, self.second[pixels]).mul_(share)
        return made.addcmul_(values.index_select(0, self.first[pixels]), 1 - share)


def _packed(mask: Bits, corner_xy: tuple[int, int], stability: float) -> JudgedMask:
    """Return the mask cut to its box; it lies at that corner of the frame."""
    columns, rows = (np.flatnonzero(np.any(mask, axis=axis)) for axis in (0, 1))
    if not columns.size:
        return JudgedMask((0, 0, 0, 0), 0, stability, PackedMask.of_bits(bytes(1), (1, 1)))
    (x0, x1), (y0, y1) = ((int(found[0]), int(found[-1])) for found in (columns, rows))
    patch = mask[y0 : y1 + 1, x0 : x1 + 1]
    packed = PackedMask.of_bits(np.packbits(patch).tobytes(), (patch.shape[0], patch.shape[1]))
    left, top = corner_xy
    box = (left + x0, top + y0, left + x1, top + y1)
    return JudgedMask(box, int(np.count_nonzero(patch)), stability, packed)
