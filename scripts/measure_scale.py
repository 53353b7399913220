"""What it costs to be wrong about the size of cells, and how small they may be: the tables of docs/models.md.

`python scripts/measure_scale.py [FOLDER] --out runs/scale`. One click an object on its first frame, followed over a
few: first with windows that were chosen for 0.6 to 1.4 times the true diameter, on drawn movies and on the development
movies of FOLDER; then on drawn cells of 8 to 25 px, told their diameter, beside what is found of them without a click.
Writes `scale.json`, and the tables as Markdown to the screen. Minutes on a CPU; `--shares 0.6 1 1.4` asks for less.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_sam2.cli.model_choice import load_predictor
from napari_sam2.engine.view import ViewChoice, choose_view, view_request
from napari_sam2.evaluation import MovieScope, finder, open_task
from napari_sam2.evaluation.everything import judge_frame
from napari_sam2.evaluation.movies import MovieTask, run_movie
from napari_sam2.evaluation.stills import Still
from napari_sam2.stacks import open_stack
from sam2_core.scoring.detection import detection_metrics
from sam2_core.scoring.ground_truth import movie_targets, typical_diameter
from sam2_core.scoring.metrics import movie_metrics
from sam2_core.training.pack import to_gray_u8
from sam2_core.training.synthetic import MovieSettings, make_movie

SHARES = (0.6, 0.7, 0.85, 1.0, 1.15, 1.3, 1.4)
SMALL_PX = (8.0, 12.0, 18.0, 25.0)
SETTINGS = (
    MovieSettings(style="fluorescence", kind="nucleus"),
    MovieSettings(style="phase", kind="amoeboid", background=0.3, body=0.1, irregularity=0.12, photons=3000.0),
    MovieSettings(style="dic", kind="amoeboid", irregularity=0.1, photons=3000.0),
)
"""Of the movies that ship as samples; here fields are larger, so that cells are looked at through windows."""
FIELD_PX, CELLS, DRAWN_PX = 384, 30, 24.0
REAL = {
    "t98g_phase_usiigaci": ("images.tif", "masks.tif"),
    "nuclei_breastcancer_sirdna": ("images.tif", "masks.tif"),
    "mouse_embryo_nuclei_3d": ("16cell_image.tif", "16cell_masks.tif"),
}
"""Development movies alone: nothing is chosen by what is kept to judge with."""


@dataclass(frozen=True)
class Judged:
    """A movie by name."""

    name: str
    task: MovieTask


def drawn(scope: MovieScope, diameter_px: float, seed: int) -> Iterator[Judged]:
    """Yield a movie of each style with cells of that diameter; speed and blur go with it, as far as pixels allow."""
    for settings in SETTINGS:
        movie = make_movie(sized(settings, diameter_px, scope.frames), seed)
        labels = movie.labels
        targets = movie_targets(labels, scope)
        task = MovieTask(to_gray_u8(movie.images), labels, targets, typical_diameter(labels))
        yield Judged(f"drawn, {settings.style}", task)


def sized(settings: MovieSettings, diameter_px: float, frames: int) -> MovieSettings:
    """Return settings of a field with cells of a diameter, dense enough that some touch."""
    scale = diameter_px / settings.diameter_px
    return replace(
        settings,
        frames=frames,
        height=FIELD_PX,
        width=FIELD_PX,
        cells=CELLS,
        diameter_px=diameter_px,
        speed_px=settings.speed_px * scale,
        texture_scale_px=max(1.0, settings.texture_scale_px * scale),
        blur_px=max(0.6, settings.blur_px * scale),
    )


def real(folder: Path, scope: MovieScope) -> Iterator[Judged]:
    """Yield the development movies that are in a folder."""
    for name, (images, masks) in REAL.items():
        if (folder / name / images).is_file():
            movie = open_stack(folder / name / images).movie()
            is_movie = "3d" not in name  # objects of a z-stack begin anywhere
            task = open_task(movie, folder / name / masks, replace(scope, first_frame_only=is_movie))
            yield Judged(name, task)


def j_at(predictor: Any, task: MovieTask, diameter_px: float) -> float:
    """Return J with one click through windows that are chosen for a diameter."""
    request = view_request(ViewChoice.windows, diameter_px)
    chosen = choose_view(request, predictor, task.truth[0].shape)
    return movie_metrics(run_movie(chosen.predictor, task, "click").scores.values()).j


def ap_of(predictor: Any, task: MovieTask, diameter_px: float | None) -> tuple[float, float]:
    """Return AP at 0.5 and 0.75 of what is found on the first and the last frame, told the diameter or not."""
    find, frames = finder(predictor), (0, len(task.truth) - 1)
    stills = [Still(str(at), task.movie[at], task.truth[at], diameter_px) for at in frames]
    judged = [judge_frame(still, find, baseline=False)[0].score for still in stills]
    metrics = detection_metrics(judged)
    return metrics.ap50, metrics.ap75


def wrong_sizes(predictor: Any, movies: list[Judged], shares: list[float]) -> list[dict[str, Any]]:
    """Return J of each movie by share of the true diameter."""
    rows = []
    for movie in movies:
        diameter = movie.task.diameter_px
        row = {str(share): round(j_at(predictor, movie.task, share * diameter), 4) for share in shares}
        rows.append({"movie": movie.name, "diameter_px": round(diameter, 1), "objects": len(movie.task.targets), **row})
        print(rows[-1], flush=True)
    return rows


def small_cells(predictor: Any, scope: MovieScope, seed: int) -> list[dict[str, Any]]:
    """Return J and AP of drawn cells by their diameter, the mean of the styles."""
    rows = []
    for diameter in SMALL_PX:
        for movie in drawn(scope, diameter, seed):
            task = movie.task
            told, alone = (ap_of(predictor, task, size) for size in (task.diameter_px, None))
            row = {
                "movie": movie.name,
                "diameter_px": diameter,
                "measured_px": round(task.diameter_px, 1),
                "J": round(j_at(predictor, task, task.diameter_px), 4),
            }
            names = ("AP50", "AP75", "AP50 alone", "AP75 alone")
            rows.append(row | {name: round(ap, 4) for name, ap in zip(names, (*told, *alone), strict=True)})
            print(rows[-1], flush=True)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows as Markdown."""
    heads = list(rows[0])
    lines = [heads, ["---"] * len(heads), *([str(row[head]) for head in heads] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Reads the command line and does it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="of development movies; drawn ones alone where left out")
    parser.add_argument("--out", type=Path, default=Path("runs/scale"))
    parser.add_argument("--model", default="cells-nano")
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--objects", type=int, default=12, help="of a movie")
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--only", choices=("wrong", "small"))
    chosen = parser.parse_args()
    scope = MovieScope(chosen.objects, chosen.frames, first_frame_only=True)
    predictor = load_predictor(chosen.model, "auto")
    found: dict[str, Any] = {}
    if chosen.only != "small":
        movies = [*drawn(scope, DRAWN_PX, chosen.seed), *(real(chosen.folder, scope) if chosen.folder else ())]
        found["wrong"] = wrong_sizes(predictor, movies, list(chosen.shares))
    if chosen.only != "wrong":
        found["small"] = small_cells(predictor, scope, chosen.seed)
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "scale.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    print("\n\n".join(table(rows) for rows in found.values()))


if __name__ == "__main__":
    main()
