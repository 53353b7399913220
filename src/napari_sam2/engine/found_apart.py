"""Objects of many frames found by several processes, a core for each: what `finding.find` finds, sooner.

Once the size of the objects is known no frame needs another. Within a frame a second core helps little: it is made of
thousands of small products (1.3 times faster with two, measured). So the first frame is looked at here, which tells the
size, and the others by processes that have the model and nothing else; each takes about half a gigabyte. They are
loky's, which do not run a person's script or notebook again to begin, as those of the standard library do.
"""

from __future__ import annotations

import logging
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from napari_sam2.engine.finding import FINE, look
from napari_sam2.engine.jobs import CancelToken, FindJob, FindRequest
from napari_sam2.engine.updates import Found, FoundUpdate
from napari_sam2.stacks import ModelMovie
from sam2_core.errors import StackError
from sam2_core.inference.video_calls import WholeFramePredictor

MOST = 4
"""Processes where nobody says how many; each needs its own memory."""
FRAMES_EACH = 8
"""Frames for which it is worth while to begin a process, which takes some seconds."""
AHEAD = 2
"""Frames that wait for each process, so that none has nothing to do."""
POLL_S = 0.1
Here = Callable[[FindJob, CancelToken], Generator[FoundUpdate, None, None]]
"""Finds objects in this process."""
_log = logging.getLogger(__name__)


def usual_count(device: str, frames: int, spared: int = 0) -> int:
    """Return how many processes look at so many frames where nobody says it.

    One where a GPU does it, or OMP_NUM_THREADS says what may be used of the machine; `spared` cores are left to others.
    """
    from loky import cpu_count

    count = min(cpu_count() - spared, MOST, frames // FRAMES_EACH)
    if count < 2 or "OMP_NUM_THREADS" in os.environ:
        return 1
    from sam2_core.assembly import pick_device

    is_on_cpu = device == "cpu" or (device == "auto" and pick_device().type == "cpu")
    return count if is_on_cpu else 1


def shared_out(request: FindRequest, device: str) -> FindRequest:
    """Return a request for as many processes as usual beside a window, to which a core is left."""
    count = usual_count(device, len(request.frames), spared=1)
    return replace(request, processes=max(request.processes, count))


def can_be_sent(predictor: WholeFramePredictor) -> bool:
    """Return whether processes can have a copy of a predictor: of those of ours."""
    from sam2_core.inference.video_predictor import SAM2VideoPredictor

    return isinstance(predictor, SAM2VideoPredictor)


def find_apart(
    predictor: WholeFramePredictor, movie: ModelMovie, job: FindJob, token: CancelToken, here: Here
) -> Generator[FoundUpdate, None, None]:
    """Yield what a job finds, frame by frame, looked at by as many processes as it asks for.

    Where one of them cannot begin, or ends by itself, this one looks at the frames that are left.

    Parameters
    ----------
    predictor
        Of ours; each process gets a copy.

    Raises
    ------
    PromptError, StackError
        See `finding.find`.
    """
    frames, place, size = job.request.frames, 0, job.request.diameter_px
    try:
        with closing(_found_apart(predictor, movie, job, token, here)) as updates:
            for update in updates:
                yield update
                if update.found is not None:
                    place, size = place + 1, update.found.diameter_px
        return
    except BrokenProcessPool:
        _log.warning("A process that looked at frames ended by itself, for want of memory? One looks at the others.")
    left = replace(job, request=replace(job.request, frames=frames[place:], diameter_px=size))
    with closing(here(left, token)) as rest:
        for update in rest:
            yield _placed(update, job, place)


def _found_apart(
    predictor: WholeFramePredictor, movie: ModelMovie, job: FindJob, token: CancelToken, here: Here
) -> Generator[FoundUpdate, None, None]:
    frames, place, size = job.request.frames, 0, None
    with _processes(job.request.processes, movie, predictor) as submit:
        with closing(here(job, token)) as alone:
            for update in alone:
                yield update
                place += update.found is not None
                size = None if update.found is None else update.found.diameter_px
                if size is not None:
                    break
        if size is None:  # nothing tells it on any frame, or it was stopped
            return
        request = replace(job.request, diameter_px=size)
        ahead = deque[Future[Found]]()
        for done in range(place, len(frames)):
            for frame in frames[done + len(ahead) : done + AHEAD * request.processes]:
                ahead.append(submit(frame, request, job.source))
            found = _waited_for(ahead.popleft(), token)
            if found is None:
                return
            yield _placed(FoundUpdate(job.revision, frames[done], FINE, 0, found), job, done)


def _placed(update: FoundUpdate, job: FindJob, place: int) -> FoundUpdate:
    """Return what was found behind `place` frames of a job as the job says it."""
    return replace(update, done=place * FINE + update.done, total=len(job.request.frames) * FINE)


Submit = Callable[[int, FindRequest, str], "Future[Found]"]


@contextmanager
def _processes(count: int, movie: ModelMovie, predictor: WholeFramePredictor) -> Iterator[Submit]:
    """Begin processes, and yield what gives them a frame; they end with the block."""
    from loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(count, initializer=_begin, initargs=(predictor,))

    def submit(frame: int, request: FindRequest, source: str) -> Future[Found]:
        try:
            return pool.submit(_look, movie[frame], request, source)
        except StackError as error:  # a frame that cannot be read is met in its turn
            failed: Future[Found] = Future()
            failed.set_exception(error)
            return failed

    try:
        for _ in range(count):
            pool.submit(_is_ready)
        yield submit
    finally:
        pool.shutdown(kill_workers=True)


def _waited_for(coming: Future[Found], token: CancelToken) -> Found | None:
    """Return what was found, None where it is not waited for any longer."""
    while not token.cancelled:
        try:
            return coming.result(POLL_S)
        except TimeoutError:
            continue
    return None


_given: list[WholeFramePredictor] = []
"""In a process that looks at frames: its model."""


def _begin(predictor: WholeFramePredictor) -> None:
    """Begin a process that looks at frames, which one core computes, and which Ctrl-C is not for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(1)
    _given.append(predictor)


def _is_ready() -> bool:
    return bool(_given)


def _look(image: NDArray[Any], request: FindRequest, source: str) -> Found:
    return look(_given[0], image, request, source)
