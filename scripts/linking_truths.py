"""What `fit_linking.py` learns from: movies with truth, real ones and drawn ones, as detections that have true ids."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_sam2.linking import Detection, LinkingOptions, detections_of
from napari_sam2.linking.detections import Floats, Ints, Population
from napari_sam2.linking.hypotheses import Movie
from napari_sam2.linking.pairs import Pairs, pairs_between
from sam2_core.training.synthetic import MovieSettings, Style, everyday_settings, growing_rod_settings, make_movie

TRUTHS = (("masks.tif", "tracks.csv"), ("masks_linked_pseudo.tif", "tracks_pseudo.csv"))
LEAST_SCORE = 0.3

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Truth:
    """Images and labels (T, H, W) of a movie, and the mother of each object that has one."""

    name: str
    images: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    parents: dict[int, int]
    is_synthetic: bool = False
    is_pseudo: bool = False


@dataclass(frozen=True, eq=False)
class Step:
    """What is near by between a frame and the next."""

    frame: int
    before: Population
    after: Population
    drift: Floats
    pairs: Pairs


@dataclass(frozen=True, eq=False)
class Seen:
    """Detections of a movie; `ids` say of each which object of the truth it is, below 0 for none."""

    truth: Truth
    is_found: bool
    frames: list[list[Detection]]
    ids: list[Ints]
    steps: list[Step] = field(init=False)
    first: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        movie = Movie(self.frames, LinkingOptions())
        object.__setattr__(self, "steps", [_step(movie, frame) for frame in range(len(self.frames) - 1)])
        backwards = reversed(list(enumerate(self.ids)))
        object.__setattr__(self, "first", {int(each): frame for frame, ids in backwards for each in ids})

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.truth.name}, found" if self.is_found else self.truth.name

    def mothers(self, ids: Ints) -> Ints:
        """Return the mother of each object, 0 for none."""
        return np.array([self.truth.parents.get(int(each), 0) for each in ids], np.int64)


def read_truths(folder: Path) -> list[Truth]:
    """Return the movies below a folder that have masks whose ids last, and a table of tracks."""
    found = []
    for movie in sorted(each for each in folder.iterdir() if each.is_dir()):
        for masks, tracks in TRUTHS:
            if (movie / masks).exists() and (movie / tracks).exists():
                with (movie / tracks).open(encoding="utf-8", newline="") as file:
                    rows = [(int(row["id"]), int(row.get("parent_id") or 0)) for row in csv.DictReader(file)]
                parents = {child: mother for child, mother in rows if mother}
                images, labels = tifffile.imread(movie / "images.tif"), tifffile.imread(movie / masks)
                found.append(Truth(movie.name, images, labels, parents, is_pseudo=(masks, tracks) != TRUTHS[0]))
                break
    return found


def drawn_truth(style: Style, seed: int) -> Truth:
    """Return a synthetic movie of many cells of which half divide, with a drift or without."""
    rng = np.random.default_rng(seed)
    settings = everyday_settings(rng, 24, 320, 320, style)
    while settings.kind == "yeast":  # buds are no divisions of one into two
        settings = everyday_settings(rng, 24, 320, 320, style)
    settings = replace(
        settings,
        cells=int(rng.integers(12, 28)),
        diameter_px=float(rng.uniform(22, 36)),
        divide_probability=0.5,
        speed_px=float(rng.uniform(0.5, 5)),
        drift_px=float(rng.choice([0, 0, 2, 5])),
    )
    return _drawn(f"synthetic {style} {seed}", settings, seed)


def drawn_rods(seed: int) -> Truth:
    """Return a synthetic movie of rods that become a colony, with a drift or without."""
    return _drawn(f"synthetic rods {seed}", growing_rod_settings(np.random.default_rng(seed)), seed)


def _drawn(name: str, settings: MovieSettings, seed: int) -> Truth:
    movie = make_movie(settings, seed)
    parents = {row.object_id: row.parent for row in movie.lineage if row.parent}
    return Truth(name, movie.images, movie.labels, parents, is_synthetic=True)


def seen_as_drawn(truth: Truth) -> Seen:
    """Return the masks of the truth as detections."""
    planes = [detections_of(plane, image) for plane, image in zip(truth.labels, truth.images, strict=True)]
    ids = [np.array(list(each), np.int64) for each in planes]
    return Seen(truth, False, [list(each.values()) for each in planes], ids)


def seen_as_found(truths: Sequence[Truth], path: Path) -> Seen:
    """Return what was found in one of the movies as detections; ones that are nothing of the truth stay."""
    name = path.stem.removeprefix("found_")
    fitting = [each for each in truths if name in each.name]
    if len(fitting) != 1:
        raise SystemExit(f"{path.name}: {len(fitting)} movies have {name!r} in their names; name the file after one")
    truth = fitting[0]
    with np.load(path) as stored:
        labels, scores = stored["labels"], stored["scores"]
    frames, ids = [], []
    for plane, score, image, true in zip(labels, scores, truth.images, truth.labels, strict=False):
        found = {each: seen for each, seen in detections_of(plane, image).items() if score[each] >= LEAST_SCORE}
        frames.append(list(found.values()))
        ids.append(np.array([_true_id(plane == each, true) for each in found], np.int64))
    return Seen(truth, True, frames, ids)


def _true_id(mask: Bools, true: npt.NDArray[Any]) -> int:
    """Return the object of the truth that a mask is, -1 for none: they share an IoU of .4, or half of each."""
    shared = np.bincount(true[mask])
    shared[0] = 0
    best = int(shared.argmax())
    common, there, here = shared[best], np.count_nonzero(true == best), np.count_nonzero(mask)
    is_it = common > 0 and (common > 0.4 * (here + there - common) or 2 * common > max(here, there))
    return best if is_it else -1


def _step(movie: Movie, frame: int) -> Step:
    before, after, drift = movie.population(frame), movie.population(frame + 1), movie.drift(frame)
    pairs = pairs_between(before, after, drift, movie.options.most_distance * movie.diameter)
    return Step(frame, before, after, drift, pairs)
