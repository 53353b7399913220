"""Settings of movies of one kind of cells: colonies, rods, tissues, sheets of nuclei, adherent cells.

Each draws what varies among recordings of that kind, and holds what they have in common. It does not draw anything.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .movie_settings import MovieSettings, Style, everyday_settings, room, with_microscope


def colony_settings(
    rng: np.random.Generator, frames: int = 12, height: int = 224, width: int = 224, style: Style | None = None
) -> MovieSettings:
    """Return settings of a young colony of budding cells: touching, of all sizes, dark in a bright halo or textured.

    Two of three are in phase contrast, the others DIC. In phase contrast the outline is that of the dark inside, as
    people draw it: the blurrier the halo, the farther inside. Parameters are those of `random_settings`.
    """
    settings = everyday_settings(rng, frames, height, width, style or ("phase" if rng.random() < 0.67 else "dic"))
    diameter = rng.uniform(28.0, 60.0)
    phase = settings.style == "phase"
    blur = rng.uniform(0.7, 0.065 * diameter) if phase else settings.blur_px
    return replace(
        settings,
        kind="yeast",
        cells=int(rng.integers(1, 8)),
        diameter_px=diameter,
        diameter_spread=rng.uniform(0.1, 0.4),
        elongation=rng.uniform(1.0, 1.5),
        irregularity=0.03 * rng.uniform(0.3, 1.5),
        deformation=rng.uniform(0.01, 0.06),
        speed_px=rng.uniform(0.0, 0.8),
        crowding=1.0,
        overlap=rng.uniform(0.0, 0.08),
        divide_probability=rng.uniform(0.5, 1.0),
        leave_probability=0.0,
        enter_probability=0.0,
        body=rng.uniform(0.3, 0.9),
        halo=rng.uniform(0.5, 1.6),
        halo_width=rng.uniform(0.06, 0.2),
        margin=rng.uniform(0.8, 1.8) * blur / diameter if phase else 0.0,
        background=rng.uniform(0.1, 0.4) if phase else settings.background,
        blur_px=blur,
    )


def rod_settings(
    rng: np.random.Generator, frames: int = 12, height: int = 224, width: int = 224, style: Style | None = None
) -> MovieSettings:
    """Return settings of a young colony of rods that touch side by side, in a field that is empty otherwise.

    Four of five are in phase contrast, dark in a bright halo; the others shine. Parameters are those of
    `random_settings`.
    """
    settings = colony_settings(rng, frames, height, width, style or ("phase" if rng.random() < 0.8 else "fluorescence"))
    phase = settings.style == "phase"
    diameter = rng.uniform(20.0, 45.0)
    return replace(
        settings,
        kind="rod",
        cells=int(rng.integers(1, 20)),
        diameter_px=diameter,
        diameter_spread=rng.uniform(0.05, 0.25),
        elongation=rng.uniform(2.0, 5.0),
        divide_probability=rng.uniform(0.0, 0.4),
        irregularity=rng.uniform(0.0, 0.03),
        overlap=rng.uniform(0.0, 0.06),
        texture=rng.uniform(0.02, 0.25),
        brightness=rng.uniform(0.6, 1.0),
        body=rng.uniform(0.5, 1.0),
        halo=rng.uniform(0.4, 1.2),
        background=rng.uniform(0.25, 0.6) if phase else settings.background,
        blur_px=rng.uniform(0.6, 0.04 * diameter + 0.6),
        margin=rng.uniform(0.0, 0.03) if phase else 0.0,
        debris=rng.uniform(0.0, 0.6),
    )


def capsule_settings(
    rng: np.random.Generator, frames: int = 12, height: int = 224, width: int = 224, style: Style | None = None
) -> MovieSettings:
    """Return settings of a colony of straight rods as bacteria are: blurred, outlined where the dark inside begins.

    Half of the colonies grow and divide. Parameters are those of `random_settings`; the style is phase contrast where
    none is said.
    """
    grows = rng.random() < 0.5
    settings = (growing_rod_settings if grows else rod_settings)(rng, frames, height, width, style or "phase")
    diameter = rng.uniform(26.0, 46.0) if grows else rng.uniform(26.0, 60.0)
    elongation = rng.uniform(3.0, 6.0) if grows else rng.uniform(2.2, 5.0)
    blur = rng.uniform(0.02, 0.08) * diameter / np.sqrt(0.3 * elongation) + 0.4
    return replace(
        settings,
        diameter_px=diameter,
        diameter_spread=rng.uniform(0.05, 0.15),
        elongation=elongation,
        irregularity=rng.uniform(0.0, 0.015),
        overlap=0.0,
        body=rng.uniform(0.35, 1.0),
        halo=rng.uniform(0.5, 1.3),
        blur_px=blur,
        margin=rng.uniform(0.25, 0.85) * blur / diameter if settings.style == "phase" else 0.0,
    )


def growing_rod_settings(
    rng: np.random.Generator, frames: int = 24, height: int = 320, width: int = 320, style: Style | None = None
) -> MovieSettings:
    """Return settings of a few rods that grow to twice their length and divide, again and again, into a colony.

    Half of the fields drift, by up to six tenths of a rod from frame to frame. Parameters are those of
    `random_settings`.
    """
    settings = rod_settings(rng, frames, height, width, style)
    diameter = rng.uniform(18.0, 32.0)
    return replace(
        settings,
        cells=int(rng.integers(1, 6)),
        diameter_px=diameter,
        elongation=rng.uniform(4.0, 7.0),
        divide_probability=0.0,
        doubling=rng.uniform(3.0, 10.0),
        leave_probability=0.0,
        enter_probability=0.0,
        speed_px=rng.uniform(0.0, 0.04) * diameter,
        crowding=rng.uniform(0.3, 1.0),
        drift_px=float(rng.random() < 0.5) * rng.uniform(0.1, 0.6) * diameter,
    )


def tissue_settings(
    rng: np.random.Generator, frames: int = 8, height: int = 224, width: int = 224, style: Style | None = None
) -> MovieSettings:
    """Return settings of a sheet of cells that tile it, told apart by membranes; a cell ends where they are brightest.

    Some cells shine inside as well. Parameters are those of `random_settings`; the style is fluorescence by default.
    """
    diameter = float(np.exp(rng.uniform(np.log(18.0), np.log(70.0))))
    settings = MovieSettings(
        frames=frames,
        height=height,
        width=width,
        style=style or "fluorescence",
        kind="amoeboid",
        diameter_px=diameter,
    )
    settings = with_microscope(rng, settings)
    brightness = rng.uniform(0.3, 1.0)
    return replace(
        settings,
        cells=int(np.clip(rng.uniform(0.8, 1.3) * room(settings), 3, 160)),
        diameter_spread=rng.uniform(0.1, 0.35),
        elongation=rng.uniform(1.0, 1.6),
        irregularity=rng.uniform(0.02, 0.1),
        deformation=rng.uniform(0.03, 0.3),
        speed_px=diameter * rng.uniform(0.0, 0.03),
        overlap=rng.uniform(0.0, 0.2),
        reach=rng.uniform(1.3, 2.2),
        divide_probability=rng.choice([0.0, 0.1, 0.25]),
        leave_probability=0.0,
        enter_probability=0.0,
        drift_px=float(rng.random() < 0.5) * rng.uniform(0.2, 0.06 * diameter),
        brightness=brightness,
        brightness_spread=rng.uniform(0.1, 0.9),
        background=brightness * rng.uniform(0.0, 0.3),
        membrane=rng.uniform(0.5, 1.0),
        membrane_width=rng.uniform(0.08, 0.45),
        blur_px=rng.uniform(0.5, rng.choice([0.03, 0.09]) * diameter + 0.5),
    )


def sheet_settings(
    rng: np.random.Generator, frames: int = 12, height: int = 224, width: int = 224, style: Style | None = None
) -> MovieSettings:
    """Return settings of nuclei that migrate together, half a diameter a frame and more: dense, often dim, dividing.

    Neighbours look alike, and after a frame one may lie where another was. Parameters are those of `random_settings`;
    the style is fluorescence by default.
    """
    settings = everyday_settings(rng, frames, height, width, style or "fluorescence")
    diameter = rng.uniform(16.0, 36.0)
    settings = replace(settings, kind="nucleus", diameter_px=diameter)
    brightness = float(np.exp(rng.uniform(np.log(0.12), np.log(0.8))))
    return replace(
        settings,
        cells=int(np.clip(rng.uniform(0.35, 0.9) * room(settings), 6, 110)),
        diameter_spread=rng.uniform(0.05, 0.25),
        elongation=rng.uniform(1.05, 1.7),
        irregularity=rng.uniform(0.02, 0.08),
        deformation=rng.uniform(0.03, 0.2),
        speed_px=diameter * rng.uniform(0.02, 0.2),
        drift_px=diameter * rng.uniform(0.0, 0.4),
        overlap=rng.uniform(0.0, 0.15),
        divide_probability=rng.choice([0.05, 0.2, 0.4]),
        leave_probability=0.0,
        enter_probability=0.0,
        brightness=brightness,
        brightness_spread=rng.uniform(0.1, 0.5),
        background=brightness * rng.uniform(0.0, 0.4),
        haze=rng.uniform(0.0, 0.4),
        photons=float(np.exp(rng.uniform(np.log(60.0), np.log(2000.0)))),
    )


def adherent_settings(
    rng: np.random.Generator, frames: int = 12, height: int = 224, width: int = 224, style: Style | None = None
) -> MovieSettings:
    """Return settings of flat cells on a dish, spread or long, with processes: some alone, some packed.

    Half are in phase contrast; a third shine by their thickness, as in quantitative phase; the others are DIC. They
    round up where they divide. Parameters are those of `random_settings`.
    """
    style = style or ("phase", "fluorescence", "dic")[rng.choice(3, p=(0.5, 0.33, 0.17))]
    settings = everyday_settings(rng, frames, height, width, style)
    diameter = float(np.exp(rng.uniform(np.log(26.0), np.log(80.0))))
    settings = replace(settings, kind="spread" if rng.random() < 0.65 else "amoeboid", diameter_px=diameter)
    settings = with_microscope(rng, settings) if rng.random() < 0.5 else settings
    shining = style == "fluorescence"
    return replace(
        settings,
        cells=int(np.clip(rng.uniform(0.1, 0.9) * room(settings), 3, 40)),
        diameter_spread=rng.uniform(0.1, 0.4),
        elongation=rng.uniform(1.1, 4.0),
        irregularity=rng.uniform(0.06, 0.3),
        deformation=rng.uniform(0.03, 0.3),
        speed_px=diameter * rng.uniform(0.0, 0.12),
        overlap=rng.uniform(0.0, 0.12),
        divide_probability=rng.choice([0.0, 0.1, 0.3]),
        leave_probability=rng.choice([0.0, 0.2]),
        brightness=rng.uniform(0.3, 1.0),
        brightness_spread=rng.uniform(0.1, 0.5),
        texture=rng.uniform(0.1, 0.5),
        halo=rng.uniform(0.3, 1.1),
        halo_width=rng.uniform(0.03, 0.1),
        body=rng.uniform(-0.2, 0.5),
        dome=rng.uniform(0.4, 1.0) if shining else 0.0,
        haze=0.0 if shining else settings.haze,
    )
