"""`napari-sam2 demo`: the main job on a synthetic movie with the model that ships, and what came out.

Makes a movie of which the truth is known, clicks once on every cell of frame 0, tracks, and shows how well the masks
fit: a table, a picture, and the files.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from napari_sam2.cli.console import errors, output, table
from napari_sam2.cli.interrupt import STOPPED
from napari_sam2.cli.model_choice import DEFAULT_MODEL
from napari_sam2.cli.out_folder import check_out_folder
from napari_sam2.cli.terminal_run import predictor_of, run_in_terminal
from napari_sam2.document.prompt import Prompt
from napari_sam2.io import write_prompts
from napari_sam2.io.contact_sheet import outlined, write_contact_sheet
from napari_sam2.masks.summary import ObjectSummary
from napari_sam2.session.movie_job import MovieJob, track_movie
from napari_sam2.session.settings import SessionSettings
from napari_sam2.stacks import ModelMovie, Stack, open_stack

_PANELS = 6


class DemoFiles:
    """Where the demo leaves the movie, its true labels, one click per cell, the tracked masks and a picture of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images = folder / "images.tif"
        self.truth = folder / "truth.tif"
        self.prompts = folder / "prompts.json"
        self.labels = folder / "labels.tif"
        self.picture = folder / "demo.png"

    @property
    def names(self) -> list[str]:
        """Names of all of them."""
        return [path.name for path in (self.images, self.truth, self.prompts, self.labels, self.picture)]


def demo_command(
    out: Annotated[Path, typer.Option(help="Folder for what the demo makes.")] = Path("demo"),
    model: Annotated[str, typer.Option(help="Name or path of a model.")] = DEFAULT_MODEL,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
) -> int:
    """Make a synthetic movie, track its cells from one click each, and show the result."""
    files = DemoFiles(out)
    check_out_folder(out, files.names, is_own=files.truth.is_file() and files.prompts.is_file())
    prompts = make_input(files)
    stack = open_stack(files.images)
    movie = ModelMovie(stack.movie())
    settings = SessionSettings(model=model, device=device)
    job = MovieJob(stack, settings, prompts, files.labels, overwrite=True)
    report = track_movie(job, run_in_terminal, lambda: predictor_of(settings))
    if report.objects is None:
        errors().print(f"Stopped after {report.finished} of {report.total} frames.")
        return STOPPED
    make_picture(files, movie)
    _report(files, report.objects)
    return 0


def make_input(files: DemoFiles) -> tuple[Prompt, ...]:
    """Return one click per cell of frame 0, after writing the movie, its truth and the prompts."""
    from napari_sam2.samples import first_clicks, sample_movie, write_sample

    movie = sample_movie()
    _, labels = write_sample(files.folder, movie)
    os.replace(labels, files.truth)
    prompts = tuple(
        Prompt(click.object_id, click.frame, ((float(click.y), float(click.x)),), (1,)) for click in first_clicks(movie)
    )
    write_prompts(files.prompts, prompts)
    return prompts


def make_picture(files: DemoFiles, movie: ModelMovie) -> None:
    """Write a contact sheet of evenly spaced frames with the outlines of the tracked objects."""
    labels = open_stack(files.labels).movie()
    chosen = np.linspace(0, len(movie) - 1, _PANELS).round().astype(int).tolist()
    panels = [(f"frame {index}", outlined(movie[index], labels[index])) for index in chosen]
    write_contact_sheet(files.picture, panels)


def object_ious(truth: Stack, found: Stack) -> dict[int, float]:
    """Return object id -> mean IoU over the frames on which the object truly is, behind frame 0, where it was clicked.

    A frame on which it was not found counts 0.
    """
    from sam2_core.scoring.metrics import iou

    sums: dict[int, list[float]] = {}
    frames = zip(truth.movie(), found.movie(), strict=True)
    clicked: set[int] = set()
    for index, (true, tracked) in enumerate(frames):
        present = set(np.unique(true).tolist()) - {0}
        if index == 0:
            clicked = present
            continue
        for object_id in sorted(present & clicked):
            sums.setdefault(object_id, []).append(iou(true == object_id, tracked == object_id))
    return {object_id: sum(values) / len(values) for object_id, values in sums.items()}


def _report(files: DemoFiles, objects: tuple[ObjectSummary, ...]) -> None:
    ious = object_ious(open_stack(files.truth), open_stack(files.labels))
    columns = ["object", "frames with a mask", "mean area (px)", "mean IoU with the truth"]
    rows = [
        [str(entry.object_id), str(entry.frames), f"{entry.mean_area_px:.0f}", f"{ious.get(entry.object_id, 0.0):.2f}"]
        for entry in objects
    ]
    output().print(table("What the demo found, from one click per cell on frame 0", columns, rows, right=columns))
    if ious:
        output().print(f"Mean IoU over all objects: {sum(ious.values()) / len(ious):.2f}")
    output().print(
        f"Picture: {files.picture}\nLabels:  {files.labels}\nMovie:   {files.images}\nPrompts: {files.prompts}"
    )
