"""Evaluates a model on every data set of a folder and on the synthetic sample movies, and writes one table.

`python scripts/evaluate_all.py [FOLDER] --out results`. A data set is a folder with `images.tif` and `masks.tif` (a
movie), or with `images/` and `masks/`, also below `val/` (stills; of folders without `val` every 8th image, the
validation images). Without FOLDER, `../shared/data` where it is there.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_sam2.cli.evaluate import (
    evaluate_movie,
    evaluate_stills,
    finish,
    load_for_movies,
    load_for_stills,
    shown_progress,
    stack_name,
    with_settings,
)
from napari_sam2.evaluation.benchmark import Plan
from napari_sam2.evaluation.ground_truth import Selection
from napari_sam2.evaluation.report import write_report
from napari_sam2.evaluation.sources import StackChoice
from napari_sam2.session.view import ViewChoice

DEFAULT_FOLDER = Path("../shared/data")
PAIRS = (("images.tif", "masks.tif"), ("images.tif", "masks_linked_pseudo.tif"), ("image.tif", "masks.tif"))
VALIDATION_STEP = 8
STYLES = ("fluorescence", "phase", "dic")


@dataclass(frozen=True)
class Pair:
    """Images and their truth; `every` for stills, None for movies."""

    images: Path
    truth: Path
    every: int | None = None

    @property
    def name(self) -> str:
        """Name in the table and of the picture."""
        return stack_name(self.images)


def found_pairs(folder: Path) -> list[Pair]:
    """Return the data sets of a folder, stills first."""
    stills, movies = [], []
    for entry in sorted(path for path in folder.iterdir() if path.is_dir()):
        for place, every in ((entry / "val", 1), (entry, VALIDATION_STEP)):
            if (place / "images").is_dir() and (place / "masks").is_dir():
                stills.append(Pair(place / "images", place / "masks", every))
                break
        movies += [Pair(entry / a, entry / b) for a, b in PAIRS if (entry / a).is_file() and (entry / b).is_file()]
    return stills + movies


def sample_pairs(folder: Path) -> list[Pair]:
    """Return the synthetic sample movies, written to a folder."""
    from napari_sam2.samples import sample_movie, write_sample

    written = [(style, sample_movie(style)) for style in STYLES]
    return [Pair(*write_sample(folder / f"sample_{style}_seed{movie.seed}", movie)) for style, movie in written]


def main() -> None:
    """Find the data sets, evaluate them one by one, and write the table after each."""
    chosen = arguments()
    pairs = [] if chosen.data is None else found_pairs(chosen.data)
    pairs += [] if chosen.no_samples else sample_pairs(chosen.out)
    pairs = [pair for pair in pairs if not chosen.only or any(word in pair.name for word in chosen.only)]
    if not pairs:
        raise SystemExit("no data sets; give a folder, see --help")
    with shown_progress() as begin:
        about, rows = evaluate_pairs(pairs, chosen, begin)
    finish(chosen.out, about, rows)


def evaluate_pairs(pairs: list[Pair], chosen: argparse.Namespace, begin: Any) -> tuple[Any, list[Any]]:
    """Return what the table says about the model, and its rows."""
    prompts, rows = chosen.prompt or ["click", "box", "clicks3", "corrections"], []
    plan = Plan(
        movie_runs=tuple(name for name in ("click", "box", "corrections") if name in prompts),
        still_prompts=tuple(name for name in ("click", "box", "clicks3") if name in prompts),
        baseline=not chosen.no_baseline,
        still_objects=chosen.still_objects,
        still_span=chosen.span,
    )
    image_predictor, about = load_for_stills(chosen.model, chosen.device, chosen.image_size)
    about = with_settings(
        about,
        span=chosen.span or "usual",
        objects_per_still=chosen.still_objects or "all",
        ids_per_movie=chosen.objects,
        frames_per_id=chosen.frames,
    )
    video_predictor, _ = load_for_movies(chosen.model, chosen.device, chosen.image_size)
    selection = Selection(chosen.objects, chosen.frames, chosen.first_frame_only)
    for pair in pairs:
        if not (plan.movie_runs if pair.every is None else plan.still_prompts):
            continue
        if pair.every is not None:
            source = (pair.images, pair.truth, pair.every, None)
            rows += evaluate_stills(pair.name, source, image_predictor, plan, (chosen.out, begin))
        else:
            movie = (pair.images, pair.truth, StackChoice(), selection, None)
            look = (video_predictor, ViewChoice(chosen.view))
            rows += evaluate_movie(pair.name, movie, look, plan, (chosen.out, begin))
        write_report(chosen.out, about, rows)
    return about, rows


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=DEFAULT_FOLDER if DEFAULT_FOLDER.is_dir() else None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="cells-nano", help="name, or path of a checkpoint")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--image-size", type=int, help="side of the model input in pixels")
    parser.add_argument("--view", choices=[choice.value for choice in ViewChoice], default="auto")
    parser.add_argument("--only", nargs="+", help="only data sets whose name holds one of these words")
    parser.add_argument("--prompt", nargs="+", choices=["click", "box", "clicks3", "corrections"])
    parser.add_argument("--objects", type=int, default=40, help="ids per movie")
    parser.add_argument("--frames", type=int, default=40, help="frames per id")
    parser.add_argument("--still-objects", type=int, help="objects per still, evenly picked; all by default")
    parser.add_argument("--span", type=float, help="stills: share of the window that a typical object takes")
    parser.add_argument("--first-frame-only", action="store_true", help="movies: only the objects of frame 0")
    parser.add_argument("--no-samples", action="store_true", help="leave the synthetic movies out")
    parser.add_argument("--no-baseline", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
