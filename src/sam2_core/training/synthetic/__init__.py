"""The synthetic movie generator: cells with exact masks and lineage, for training, tests, samples and the demo.

In order: `movie_settings` says what is wanted (`populations`: of one kind of cells), `motion` moves, grows and divides
the cells, `shapes` gives each its outline, `painting` resolves them to labels and body coordinates, `rendering` turns
those into microscope images, and `movie` puts it together. It needs numpy and scipy only, and it does not read files,
crop or augment.
"""

from __future__ import annotations

from .movie import LineageRow, SyntheticMovie, make_movie
from .movie_settings import Kind, MovieSettings, Style, everyday_settings, random_settings
from .populations import (
    adherent_settings,
    capsule_settings,
    colony_settings,
    growing_rod_settings,
    rod_settings,
    sheet_settings,
    tissue_settings,
)

__all__ = [
    "Kind",
    "LineageRow",
    "MovieSettings",
    "Style",
    "SyntheticMovie",
    "adherent_settings",
    "capsule_settings",
    "colony_settings",
    "everyday_settings",
    "growing_rod_settings",
    "make_movie",
    "random_settings",
    "rod_settings",
    "sheet_settings",
    "tissue_settings",
]
