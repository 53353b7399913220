"""Runs that find the objects of many frames and can be stopped: each finished frame is kept until all are written.

`find_frames` is such a run over a stack (`segment_job`, `auto_job`); `segment_stills` plays its own over many images.
Order: `check_run`, before anything is loaded; `begin_run`; the search, which keeps each frame in the folder of the run;
then whatever is made of all frames is written, and only then the folder is removed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_sam2.engine.jobs import FindJob, FindRequest
from napari_sam2.engine.updates import Found, FoundUpdate
from napari_sam2.io.atomic import check_has_folder
from napari_sam2.io.exports import check_different
from napari_sam2.io.found_frames import FoundFrames
from napari_sam2.io.found_table import Row, measured_rows
from napari_sam2.masks.overlaps import label_dtype
from napari_sam2.session.session import Predictor, Session
from napari_sam2.session.settings import SAME_ANSWER, SessionSettings
from napari_sam2.stacks import Stack
from sam2_core.errors import StackError

Labels: TypeAlias = "NDArray[np.uint16 | np.uint32]"
Take = Callable[[FoundUpdate], None]
RunFind = Callable[[Session, FindJob, Take], bool]
"""Runs a session's job and hands on what comes; whether it came to its end."""


class SizeUnknownError(StackError):
    """Nothing told the size of the objects; whoever runs the search knows how it is said there."""


@dataclass(slots=True)
class FoundReport:
    """How a run ended.

    Attributes
    ----------
    objects
        Frame -> how many were found there.
    total
        Frames that were asked for.
    diameter_px
        Of a typical object, as it was told or found; None where nothing tells it, and of stills: each has its own.
    remarks
        What a person should know, frame by frame.
    """

    total: int
    objects: dict[int, int] = field(default_factory=dict)
    diameter_px: float | None = None
    remarks: dict[int, str] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether all frames are segmented and the labels written."""
        return len(self.objects) == self.total

    def check_size(self, diameter_px: float | None) -> None:
        """Ask for the size of the objects where no frame told it, that is, where it is None.

        Raises
        ------
        SizeUnknownError
            If none did.
        """
        if diameter_px is None:
            why = "The size of the objects cannot be told; give that of a typical one in pixels."
            raise SizeUnknownError(next(iter(self.remarks.values()), why))


def find_quietly(session: Session, job: FindJob, take: Take) -> bool:
    """Run a session's job to its end."""
    for update in session.run(job):
        take(update)
    return True


class FoundRun(Protocol):
    """What is the same of a run over frames, one over stills, and one that goes on with what is found."""

    @property
    def out(self) -> Path:
        """Where the labels go."""

    @property
    def folder(self) -> Path:
        """Where finished frames are kept meanwhile."""

    @property
    def resume(self) -> bool:
        """Whether to continue."""

    @property
    def overwrite(self) -> bool:
        """Whether to replace what is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameJob:
    """A run over the frames of one stack, as values that any process can be given.

    Attributes
    ----------
    stack
        The images, or their path.
    settings
        How the model sees them.
    request
        What to find, and on which frames; the labels cover all frames of the stack.
    out
        Label file, .tif or .zarr.
    resume, overwrite
        Continue an interrupted run; replace what is there.
    """

    stack: Stack | Path | str
    settings: SessionSettings
    request: FindRequest
    out: Path
    resume: bool = False
    overwrite: bool = False

    @property
    def folder(self) -> Path:
        """Where finished frames are kept meanwhile."""
        return self.out.with_name(f"{self.out.name}.partial")


def find_frames(
    job: FrameJob, run: RunFind, predictor: Predictor, write: Callable[[Session, FoundFrames], None]
) -> FoundReport:
    """Return how a run over the frames of a stack ended; `write` is called when all of them are there.

    Raises
    ------
    StackError, PromptError, CheckpointError
        If the run cannot start; also if a frame cannot be read, or the size of the objects cannot be told.
    """
    parts = FoundFrames(job.folder)
    with Session.open(job.stack, settings=job.settings, predictor=predictor) as session:
        whole = session.proposals.find_job(job.request)
        begin_run(parts, _asked(job, whole.request), job.resume)
        report = FoundReport(len(whole.request.frames))

        def search() -> bool:
            left = _left(whole, parts)
            is_over = not left.request.frames or run(session, left, partial(_take, session, parts, report))
            report.diameter_px = parts.diameter_px()
            return is_over

        played(parts, report, search, lambda: write(session, parts))
    return report


def played(parts: FoundFrames, report: FoundReport, search: Callable[[], bool], write: Callable[[], None]) -> None:
    """Play a run: search, count what was found, and write it if the search came to its end.

    Finished frames stay where they are kept until all is written: a run that was stopped, or could not write, goes on.

    Raises
    ------
    SizeUnknownError
        If the size of the objects could not be told on any frame.
    StackError
        If another process is at work in the folder.
    """
    is_needed = True
    with ExitStack() as held:
        held.enter_context(parts.held())
        try:
            is_over = search()
            report.objects = dict.fromkeys(parts.finished(), 0) | Counter(int(row["frame"]) for row in parts.rows())
            if is_over:
                is_needed = parts.diameter_px() is not None
                report.check_size(parts.diameter_px())
                write()
                is_needed = False
        finally:
            held.close()  # what is held cannot be removed everywhere
            if not is_needed or not parts.finished():
                parts.remove()


def check_run(job: FoundRun, written: Sequence[Path]) -> None:
    """Say no where something is there already, or is not there, that the run would replace or continue.

    Parameters
    ----------
    written
        All files that it writes.

    Raises
    ------
    StackError
        If it is so.
    """
    check_different(written)
    parts, name = FoundFrames(job.folder), job.out.name
    for path in written:
        if path.parent != job.out:
            check_has_folder(path)
    if job.resume and job.overwrite:
        raise StackError("--resume and --overwrite exclude each other: continue the old run, or start again.")
    if job.resume and not parts.is_begun:
        raise StackError(
            f"There is no interrupted run to resume for {name} (looked in {job.folder}); start it without --resume."
        )
    if job.folder.exists() and not parts.is_begun:
        raise StackError(
            f"{job.folder} holds other files, and the run needs that name; move it, or choose another --out."
        )
    if job.resume or job.overwrite:
        return
    if job.folder.exists():
        raise StackError(
            f"An interrupted run towards {name} is in {job.folder}; continue it with --resume, or start again with "
            "--overwrite."
        )
    for path in written:
        if path.exists():
            raise StackError(f"{path} exists; choose another name, or replace it with --overwrite.")


def _asked(job: FrameJob, request: FindRequest) -> dict[str, Any]:
    """Return what makes two runs the same, as JSON can hold it."""
    settings = job.settings.model_dump(mode="json", exclude=set(SAME_ANSWER))
    region = request.region
    return {
        "settings": settings,
        "frames": list(request.frames),
        "diameter": [request.diameter_px, request.min_diameter_px, request.max_diameter_px],
        "region": None if region is None else hashlib.sha256(np.packbits(region).tobytes()).hexdigest(),
        "border": request.keep_border,
        "min_score": request.min_score,
    }


def begin_run(parts: FoundFrames, asked: Mapping[str, Any], resume: bool) -> None:
    """Make the folder of the run, or go on in it if it asks for the same.

    Raises
    ------
    StackError
        If it asks for something else.
    """
    if not resume:
        parts.begin(asked)
        return
    before = parts.asked()
    changed = [name for name, value in asked.items() if before.get(name) != value]
    if changed:
        raise StackError(
            f"The interrupted run in {parts.folder.name} was started differently (other {', '.join(changed)}). Repeat "
            "the first command with --resume, or start again with --overwrite."
        )


def _left(job: FindJob, parts: FoundFrames) -> FindJob:
    """Return what is left to do; the size that was found on a finished frame holds for the others too."""
    done, request = set(parts.finished()), job.request
    frames = tuple(frame for frame in request.frames if frame not in done)
    return replace(job, request=replace(request, frames=frames, diameter_px=request.diameter_px or parts.diameter_px()))


def _take(session: Session, parts: FoundFrames, report: FoundReport, update: FoundUpdate) -> None:
    """Keep a frame that is finished."""
    found, frame = update.found, update.frame_index
    if found is None:
        return
    if found.remark:
        report.remarks[frame] = found.remark
    labels, rows = found_on(session, frame, found)
    parts.put(frame, labels, rows, found.diameter_px)


def found_on(session: Session, frame: int, found: Found) -> tuple[Labels, Iterator[Row]]:
    """Return what was found on a frame as labels (H, W), 1 for the surest object and so on, and as rows of a table."""
    labels = np.zeros(session.size, label_dtype([len(found.masks)]))
    for label, mask in enumerate(found.masks, start=1):
        labels[mask.rows, mask.columns][mask.inside] = label
    return labels, measured_rows(session.movie.movie, frame, labels, found.scores)
