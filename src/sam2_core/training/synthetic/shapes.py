"""The outline of every cell on every frame: a Fourier series on a super-ellipse, with processes, changing smoothly.

Outlines live in the cell's own frame, scaled by its semi-axes: a table of radii over the angle, 1 being the ellipse.
It does not know where cells are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .movie_settings import Kind, MovieSettings

Floats = NDArray[np.float64]
ANGLES = 128
_THETA = np.arange(ANGLES) * (2 * np.pi / ANGLES)
_ORDERS = np.arange(2, 8)
_EXPONENT: dict[Kind, tuple[float, float]] = {
    "nucleus": (1.9, 2.3),
    "yeast": (1.95, 2.15),
    "spread": (1.2, 2.0),
    "amoeboid": (1.5, 2.3),
    "rod": (2.6, 4.0),
}


def outlines(settings: MovieSettings, rng: np.random.Generator, cells: int) -> Floats:
    """Return outline tables (T, N, ANGLES): relative radius of each cell at each angle and frame, mean about 1."""
    series = _wandering(settings, rng, (cells, len(_ORDERS), 2))  # (T, N, orders, 2)
    weight = settings.irregularity * (2.0 / _ORDERS) ** 1.6
    waves = np.stack([np.cos(np.outer(_ORDERS, _THETA)), np.sin(np.outer(_ORDERS, _THETA))], 1)  # (orders, 2, ANGLES)
    wobble = np.einsum("tnkc,kca->tna", series * weight[:, None], waves, optimize=True)
    base = _super_ellipse(rng.uniform(*_EXPONENT[settings.kind], cells))
    radius = base[None] * np.exp(np.clip(wobble, -0.7, 0.7))
    if settings.kind == "spread":
        radius = radius * (1 + _processes(settings, rng, cells))
    return np.clip(radius / np.sqrt((radius**2).mean(-1, keepdims=True)), 0.25, 3.5)


def bends(settings: MovieSettings, rng: np.random.Generator, cells: int) -> Floats:
    """Return the curvature of each cell's long axis (T, N), in short axes per squared long axis."""
    size = {"spread": 0.35, "rod": 0.4, "amoeboid": 0.2}.get(settings.kind, 0.05)
    return _wandering(settings, rng, (cells,)) * size


def _wandering(settings: MovieSettings, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return smooth random series (T, *shape) of unit variance that forget their past at the rate of deformation."""
    keep = 1.0 - min(0.95, settings.deformation)
    state = rng.standard_normal(shape)
    series = [state]
    for _ in range(settings.frames - 1):
        state = keep * state + np.sqrt(1 - keep**2) * rng.standard_normal(shape) * 0.8
        series.append(state)
    return np.stack(series)


def _super_ellipse(exponent: Floats) -> Floats:
    """Return tables (N, ANGLES): below 2 the ends are pointed, at 2 an ellipse, above it a rounded box."""
    n = exponent[:, None]
    cos, sin = np.abs(np.cos(_THETA)) + 1e-9, np.abs(np.sin(_THETA)) + 1e-9
    table: Floats = (cos**n + sin**n) ** (-1 / n)
    return table


def _processes(settings: MovieSettings, rng: np.random.Generator, cells: int) -> Floats:
    """Return what tips add to the relative radius (T, N, ANGLES): one at each end, two more that come and go."""
    place = rng.normal(0, 0.35, (cells, 4, 1)) + np.array([0.0, np.pi, 0.5 * np.pi, 1.5 * np.pi])[:, None]
    width = rng.uniform(0.15, 0.45, (cells, 4, 1))
    gap = np.sqrt(np.angle(np.exp(1j * (_THETA - place))) ** 2 + 0.003)
    bump = np.exp(-gap / width)  # (N, 4, ANGLES), cusps: the sides between tips are hollow
    often = np.array([1.0, 1.0, -0.3, -0.3])
    height = np.clip(0.7 * _wandering(settings, rng, (cells, 4)) + often, 0.0, 2.5) * 8.0 * settings.irregularity
    added: Floats = np.einsum("tnp,npa->tna", height, bump)
    return added
