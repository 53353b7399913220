"""Masks that slipped, as a tracker loses cells, for clips in which a person corrects them.

From some frame on an object's mask is over two cells, on another one, without a part of its cell, or spilled over what
lies beside it. The model remembers that until the frame of the correction, where it is asked to obey. What slips, and
how, is drawn once for a clip: partners stay the same cells from frame to frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sam2_core.training.clips import ClipBatch

NEAR = 2.2  # diameters of an object within which a neighbour's middle may lie
WAYS = {"both": 0.45, "other": 0.25, "part": 0.15, "spilled": 0.15}
"""How a mask slips, and how often; without a neighbour it loses a part or spills."""


@dataclass(frozen=True, slots=True)
class Slip:
    """How the masks of O objects slip in a clip, from a frame on.

    Attributes
    ----------
    start
        The first frame with a mask that slipped.
    partners
        (O,) label of the neighbour that takes part, 0 for none.
    ways
        (O,) index into `WAYS`.
    angles
        (O,) in which direction a part is lost, or the mask spills; radians.
    """

    start: int
    partners: Tensor
    ways: Tensor
    angles: Tensor

    @classmethod
    def drawn(cls, batch: ClipBatch, start: int, rng: np.random.Generator) -> Slip:
        """Return a slip that begins on a frame of a batch; neighbours are those of that frame."""
        labels, index, ids = batch.labels[start].cpu().numpy(), batch.image_index.tolist(), batch.ids.tolist()
        partners = np.array([_neighbour(labels[image], one) for image, one in zip(index, ids, strict=True)])
        odds = np.array(list(WAYS.values()))
        ways = rng.choice(len(WAYS), size=len(ids), p=odds / odds.sum())
        alone = rng.choice([2, 3], size=len(ids))
        device = batch.labels.device
        return cls(
            start,
            torch.from_numpy(partners).to(device),
            torch.from_numpy(np.where(partners > 0, ways, alone)).to(device),
            torch.from_numpy(rng.uniform(0.0, 2.0 * np.pi, len(ids)).astype(np.float32)).to(device),
        )

    def masks(self, batch: ClipBatch, frame: int) -> Tensor:
        """Return the masks that slipped on a frame, (O, 1, S, S) float 0/1."""
        labels = batch.labels[frame, batch.image_index]  # (O, S, S)
        own = labels == batch.ids.view(-1, 1, 1)
        other = (labels == self.partners.view(-1, 1, 1)) & (self.partners > 0).view(-1, 1, 1)
        row, column, radius = _middle(own)
        side = self._side(row, column, labels.shape[-1])
        middle_y, middle_x = row + radius * torch.sin(self.angles), column + radius * torch.cos(self.angles)
        beside = _distance(middle_y, middle_x, labels.shape[-1]) < 0.8 * radius.view(-1, 1, 1)
        there = own.flatten(1).any(dim=1).view(-1, 1, 1)
        slipped = torch.stack([own | other, other, own & (side < 0), own | (beside & there)])  # (4, O, S, S)
        chosen: Tensor = slipped[self.ways, torch.arange(len(self.ways), device=labels.device)]
        return chosen.float()[:, None]

    def _side(self, row: Tensor, column: Tensor, size: int) -> Tensor:
        """Return on which side of a line through its middle each pixel lies, (O, S, S), negative or positive."""
        steps = torch.arange(size, device=row.device, dtype=torch.float32)
        down = (steps.view(1, -1, 1) - row.view(-1, 1, 1)) * torch.sin(self.angles).view(-1, 1, 1)
        across = (steps.view(1, 1, -1) - column.view(-1, 1, 1)) * torch.cos(self.angles).view(-1, 1, 1)
        return down + across


def _neighbour(labels: NDArray[np.int64], one: int) -> int:
    """Return the label of the cell nearest to one of a window's labels (S, S), 0 where none is near."""
    flat = labels.ravel()
    area = np.bincount(flat)
    if one >= len(area) or not area[one]:
        return 0
    rows, columns = np.divmod(np.arange(flat.size), labels.shape[1])
    count = np.maximum(area, 1)
    middle = np.stack([np.bincount(flat, rows), np.bincount(flat, columns)]) / count  # (2, N)
    away = np.hypot(*(middle - middle[:, one : one + 1]))
    away[(area < 0.2 * area[one]) | (np.arange(len(area)) == one)] = np.inf
    away[0] = np.inf
    nearest = int(away.argmin())
    return nearest if away[nearest] < NEAR * 2.0 * np.sqrt(area[one] / np.pi) else 0


def _middle(masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return row, column and radius, (O,) each, of masks (O, S, S)."""
    inside = masks.float()
    count = inside.sum(dim=(1, 2)).clamp(min=1.0)
    steps = torch.arange(masks.shape[-1], device=masks.device, dtype=torch.float32)
    row = (inside.sum(dim=2) * steps).sum(dim=1) / count
    column = (inside.sum(dim=1) * steps).sum(dim=1) / count
    return row, column, (count / torch.pi).sqrt()


def _distance(row: Tensor, column: Tensor, size: int) -> Tensor:
    """Return the distance of each pixel to a place of each object, (O, S, S)."""
    steps = torch.arange(size, device=row.device, dtype=torch.float32)
    return torch.hypot(steps.view(1, -1, 1) - row.view(-1, 1, 1), steps.view(1, 1, -1) - column.view(-1, 1, 1))
