"""What a synthetic movie should look like: one frozen value, and functions that draw widely varying ones.

Lengths are image pixels and times are frames. It does not draw anything. Movies of one kind of cells: `populations`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np

Style = Literal["fluorescence", "phase", "dic"]
Kind = Literal["nucleus", "yeast", "spread", "amoeboid", "rod"]

STYLES: tuple[Style, ...] = ("fluorescence", "phase", "dic")
KINDS: tuple[Kind, ...] = ("nucleus", "yeast", "spread", "amoeboid", "rod")
_KINDS_OF_STYLE: dict[Style, tuple[tuple[Kind, ...], tuple[float, ...]]] = {
    "fluorescence": (("nucleus", "amoeboid", "spread", "rod", "yeast"), (0.6, 0.15, 0.1, 0.08, 0.07)),
    "phase": (("yeast", "spread", "amoeboid", "rod", "nucleus"), (0.28, 0.38, 0.18, 0.1, 0.06)),
    "dic": (("amoeboid", "yeast", "spread", "nucleus", "rod"), (0.3, 0.25, 0.25, 0.1, 0.1)),
}


@dataclass(frozen=True, slots=True)
class MovieSettings:
    """Everything that decides a movie, apart from the seed; a ValueError says what cannot be drawn.

    Probabilities and strengths are in 0..1 unless said otherwise; the darkest possible background is 0 and a bright
    cell about 1 before the camera.
    """

    frames: int = 30
    height: int = 256
    width: int = 256
    style: Style = "fluorescence"
    kind: Kind = "nucleus"
    # cells: shape
    cells: int = 10
    diameter_px: float = 35.0
    diameter_spread: float = 0.15
    elongation: float = 1.3
    irregularity: float = 0.05
    deformation: float = 0.1
    # cells: life
    speed_px: float = 1.0
    growth: float = 0.004
    crowding: float = 0.0
    margin: float = 0.0  # how far inside its visible edge a cell is outlined, of the diameter
    overlap: float = 0.04  # how far neighbours are pressed into each other, as part of their distance
    reach: float = 1.0  # how far cells spread where none is next to them, in radii; gaps close above about 1.5
    divide_probability: float = 0.15
    doubling: float = 0.0  # rods only: frames in which one grows to twice its length and divides; 0: lives as others do
    leave_probability: float = 0.1
    enter_probability: float = 0.1
    drift_px: float = 0.0
    # appearance of the cells
    brightness: float = 0.6
    brightness_spread: float = 0.25
    texture: float = 0.25
    texture_scale_px: float = 2.5
    outline: float = 0.0
    membrane: float = 0.0  # fluorescence only: how much of the light comes from where cells meet
    membrane_width: float = 0.15  # of the radius
    dome: float = 0.0  # fluorescence only: part of the radius over which light rises inwards, at least; 1 as thickness
    halo: float = 0.6
    halo_width: float = 0.1  # of the diameter
    body: float = 0.5  # phase only: how much darker (below 0: brighter) the inside is than the background
    inverted: bool = False
    # microscope and camera
    blur_px: float = 1.0
    haze: float = 0.1
    background: float = 0.05
    uneven: float = 0.1
    vignette: float = 0.1
    debris: float = 0.2
    bleaching: float = 0.005
    photons: float = 400.0
    read_noise: float = 0.01
    bits: Literal[8, 16] = 16

    def __post_init__(self) -> None:
        said = asdict(self)
        for name in ("frames", "height", "width", "cells"):
            if said[name] < 1:
                raise ValueError(f"MovieSettings.{name} is {said[name]}; it must be at least 1")
        for name in ("diameter_px", "elongation", "photons", "texture_scale_px", "reach", "membrane_width"):
            if said[name] <= 0:
                raise ValueError(f"MovieSettings.{name} is {said[name]}; it must be above 0")
        if self.style not in STYLES:
            raise ValueError(f"unknown style {self.style!r}; choose one of {', '.join(STYLES)}")
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r}; choose one of {', '.join(KINDS)}")


def random_settings(
    rng: np.random.Generator, frames: int = 6, height: int = 192, width: int = 192, style: Style | None = None
) -> MovieSettings:
    """Return settings drawn widely over styles, kinds, sizes, densities, brightness and faults of the microscope.

    The same state of `rng` gives the same settings. style: fluorescence 45 %, phase 40 %, dic 15 % where None.
    """
    style = style or STYLES[rng.choice(3, p=(0.45, 0.4, 0.15))]
    kind = _kind_of(rng, style)
    side = min(height, width)
    diameter = float(np.exp(rng.uniform(np.log(15.0), np.log(min(120.0, max(20.0, 0.5 * side))))))
    settings = MovieSettings(frames=frames, height=height, width=width, style=style, kind=kind, diameter_px=diameter)
    settings = with_microscope(rng, _with_appearance(rng, with_population(rng, settings)))
    return _as_tissue(rng, settings) if rng.random() < 0.1 else settings


def everyday_settings(
    rng: np.random.Generator, frames: int = 12, height: int = 224, width: int = 224, style: Style | None = None
) -> MovieSettings:
    """Return settings of an ordinary good recording, with many cells that leave: like the sample movies, but varied.

    The styles are equally likely. Parameters are those of `random_settings`.
    """
    style = style or STYLES[rng.choice(3)]
    kind = _kind_of(rng, style)
    diameter = rng.uniform(25.0, 50.0)
    settings = MovieSettings(frames=frames, height=height, width=width, style=style, kind=kind, diameter_px=diameter)
    settings = with_population(rng, settings)
    fluorescent = style == "fluorescence"
    return replace(
        settings,
        cells=int(min(settings.cells, 14)),
        speed_px=rng.uniform(0.3, 3.0),
        leave_probability=rng.choice([0.2, 0.5]),
        enter_probability=0.15,
        brightness=rng.uniform(0.4, 0.9),
        texture=rng.uniform(0.1, 0.4),
        background=rng.uniform(0.02, 0.15) if fluorescent else rng.uniform(0.2, 0.5),
        body=rng.uniform(0.0, 0.6),
        halo=rng.uniform(0.4, 0.9),
        photons=float(np.exp(rng.uniform(np.log(300.0), np.log(5000.0)))),
        blur_px=rng.uniform(0.7, 1.6),
        debris=rng.uniform(0.0, 0.4),
    )


def _kind_of(rng: np.random.Generator, style: Style) -> Kind:
    """Return a kind of cells, drawn by how often it is seen in a style."""
    kinds, weights = _KINDS_OF_STYLE[style]
    return kinds[rng.choice(len(kinds), p=weights)]


def room(settings: MovieSettings) -> float:
    """Return how many discs of the typical diameter have the area of the image."""
    return settings.height * settings.width / (np.pi * (settings.diameter_px / 2) ** 2)


def with_population(rng: np.random.Generator, settings: MovieSettings) -> MovieSettings:
    """Return the settings with shapes, density and behaviour drawn."""
    low, high = {"nucleus": (1.05, 1.8), "yeast": (1.0, 1.35), "spread": (1.05, 2.6), "amoeboid": (1.0, 2.0)}.get(
        settings.kind, (2.0, 5.0)
    )
    rough = {"nucleus": 0.06, "yeast": 0.03, "spread": 0.2, "amoeboid": 0.2, "rod": 0.03}[settings.kind]
    density = rng.choice([rng.uniform(0.03, 0.3), rng.uniform(0.3, 0.6), rng.uniform(0.6, 1.0)], p=(0.45, 0.35, 0.2))
    still = settings.kind in ("yeast", "rod")
    return replace(
        settings,
        cells=int(np.clip(round(room(settings) * density), 3, 60)),
        diameter_spread=rng.uniform(0.05, 0.3),
        elongation=rng.uniform(low, high),
        irregularity=rough * rng.uniform(0.3, 1.5),
        deformation=rng.uniform(0.03, 0.3) * (0.3 if still else 1.0),
        speed_px=settings.diameter_px
        * (rng.uniform(0.0, 0.03) if still else rng.choice([0.03, 0.08, 0.16]) * rng.random()),
        growth=rng.uniform(0.0, 0.02),
        crowding=float(rng.random() < 0.4) * rng.uniform(0.3, 1.0),
        divide_probability=rng.choice([0.0, 0.1, 0.3]),
        leave_probability=rng.choice([0.0, 0.1, 0.25]),
        enter_probability=rng.choice([0.0, 0.1, 0.25]),
        drift_px=float(rng.random() < 0.3) * rng.uniform(0.2, 0.08 * settings.diameter_px + 0.3),
    )


def _with_appearance(rng: np.random.Generator, settings: MovieSettings) -> MovieSettings:
    """Return the settings with brightness, texture, outline and halo drawn."""
    fluorescent = settings.style == "fluorescence"
    halo, outline = rng.uniform(0.0, 1.0), float(rng.random() < 0.45) * rng.uniform(-1.0, 1.0)
    body = {"yeast": rng.uniform(0.1, 0.8), "spread": rng.uniform(-0.25, 0.3)}.get(
        settings.kind, rng.uniform(-0.3, 0.7)
    )
    if halo < 0.3 and abs(outline) < 0.4 and abs(body) < 0.3:
        halo += 0.4  # otherwise nothing would be seen
    return replace(
        settings,
        brightness=float(np.exp(rng.uniform(np.log(0.12), 0.0))) if fluorescent else rng.uniform(0.35, 1.0),
        brightness_spread=rng.uniform(0.05, 0.5),
        texture=rng.uniform(0.05, 0.6),
        texture_scale_px=float(np.clip(settings.diameter_px * rng.uniform(0.02, 0.09), 0.8, 6.0)),
        outline=outline,
        halo=halo,
        halo_width=rng.uniform(0.03, 0.09) if settings.kind == "spread" else rng.uniform(0.04, 0.2),
        body=body,
        inverted=bool(rng.random() < (0.06 if fluorescent else 0.15)),
    )


def with_microscope(rng: np.random.Generator, settings: MovieSettings) -> MovieSettings:
    """Return the settings with blur, light, dirt and noise drawn."""
    blur = float(np.exp(rng.uniform(np.log(0.5), np.log(0.6 + 0.045 * settings.diameter_px))))
    fluorescent = settings.style == "fluorescence"
    light = (60.0, 4000.0) if fluorescent else (400.0, 20000.0)
    return replace(
        settings,
        blur_px=blur,
        haze=rng.uniform(0.0, 0.35),
        background=settings.brightness * rng.uniform(0.0, 0.5) if fluorescent else rng.uniform(0.15, 0.6),
        uneven=rng.uniform(0.0, 0.35),
        vignette=float(rng.random() < 0.5) * rng.uniform(0.0, 0.4),
        debris=float(rng.random() < 0.6) * rng.uniform(0.0, 1.0),
        bleaching=float(rng.random() < 0.5) * rng.uniform(0.0, 0.04),
        photons=float(np.exp(rng.uniform(*np.log(light)))),
        read_noise=rng.uniform(0.001, 0.02) * (1.0 if fluorescent else 0.5),
        bits=8 if rng.random() < 0.3 else 16,
    )


def _as_tissue(rng: np.random.Generator, settings: MovieSettings) -> MovieSettings:
    """Return the settings turned into a packed sheet whose cells show their membranes."""
    settings = replace(settings, kind="amoeboid", diameter_px=min(settings.diameter_px, 40.0))
    return replace(
        settings,
        cells=int(np.clip(1.7 * room(settings), 3, 100)),
        overlap=rng.uniform(0.2, 0.35),
        elongation=rng.uniform(1.0, 1.4),
        irregularity=0.05,
        speed_px=0.01 * settings.diameter_px,
        crowding=0.0,
        outline=rng.uniform(0.5, 1.0),
    )
