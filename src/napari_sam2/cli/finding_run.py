"""A search for objects in a terminal: a progress bar in frames, Ctrl-C, and what frames, diameter and region mean."""

from __future__ import annotations

from contextlib import ExitStack, closing

import numpy as np
import typer
from numpy.typing import NDArray

from napari_sam2.cli.console import frame_progress
from napari_sam2.cli.interrupt import StopOnCtrlC
from napari_sam2.engine.finding import FINE
from napari_sam2.engine.jobs import FindJob
from napari_sam2.session.segment_job import Take
from napari_sam2.session.session import Session
from napari_sam2.stacks import open_labels
from sam2_core.errors import PromptError


def find_in_terminal(session: Session, job: FindJob, take: Take) -> bool:
    """Return whether a search came to its end; Ctrl-C stops it, and what is finished is kept."""
    finished = 0
    with StopOnCtrlC() as ctrl_c, ExitStack() as shown:
        bar = frame_progress()
        task = bar.add_task("Finding", total=len(job.request.frames))
        with closing(session.run(job, ctrl_c)) as updates:  # type: ignore[type-var]
            for update in updates:
                if not bar.live.is_started:  # when the model is there
                    shown.enter_context(bar)
                take(update)
                finished += update.found is not None
                bar.update(task, completed=update.done / FINE)
    return finished == len(job.request.frames)


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
