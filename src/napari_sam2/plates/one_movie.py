"""One movie from a task to a record: `run_movie`, a function of paths and settings that any process may call.

Order: whoever has the lock of the movie's folder works on it; what is finished with the same fingerprint is left alone;
what was interrupted with it goes on; then the work, its numbers and a small picture, and the record last. A movie that
fails is recorded with the words of its error and disturbs no other. Nothing is printed, and nothing is kept from call
to call but the predictor that the caller hands in.
"""

from __future__ import annotations

import logging
import platform
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from filelock import Timeout

from napari_sam2.engine.jobs import CancelToken
from napari_sam2.engine.loader import Loader
from napari_sam2.io.atomic import make_folder
from napari_sam2.io.contact_sheet import outlined
from napari_sam2.plates.movies import MovieTask
from napari_sam2.plates.plan import Export, FromSessions
from napari_sam2.plates.record import (
    PICTURE_FILE,
    MovieRecord,
    fingerprint,
    is_finished,
    lock_of,
    read_record,
    write_record,
)
from napari_sam2.plates.work import Made, MovieWork, Stopped, Told, done, opened
from napari_sam2.session.found_run import SizeUnknownError
from napari_sam2.session.saved_results import open_results
from napari_sam2.session.settings import SessionSettings
from napari_sam2.stacks import ModelMovie, open_labels
from sam2_core.errors import CheckpointError, PromptError, StackError
from sam2_core.inference.video_calls import VideoPredictor

_PICTURE_PX = 320
_LOCK_SECONDS = 2.0  # whoever only looks whether a movie is in work lets go of it sooner
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Worker:
    """What one process keeps between movies: the model that it loaded last, where it runs, and a wish to stop."""

    loader: Loader
    token: CancelToken
    device: str | None = None

    def load(self, settings: SessionSettings) -> VideoPredictor:
        """Return the predictor that settings name, on the worker's own device where these leave it open."""
        device = settings.device if self.device is None or settings.device not in ("auto", "cuda") else self.device
        kept, size = settings.feature_cache.option, settings.image_size
        return self.loader.asked(settings.model, device, kept, size)()


def new_worker(predictor: object = None) -> Worker:
    """Return a worker that has no model yet; `predictor` stands for one, or makes one."""
    return Worker(Loader(predictor), CancelToken())


def run_movie(task: MovieTask, worker: Worker, told: Told = lambda *_: None) -> MovieRecord:
    """Return how a movie of a plan ended: done now or earlier, failed in words, stopped, or in work elsewhere.

    Parameters
    ----------
    task
        What is done; see `movies_of`.
    worker
        Its predictor is made at the first movie that needs one, and kept.
    told
        Is told how far it is: what is done, done, total.
    """
    if worker.token.cancelled:
        return read_record(task)
    try:
        make_folder(task.folder)
        with lock_of(task).acquire(timeout=_LOCK_SECONDS):
            return _locked(task, worker, told)
    except Timeout:
        return read_record(task)
    except (OSError, StackError) as error:  # the folder or the record itself cannot be written
        return MovieRecord.of(task).model_copy(update={"state": "failed", "words": str(error)})


def _locked(task: MovieTask, worker: Worker, told: Told) -> MovieRecord:
    """Do a movie whose folder is ours."""
    mark, before = fingerprint(task), read_record(task)
    if is_finished(task, before, mark):
        return before.model_copy(update={"is_earlier": True})
    goes_on = before.fingerprint == mark and before.state in ("running", "stopped", "failed")
    since, start = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
    begun = MovieRecord.of(task).model_copy(
        update={"state": "running", "fingerprint": mark, "began": since, "host": platform.node()}
    )
    write_record(task, begun)
    try:
        made = done(task, MovieWork(worker.load, goes_on, worker.token, told))
        ended = begun.model_copy(update={"state": "done", **_numbers(task, made)})
    except Stopped:
        ended = begun.model_copy(update={"state": "stopped"})
    except Exception as error:  # noqa: BLE001 - the door of a movie: its error is its record, and no other movie's
        _log.debug("%s failed.", task.title, exc_info=True)
        ended = begun.model_copy(update={"state": "failed", "words": _words(error)})
    if isinstance(task.work, FromSessions) and ended.state == "done":  # its input is what it changed
        ended = ended.model_copy(update={"fingerprint": fingerprint(task)})
    ended = ended.model_copy(update={"seconds": round(time.perf_counter() - start, 3)})
    write_record(task, ended)
    return ended


def record_failure(task: MovieTask, words: str) -> MovieRecord:
    """Return the record of a movie that took its worker with it, which is written if nobody else works on it."""
    failed = read_record(task).model_copy(update={"state": "failed", "words": words})
    try:
        with lock_of(task).acquire(timeout=_LOCK_SECONDS):
            write_record(task, failed)
    except (OSError, StackError, Timeout) as error:
        _log.warning("%s: that it failed cannot be written down (%s).", task.title, error)
    return failed


def is_in_work(task: MovieTask) -> bool:
    """Return whether somebody works on a movie at this moment."""
    try:
        with lock_of(task).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def _words(error: Exception) -> str:
    """Return an error in words; what is none of ours is named."""
    if isinstance(error, SizeUnknownError):
        return f"{error} (diameter_px in the plan)"
    if isinstance(error, (StackError, PromptError, CheckpointError)):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _numbers(task: MovieTask, made: Made) -> dict[str, object]:
    """Return what a record says of the result, and leave a small picture of it."""
    said: dict[str, object] = {"files": dict(made.files), "remarks": made.remarks, "scores": dict(made.scores)}
    if "labels" not in made.files:
        return said
    counts: list[int] = []
    ids: set[int] = set()
    for frame, labels in enumerate(labelled := open_labels(task.folder / made.files["labels"])):
        here = set(np.unique(labels).tolist()) - {0}
        counts.append(len(here))
        ids |= here
        if frame == len(labelled) // 2:
            _write_picture(task.folder / PICTURE_FILE, _seen(task)[frame], labels)
    tracks = len(ids) if task.work.task != "segment" else 0
    numbers = {"frames": len(counts), "objects": sum(counts), "tracks": tracks, "divisions": made.divisions}
    return {**said, **numbers, "counts": tuple(counts)}


def _seen(task: MovieTask) -> ModelMovie:
    """Return the movie as it is looked at; that of a session, where that is the source."""
    if isinstance(task.work, FromSessions | Export):
        return ModelMovie(open_results(task.source).movie)
    return opened(task)


def _write_picture(path: Path, image: np.ndarray, labels: np.ndarray) -> None:
    """Write a frame with the outlines of its objects, every so many pixels of one that is larger than `_PICTURE_PX`."""
    step = -(-max(labels.shape) // _PICTURE_PX)
    outlined(image[::step, ::step], labels[::step, ::step]).save(path)
