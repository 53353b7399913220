"""A search for objects in a terminal: a progress bar in frames, Ctrl-C, and what frames, diameter and region mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import TaskID

from napari_sam2.cli.console import frame_progress
from napari_sam2.cli.interrupt import StopOnCtrlC
from napari_sam2.engine.finding import FINE
from napari_sam2.engine.found_apart import usual_count
from napari_sam2.engine.jobs import FindJob, OneOfSeveral
from napari_sam2.session.found_run import SizeUnknownError, Take
from napari_sam2.session.session import Session
from napari_sam2.stacks import open_labels
from sam2_core.errors import PromptError, StackError


class TerminalFind:
    """A context that runs searches with one bar; Ctrl-C stops the one in work, and what is finished is kept.

    Parameters
    ----------
    total
        Frames of all searches; those of the only one where None.
    workers
        Processes that look at the frames of a search; as many as usual where None.
    """

    def __init__(self, total: int | None = None, workers: int | None = None) -> None:
        self._bar = frame_progress()
        self._task = self._bar.add_task("Finding", total=total)
        self._stages: dict[str, TaskID] = {}
        self._total = total
        self._workers = workers
        self._finished = 0
        self._ctrl_c = StopOnCtrlC()
        self._shown = ExitStack()

    def __enter__(self) -> TerminalFind:
        self._shown.enter_context(self._ctrl_c)
        return self

    def __exit__(self, *error: object) -> None:
        self._shown.close()

    def __call__(self, session: Session, job: FindJob, take: Take) -> bool:
        """Return whether a search came to its end, handing on what comes."""
        before, count = self._finished, len(job.request.frames)
        workers = self._workers or usual_count(session.settings.device, count)
        apart = replace(job, request=replace(job.request, processes=workers))
        with closing(session.run(apart, OneOfSeveral(self._ctrl_c.is_requested))) as updates:  # type: ignore[type-var]
            for update in updates:
                if not self._bar.live.is_started:  # when the model is there
                    self._shown.enter_context(self._bar)
                take(update)
                self._finished += update.found is not None
                total = before + count if self._total is None else self._total
                self._bar.update(self._task, completed=before + update.done / FINE, total=total)
        return self._finished == before + count

    def tell(self, stage: str, done: int, total: int) -> None:
        """Show how far it is with what is done with all that was found; `KeyboardInterrupt` after Ctrl-C."""
        if self._ctrl_c.requested:
            raise KeyboardInterrupt
        if stage not in self._stages:
            self._stages[stage] = self._bar.add_task(stage)
        self._bar.update(self._stages[stage], completed=done, total=total)


@contextmanager
def size_said_by(option: str) -> Iterator[None]:
    """Name the option that says the size of the objects, where nothing told it."""
    try:
        yield
    except SizeUnknownError as error:
        raise StackError(f"{error} ({option} PX)") from error


def chosen_frames(words: str | None, count: int) -> tuple[int, ...]:
    """Return the frames that words like 0,5,10-19 name, ascending; all of `count` where None.

    Raises
    ------
    PromptError
        If one of them is no frame of the stack.
    """
    if words is None:
        return tuple(range(count))
    frames: set[int] = set()
    for word in words.split(","):
        first, dash, last = (part.strip() for part in word.partition("-"))
        if not first.isdigit() or (dash and not last.isdigit()):
            raise typer.BadParameter(f"--frames {words} is not understood; write frames as 0,5,10-19.")
        frames.update(range(int(first), int(last or first) + 1))
    outside = [frame for frame in frames if frame >= count]
    if outside or not frames:
        raise PromptError(f"--frames {words}: the stack has frames 0 to {count - 1}.")
    return tuple(sorted(frames))


def chosen_diameter(words: str) -> float | None:
    """Return the diameter in pixels that was given; None for `auto`."""
    if words.lower() == "auto":
        return None
    try:
        size = float(words)
    except ValueError:
        size = float("nan")
    if not 1 <= size < float("inf"):
        raise typer.BadParameter(f"--diameter {words} is not understood; give auto, or pixels of the image, 1 or more.")
    return size


def chosen_region(words: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels (H, W) of a region: of a box Y0,X0,Y1,X1, or where an image of the frame's size is not 0.

    Raises
    ------
    PromptError
        If it has another size, or holds no pixel.
    StackError
        If the image cannot be read.
    """
    numbers = words.split(",")
    if len(numbers) == 4 and all(number.strip().isdigit() for number in numbers):
        y0, x0, y1, x1 = map(int, numbers)
        region = np.zeros(size, bool)
        region[y0:y1, x0:x1] = True
    else:
        region = open_labels(words)[0] > 0
    if region.shape != size or not region.any():
        raise PromptError(
            f"--region {words} has {np.count_nonzero(region)} pixels in an image of shape {region.shape}, and frames "
            f"have the shape {size}; give a box Y0,X0,Y1,X1 in them, or an image of that shape."
        )
    return region
