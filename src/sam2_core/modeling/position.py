"""Where things are: sine maps, sine of time, random Fourier features of points, and rotary tables.

Pure functions of sizes, and one module that owns the random Fourier matrix. Tables that depend on sizes alone are made
once and kept: nobody may change them in place.
Source: ``sam2/modeling/position_encoding.py`` (facebookresearch/sam2, 2b90b9f).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TABLES_KEPT = 16
"""Tables of one kind that are kept: a model needs two of each, at most 4 MB one."""


@contextmanager
def _for_training_too() -> Iterator[None]:
    """Make tensors in the body that are kept: one made in inference mode could never be part of a loss."""
    with torch.inference_mode(False), torch.no_grad():
        yield


@lru_cache(TABLES_KEPT)
def sine_position_map(channels: int, height: int, width: int, device: torch.device) -> Tensor:
    """Return the sine position of every cell of a grid, y in the first half of the channels, x in the second.

    Coordinates run from ``1 / size`` to 1 and are scaled to 2 pi; frequencies fall from 1 to 1e-4.

    Returns
    -------
    Tensor
        (1, channels, height, width) float32.
    """
    with _for_training_too():
        return _sine_map(channels, height, width, device)


def _sine_map(channels: int, height: int, width: int, device: torch.device) -> Tensor:
    per_axis = channels // 2
    y = torch.arange(1, height + 1, device=device, dtype=torch.float32) / (height + 1e-6) * (2 * math.pi)
    x = torch.arange(1, width + 1, device=device, dtype=torch.float32) / (width + 1e-6) * (2 * math.pi)
    along_y = _interleaved_sine(y, per_axis)[:, None, :].expand(height, width, per_axis)
    along_x = _interleaved_sine(x, per_axis)[None, :, :].expand(height, width, per_axis)
    return torch.cat([along_y, along_x], dim=-1).permute(2, 0, 1)[None]  # (1, C, H, W)


def _interleaved_sine(positions: Tensor, channels: int) -> Tensor:
    """Return (N, channels): sine at even, cosine at odd channels."""
    index = torch.arange(channels, device=positions.device, dtype=torch.float32)
    frequencies = 10000.0 ** (2 * torch.div(index, 2, rounding_mode="floor") / channels)
    angles = positions[:, None] / frequencies
    return torch.stack([angles[:, 0::2].sin(), angles[:, 1::2].cos()], dim=2).flatten(1)


@lru_cache(TABLES_KEPT)
def stretching(size: int, new_size: int, device: torch.device) -> Tensor:
    """Return (new_size, size) float32: what stretches a line of values bicubically, as a product."""
    with _for_training_too():
        unit = torch.eye(size, device=device)[None, None]
        return F.interpolate(unit, size=(new_size, size), mode="bicubic")[0, 0]


def sine_of_time(distances: Tensor, channels: int) -> Tensor:
    """Return (N, channels) for N distances in time: sines in the first half, cosines in the second."""
    half = channels // 2
    index = torch.arange(half, device=distances.device, dtype=torch.float32)
    frequencies = 10000.0 ** (2 * torch.div(index, 2, rounding_mode="floor") / half)
    angles = distances[:, None] / frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class RandomFourierPosition(nn.Module):
    """Position of a point as sines and cosines of random projections of its coordinates."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, channels // 2))

    def forward(self, unit_xy: Tensor) -> Tensor:
        """Return (..., channels) for (..., 2) coordinates in [0, 1], x first."""
        projected = (2 * unit_xy - 1) @ self.positional_encoding_gaussian_matrix * (2 * math.pi)
        return torch.cat([projected.sin(), projected.cos()], dim=-1)

    def grid(self, height: int, width: int) -> Tensor:
        """Return (1, channels, height, width): the position of every cell centre of a grid."""
        device = self.positional_encoding_gaussian_matrix.device
        y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) / height
        x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) / width
        grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
        return self(torch.stack([grid_x, grid_y], dim=-1)).permute(2, 0, 1)[None]  # (1, C, H, W)


@lru_cache(TABLES_KEPT)
def axial_rotation(dim: int, height: int, width: int, theta: float, device: torch.device) -> Tensor:
    """Return a grid's rotary table: cosine and sine of each pair's angle, x in the first half of the pairs, then y.

    Returns
    -------
    Tensor
        (height * width, dim / 2, 2) float32, cells in row order.
    """
    with _for_training_too():
        angles = _axial_angles(dim, height, width, theta, device)
        return torch.stack([angles.cos(), angles.sin()], dim=-1)


def _axial_angles(dim: int, height: int, width: int, theta: float, device: torch.device) -> Tensor:
    """Return (height * width, dim / 2)."""
    frequencies = 1.0 / theta ** (torch.arange(0, dim, 4, device=device)[: dim // 4].float() / dim)
    cell = torch.arange(height * width, device=device, dtype=torch.float32)
    x, y = cell % width, torch.div(cell, width, rounding_mode="floor")
    return torch.cat([torch.outer(x, frequencies), torch.outer(y, frequencies)], dim=-1)


def rotate(x: Tensor, table: Tensor) -> Tensor:
    """Return x with its channel pairs turned by the table, in float32 at least, in the dtype of x.

    x is (..., R * N, D) for a table of N rows: R whole grids after one another use the same table.
    """
    *lead, length, dim = x.shape
    rows = table.shape[0]
    exact = x.to(torch.promote_types(x.dtype, torch.float32))
    pairs = exact.reshape(*lead, length // rows, rows, dim // 2, 2)
    turned = _turn(pairs, table) if _knows_complex(x.device) else _turn_real(pairs, table)
    return turned.reshape(x.shape).type_as(x)


def rotate_in_place(x: Tensor, table: Tensor) -> None:
    """Turn the channel pairs of x itself, as `rotate` does: long keys need no second home."""
    if _knows_complex(x.device) and x.dtype in (torch.float32, torch.float64):
        pairs = x.unflatten(-2, (-1, table.shape[0])).unflatten(-1, (-1, 2))
        torch.view_as_complex(pairs).mul_(torch.view_as_complex(table))
    elif x.device.type == "cpu":
        for grid in x.split(table.shape[0], dim=-2):  # no float32 copy of all of it, which would cost most of the time
            grid.copy_(rotate(grid, table))
    else:
        x.copy_(rotate(x, table))


def _knows_complex(device: torch.device) -> bool:
    return device.type in ("cpu", "cuda")


def _turn(pairs: Tensor, table: Tensor) -> Tensor:
    """Return the pairs turned as complex numbers: one pass over them."""
    return torch.view_as_real(torch.view_as_complex(pairs) * torch.view_as_complex(table))


def _turn_real(pairs: Tensor, table: Tensor) -> Tensor:
    """Return the same for devices without complex numbers."""
    (first, second), (cos, sin) = pairs.unbind(-1), table.unbind(-1)
    return torch.stack([first * cos - second * sin, first * sin + second * cos], dim=-1)
