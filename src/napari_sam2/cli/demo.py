"""`napari-sam2 demo`: a synthetic movie found, tracked and written without a click, and how good that is.

Makes a movie of which the truth is known, does with it what `napari-sam2 track --auto` does, and says how it compares
with the truth: numbers, a picture, and the files.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from napari_sam2.cli.console import output, table
from napari_sam2.cli.model_choice import DEFAULT_MODEL
from napari_sam2.cli.out_folder import check_out_folder
from napari_sam2.cli.track_auto import track_auto
from napari_sam2.engine.jobs import LEAST_LINKED_SCORE, FindRequest
from napari_sam2.session.auto_job import AutoJob
from napari_sam2.session.settings import SessionSettings
from napari_sam2.stacks import ModelMovie, open_labels, open_stack

if TYPE_CHECKING:
    from PIL import Image

    from sam2_core.scoring.tracking import PairedTracks

_SHOWN = 6


class DemoFiles:
    """Where the demo leaves the movie, its truth, and what was made of it."""

    def __init__(self, folder: Path) -> None:
        self.images = folder / "images.tif"
        self.truth = folder / "truth.tif"
        self.parents = folder / "truth.csv"
        self.labels = folder / "labels.tif"
        self.session = folder / "demo.sam2"
        self.picture = folder / "demo.png"
        self.exports: Mapping[str, Path] = {
            "csv": folder / "cells.csv",
            "track_table": folder / "tracks.csv",
            "tracks": folder / "tracks.xml",
            "ctc": folder / "01_RES",
        }

    @property
    def names(self) -> list[str]:
        """Names of all of them."""
        made = (self.images, self.truth, self.parents, self.labels, self.session, self.picture, *self.exports.values())
        return [path.name for path in made]


def demo_command(
    out: Annotated[Path, typer.Option(help="Folder for what the demo makes.")] = Path("demo"),
    model: Annotated[str, typer.Option(help="Name or path of a model.")] = DEFAULT_MODEL,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
) -> int:
    """Make a synthetic movie of dividing cells, find and track them without a click, and compare with the truth.

    It does what `napari-sam2 track --auto` does, and prints that command first. Labels, tables, tracks for other
    programs, a session and a picture stay in the folder.
    """
    files = DemoFiles(out)
    check_out_folder(out, files.names, is_own=files.truth.is_file() and files.parents.is_file())
    make_movie(files)
    stack = open_stack(files.images)
    frames = tuple(range(len(ModelMovie(stack.movie()))))
    job = AutoJob(
        stack=stack,
        settings=SessionSettings(model=model, device=device),
        request=FindRequest(frames, min_score=LEAST_LINKED_SCORE),
        out=files.labels,
        session=files.session,
        exports=files.exports,
        overwrite=True,
    )
    words = _same_words(files, model, device)
    output().print(f"{files.images}: a synthetic movie. What is done with it now, without a click:")
    output().print(f"  {shlex.join(['napari-sam2', *words])}", soft_wrap=True)
    code = track_auto(job, words)
    if code == 0:
        _compare(files)
    return code


def make_movie(files: DemoFiles) -> None:
    """Write the movie, its true labels, and a table of who truly came from whom."""
    from napari_sam2.samples import sample_movie, write_sample

    movie = sample_movie()
    _, labels = write_sample(files.images.parent, movie)
    labels.replace(files.truth)
    lines = ["object_id,parent", *(f"{row.object_id},{row.parent}" for row in movie.lineage)]
    files.parents.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _same_words(files: DemoFiles, model: str, device: str) -> list[str]:
    """Return the words of the command that does the same."""
    exports = files.exports
    options = {
        "--out": files.labels,
        "--csv": exports["csv"],
        "--table": exports["track_table"],
        "--tracks": exports["tracks"],
        "--ctc": exports["ctc"],
        "--session": files.session,
    }
    said = {"--model": model} if model != DEFAULT_MODEL else {}
    said |= {"--device": device} if device != "auto" else {}
    pairs = [(name, str(value)) for name, value in (options | said).items()]
    return ["track", str(files.images), "--auto", *(word for pair in pairs for word in pair)]


def _compare(files: DemoFiles) -> None:
    """Show what was found beside the truth, and where everything is."""
    from napari_sam2.evaluation.tracking import open_judged
    from sam2_core.scoring.tracking import paired_tracks, tracking_metrics

    truth, found = open_judged(files.truth, files.parents), open_judged(files.session)
    paired = paired_tracks(truth.labels, found.labels, truth.parents, found.parents)
    metrics = tracking_metrics(paired)
    rows = [
        ["cells on all frames", str(len(paired.truth)), str(len(paired.found))],
        ["tracks", *(str(len(np.unique(graph.tracklets))) for graph in (paired.truth, paired.found))],
        ["divisions", str(metrics.divisions), str(metrics.divisions_found)],
    ]
    output().print(table("What came out, beside the truth", ["", "truth", "here"], rows, right=["truth", "here"]))
    output().print(
        f"Outlines fit to {metrics.seg:.2f} (SEG), tracks to {metrics.tra:.2f} (TRA), of 1. Links from frame to frame: "
        f"{metrics.links_found:.1%} found, {metrics.links_right:.1%} of those found are right."
    )
    _draw(files, found.parents, paired)
    output().print(f"Picture, to look at: {files.picture}")


def _draw(files: DemoFiles, parents: Mapping[int, int], paired: PairedTracks) -> None:
    """Write a picture: frames with what was found on them, a colour for each family, and both lineages."""
    from napari_sam2.evaluation.lineage_picture import lineage_panels
    from napari_sam2.evaluation.pictures import write_picture
    from napari_sam2.io.contact_sheet import contact_sheet, outlined

    movie, labels = ModelMovie(open_stack(files.images).movie()), open_labels(files.labels)
    shown = np.linspace(0, len(movie) - 1, _SHOWN).round().astype(int).tolist()
    frames = [(f"frame {one}", outlined(movie[one], _families(labels[one], parents))) for one in shown]
    seen = _Seen(contact_sheet(frames), "what was found; daughters keep the colour of their mother")
    write_picture(files.picture, [[seen, *panels] for panels in lineage_panels(paired)])


@dataclass(frozen=True, slots=True)
class _Seen:
    """The part of the picture with the frames."""

    image: Image.Image
    caption: str

    def drawn(self) -> Image.Image:
        return self.image


def _families(labels: np.ndarray, parents: Mapping[int, int]) -> np.ndarray:
    """Return labels (H, W) of objects as those of the first of their ancestors."""
    first = np.arange(int(labels.max()) + 1)
    for object_id in range(1, len(first)):
        ancestor = object_id
        while ancestor in parents:
            ancestor = parents[ancestor]
        first[object_id] = ancestor
    return first[labels]
