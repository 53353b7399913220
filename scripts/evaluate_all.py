"""Evaluates a model on every data set of a folder and on the synthetic sample movies, and writes one table.

`python scripts/evaluate_all.py [FOLDER] --out results`. A data set is a folder with `images.tif` and `masks.tif`, or
with any stacks and label stacks whose names differ in that word alone (`8cell_image.tif`, `8cell_masks.tif`): movies,
or stills where they are of one plane; or with `images/` and `masks/`, also below `val/` (stills; of folders without
`val` every 8th image, the validation images). Without FOLDER, `../shared/data` where it is there. With `--find` nothing
is prompted: everything in a frame is sought and judged, of movies on every 4th frame.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.cli.evaluation_screen import show_report, shown_progress
from napari_sam2.cli.model_choice import load_predictor
from napari_sam2.engine.view import ViewChoice
from napari_sam2.evaluation import (
    Findings,
    MovieScope,
    Plan,
    ReportRow,
    Stills,
    about_model,
    benchmark_finding,
    benchmark_movie,
    benchmark_stills,
    finder,
    image_predictor,
    open_task,
    stack_name,
    write_report,
)
from napari_sam2.evaluation.benchmark import Begin
from napari_sam2.evaluation.movies import RUNS
from napari_sam2.evaluation.stills import PROMPTS
from napari_sam2.session import VideoPredictor
from napari_sam2.stacks import open_stack

DEFAULT_FOLDER = Path("../shared/data")
IMAGE_WORD = re.compile("images?|img")
TRUTH_WORDS = ("masks", "mask", "masks_linked_pseudo")
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
        """Name in the table and of the picture: of a stack that shares its folder with others, both names."""
        name, folder = stack_name(self.images), self.images.parent.name
        return name if self.images.is_dir() or name == folder else f"{folder}_{name}"


def found_pairs(folder: Path) -> list[Pair]:
    """Return the data sets of a folder, stills first."""
    stills, movies = [], []
    for entry in sorted(path for path in folder.iterdir() if path.is_dir()):
        for place, every in ((entry / "val", 1), (entry, VALIDATION_STEP)):
            if (place / "images").is_dir() and (place / "masks").is_dir():
                stills.append(Pair(place / "images", place / "masks", every))
                break
        for pair in stack_pairs(entry):
            (movies if pair.every is None else stills).append(pair)
    return stills + movies


def stack_pairs(folder: Path) -> Iterator[Pair]:
    """Yield the stacks of a folder that have a label stack beside them; those of one plane are stills."""
    for images in sorted(folder.glob("*.tif")):
        for word in TRUTH_WORDS if IMAGE_WORD.search(images.stem) else ():
            truth = images.with_stem(IMAGE_WORD.sub(word, images.stem, count=1))
            if truth.is_file():
                yield Pair(images, truth, every=1 if len(open_stack(images).movie()) == 1 else None)
                break


def sample_pairs(folder: Path) -> list[Pair]:
    """Return the synthetic sample movies, written to a folder."""
    from napari_sam2.samples import sample_movie, write_sample

    written = [(style, sample_movie(style)) for style in STYLES]
    return [Pair(*write_sample(folder / f"sample_{style}_seed{movie.seed}", movie)) for style, movie in written]


def main() -> None:
    """Find the data sets, evaluate them one by one, write the table after each, and show it at the end."""
    chosen = arguments()
    pairs = [] if chosen.data is None else found_pairs(chosen.data)
    pairs += [] if chosen.no_samples else sample_pairs(chosen.out)
    pairs = [pair for pair in pairs if not chosen.only or any(word in pair.name for word in chosen.only)]
    if not pairs:
        raise SystemExit("no data sets; give a folder, see --help")
    predictor = load_predictor(chosen.model, chosen.device, chosen.image_size)
    about = about_model(chosen.model, predictor).with_settings(
        span=chosen.span or "usual",
        objects_per_still=chosen.still_objects or "all",
        ids_per_movie=chosen.objects,
        frames_per_id=chosen.frames,
    )
    rows: list[ReportRow] = []
    written: tuple[Path, ...] = ()
    with shown_progress() as begin:
        for found in evaluated(pairs, predictor, chosen, begin):
            found.write_picture(chosen.out)
            rows += found.rows
            written = write_report(chosen.out, about, rows)
    show_report(about, rows, written)


def evaluated(
    pairs: list[Pair], predictor: VideoPredictor, chosen: argparse.Namespace, begin: Begin
) -> Iterator[Findings]:
    """Yield what each data set gave; those for whose kind no prompt is asked are left out."""
    if chosen.find:
        find = finder(predictor)
        for pair in pairs:
            frames = Stills(pair.images, pair.truth, pair.every or chosen.find_every)
            yield benchmark_finding(pair.name, frames, find, not chosen.no_baseline, begin)
        return
    plan, on_stills = chosen_plan(chosen), image_predictor(predictor)
    scope = MovieScope(chosen.objects, chosen.frames, chosen.first_frame_only)
    for pair in pairs:
        if pair.every is not None and plan.still_prompts:
            stills = Stills(pair.images, pair.truth, pair.every)
            yield benchmark_stills(pair.name, stills, on_stills, plan, begin)
        elif pair.every is None and plan.movie_runs:
            task = open_task(open_stack(pair.images).movie(), pair.truth, scope)
            yield benchmark_movie(pair.name, task, predictor, plan, begin)


def chosen_plan(chosen: argparse.Namespace) -> Plan:
    """Return which runs the command line asks for."""
    return Plan(
        movie_runs=tuple(name for name in RUNS if not chosen.prompt or name in chosen.prompt),
        still_prompts=tuple(name for name in PROMPTS if not chosen.prompt or name in chosen.prompt),
        baseline=not chosen.no_baseline,
        still_objects=chosen.still_objects,
        still_span=chosen.span,
        movie_view=ViewChoice(chosen.view),
    )


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
    parser.add_argument("--find", action="store_true", help="no prompt: everything in a frame")
    parser.add_argument("--find-every", type=int, default=4, help="only every so many frames of movies, with --find")
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
