"""Objects of many frames found by several processes, a core for each: what `Session.run` finds, sooner.

Once the size of the objects is known no frame needs another. Within a frame a second core helps little: it is made of
thousands of small products (1.3 times faster with two, measured). So the first frame is looked at in the session, which
tells the size, and the others by processes that have the model and nothing else; each takes about half a gigabyte.
"""

from __future__ import annotations

import logging
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import replace
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from napari_sam2.engine.finding import FINE, look
from napari_sam2.engine.jobs import FindJob, FindRequest, OneOfSeveral
from napari_sam2.engine.model_loading import load_predictor
from napari_sam2.engine.updates import Found, FoundUpdate
from napari_sam2.session.session import Session
from napari_sam2.session.settings import SessionSettings
from sam2_core.errors import StackError

if TYPE_CHECKING:
    from sam2_core.inference.video_predictor import SAM2VideoPredictor

MOST = 4
"""Processes where nobody says how many; each needs its own memory."""
FRAMES_EACH = 8
"""Frames for which it is worth while to begin a process, which takes some seconds."""
AHEAD = 2
"""Frames that wait for each process, so that none has nothing to do."""
POLL_S = 0.1
_log = logging.getLogger(__name__)


def usual_count(settings: SessionSettings, frames: int) -> int:
    """Return how many processes look at so many frames where nobody says it.

    One where a GPU does it, or OMP_NUM_THREADS says what may be used of the machine.
    """
    count = min(os.cpu_count() or 1, MOST, frames // FRAMES_EACH)
    if count < 2 or "OMP_NUM_THREADS" in os.environ:
        return 1
    from sam2_core.assembly import pick_device

    is_on_cpu = settings.device == "cpu" or (settings.device == "auto" and pick_device().type == "cpu")
    return count if is_on_cpu else 1


def find_apart(session: Session, job: FindJob, count: int, is_stopped: Callable[[], bool]) -> Iterator[FoundUpdate]:
    """Yield what a session's job finds, frame by frame, looked at by `count` processes.

    Where one of them ends by itself, the session looks at the frames that are left.

    Parameters
    ----------
    is_stopped
        Asked between frames; what is in work then comes to nothing.

    Raises
    ------
    CheckpointError, PromptError, StackError
        See `Engine.find`.
    """
    frames, place, size = job.request.frames, 0, job.request.diameter_px
    try:
        if count > 1:
            with closing(_found_apart(session, job, count, is_stopped)) as updates:
                for update in updates:
                    yield update
                    if update.found is not None:
                        place, size = place + 1, update.found.diameter_px
            return
    except BrokenProcessPool:
        _log.warning("A process that looked at frames ended by itself, for want of memory? One looks at the others.")
    left = replace(job, request=replace(job.request, frames=frames[place:], diameter_px=size))
    with closing(session.run(left, OneOfSeveral(is_stopped))) as rest:  # type: ignore[type-var]
        for update in rest:
            yield _placed(update, job, place)


def _found_apart(
    session: Session, job: FindJob, count: int, is_stopped: Callable[[], bool]
) -> Generator[FoundUpdate, None, None]:
    frames, place, size = job.request.frames, 0, None
    with _processes(session, count) as submit:
        with closing(session.run(job, OneOfSeveral(is_stopped))) as alone:  # type: ignore[type-var]
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
            for frame in frames[done + len(ahead) : done + AHEAD * count]:
                ahead.append(submit(frame, request, job.source))
            found = _waited_for(ahead.popleft(), is_stopped)
            if found is None:
                return
            yield _placed(FoundUpdate(job.revision, frames[done], FINE, 0, found), job, done)


def _placed(update: FoundUpdate, job: FindJob, place: int) -> FoundUpdate:
    """Return what was found behind `place` frames of a job as the job says it."""
    found, total = update.found, len(job.request.frames) * FINE
    told = None if found is None else replace(found, is_told=job.request.diameter_px is not None)
    return replace(update, done=place * FINE + update.done, total=total, found=told)


Submit = Callable[[int, FindRequest, str], "Future[Found]"]


@contextmanager
def _processes(session: Session, count: int) -> Iterator[Submit]:
    """Begin processes that load the model meanwhile, and yield what gives them a frame; they end with the block."""
    pool = ProcessPoolExecutor(count, get_context("spawn"), _begin, (session.settings,))

    def submit(frame: int, request: FindRequest, source: str) -> Future[Found]:
        try:
            return pool.submit(_look, session.movie[frame], request, source)
        except StackError as error:  # a frame that cannot be read is met in its turn
            failed: Future[Found] = Future()
            failed.set_exception(error)
            return failed

    try:
        for _ in range(count):
            pool.submit(_is_ready)
        yield submit
    finally:
        pool.shutdown(cancel_futures=True)


def _waited_for(coming: Future[Found], is_stopped: Callable[[], bool]) -> Found | None:
    """Return what was found, None where it is not waited for any longer."""
    while not is_stopped():
        try:
            return coming.result(POLL_S)
        except TimeoutError:
            continue
    return None


_loaded: list[SAM2VideoPredictor] = []
"""In a process that looks at frames: its model."""


def _begin(settings: SessionSettings) -> None:
    """Load the model in a process of its own, which one core computes, and which Ctrl-C is not for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(1)
    _loaded.append(load_predictor(settings.model, settings.device, settings.image_size, feature_cache=False))


def _is_ready() -> bool:
    return bool(_loaded)


def _look(image: NDArray[Any], request: FindRequest, source: str) -> Found:
    return look(_loaded[0], image, request, source)
