"""The objects of many stills as one job: each image by itself, with its own contrast and size; labels of its name out.

It goes as in `found_run`: finished images are kept in `OUT.partial`, beside the folder of labels, until all are
there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from napari_sam2.engine.jobs import FindRequest
from napari_sam2.engine.updates import FoundUpdate
from napari_sam2.io.atomic import check_has_folder
from napari_sam2.io.found_frames import FoundFrames
from napari_sam2.io.found_table import write_found_table
from napari_sam2.io.label_files import LabelSpec, write_labels
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.session.found_run import FoundReport, RunFind, begin_run, check_run, find_quietly, found_on, played
from napari_sam2.session.session import Predictor, Session
from napari_sam2.session.settings import SessionSettings
from napari_sam2.stacks import ModelMovie
from sam2_core.errors import StackError


@dataclass(frozen=True, slots=True)
class Still:
    """One image as the model sees it, and what to find there."""

    movie: ModelMovie
    settings: SessionSettings
    request: FindRequest


@dataclass(frozen=True, slots=True)
class StillsJob:
    """Which images to segment and where the labels go.

    Attributes
    ----------
    images
        Their files; labels get their names.
    opened
        Opens one of them.
    said
        All that was asked for, as JSON can hold it: a run goes on only where that is the same.
    out
        Folder for the labels.
    table, resume, overwrite
        See `SegmentJob`.
    """

    images: Sequence[Path]
    opened: Callable[[Path], Still]
    said: Mapping[str, Any]
    out: Path
    table: Path | None = None
    resume: bool = False
    overwrite: bool = False

    @property
    def folder(self) -> Path:
        """Where finished images are kept meanwhile."""
        return self.out.with_name(f"{self.out.name}.partial")


def segment_stills(job: StillsJob, run: RunFind = find_quietly, predictor: Predictor = None) -> FoundReport:
    """Return how the segmentation of images ended, "frames" being their places in the list; see `segment`.

    Raises
    ------
    StackError, PromptError, CheckpointError
        If the run cannot start; also if an image cannot be read, or nowhere the size of the objects can be told.
    """
    _check(job)
    parts, report = FoundFrames(job.folder), FoundReport(len(job.images))
    begin_run(parts, {**job.said, "images": [path.name for path in job.images]}, job.resume)

    def search() -> bool:
        done = set(parts.finished())
        left = [place for place in range(len(job.images)) if place not in done]
        return all(_segmented(job, place, parts, report, run, predictor) for place in left)

    played(parts, report, search, partial(_write, job, parts))
    return report


def _check(job: StillsJob) -> None:
    check_not_raw(job.out, *job.images, job.images[0].parent, is_replaced=True)
    check_has_folder(job.out)
    if job.out.is_file():
        raise StackError(f"{job.out} is a file, and labels of many images need a folder; choose another --out.")
    check_run(job, [*(job.out / f"{path.stem}.tif" for path in job.images), *filter(None, [job.table])])


def _segmented(
    job: StillsJob, place: int, parts: FoundFrames, report: FoundReport, run: RunFind, predictor: Predictor
) -> bool:
    """Return whether an image was segmented, and not stopped."""
    path = job.images[place]
    still = job.opened(path)
    if len(still.movie) > 1:
        raise StackError(f"{path} holds {len(still.movie)} frames and is no still; segment it by itself, --out a .tif.")
    with Session.open(still.movie.movie.stack, settings=still.settings, predictor=predictor) as session:
        take = partial(_take, session, parts, report, place, path.name)
        return run(session, session.proposals.find_job(still.request), take)


def _take(
    session: Session, parts: FoundFrames, report: FoundReport, place: int, name: str, update: FoundUpdate
) -> None:
    if update.found is None:
        return
    if update.found.remark:
        report.remarks[place] = update.found.remark
    labels, rows = found_on(session, update.frame_index, update.found)
    named = [{"image": name} | row | {"frame": place} for row in rows]
    parts.put(place, labels, named, update.found.diameter_px)


def _write(job: StillsJob, parts: FoundFrames) -> None:
    job.out.mkdir(exist_ok=True)
    for place, path in enumerate(job.images):
        labels = parts.labels(place)
        spec = LabelSpec.like(job.opened(path).movie.movie, labels.dtype)
        write_labels(job.out / f"{path.stem}.tif", [labels], spec)
    if job.table is not None:
        write_found_table(job.table, ({name: row[name] for name in row if name != "frame"} for row in parts.rows()))
