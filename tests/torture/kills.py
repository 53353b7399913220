"""Processes that work on a session and are killed: what was said to be saved is there, and the run goes on.

A process plays a piece of work that follows from a number alone, and says after each change how far it is and what it
has saved; it is killed with SIGKILL at some moment. Another process plays the same in another folder, so that all
pictures are known, opens what was left, and compares. Every eighth kill is of a process with the model that ships.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import tifffile
from disc_predictor import DiscPredictor
from torture.forked import forked, killed
from torture.outcome import Outcome
from torture.pictures import Picture, between, decided_otherwise, masks_otherwise, said_otherwise

from napari_sam2.engine.run_record import RunInWork
from napari_sam2.io import load_session
from napari_sam2.session.session import Session
from napari_sam2.session.settings import SessionSettings

FRAMES, HEIGHT, WIDTH = 40, 40, 56
LONG = 200
REAL_FRAMES = 20
OPERATIONS = 40


def play(seed: int, unit: int) -> Outcome:
    """Return what came of one killed process."""
    warnings.simplefilter("ignore")
    rng, real = Random(f"{seed} kill {unit}"), unit % 8 == 0
    _load()
    if real:
        _model()
    with tempfile.TemporaryDirectory(prefix="torture") as name:
        place = Path(name)
        try:
            forked(lambda: _begin(place, real))
            _kill(place, rng, real)
            about = forked(lambda: _look(place, real))
        except AssertionError as error:
            return Outcome("fault", f"a kill: {error}")
    return Outcome("held", "", about)


@dataclass
class Told:
    """What a process said before it died: the number of its last change, and of the last that was saved."""

    changed: int = 0
    saved: int = 0

    @classmethod
    def read(cls, path: Path) -> Told:
        told = cls()
        for line in path.read_text().splitlines():
            what, _, number = line.partition(" ")
            if number.isdigit():
                setattr(told, what, int(number))
        return told


@dataclass
class Player:
    """A piece of work on a session; `changed` and `saved` are told after each change and each save."""

    session: Session
    rng: Random
    changed: Callable[[], None]
    saved: Callable[[], None]
    to_the_end: int | None = None
    """Number of the run that is not left, and behind which nothing is played."""
    runs: list[RunInWork | None] = field(default_factory=list)
    """What the runs so far were."""

    def play(self, operations: int) -> None:
        for _ in range(operations):
            self.step()

    def step(self) -> None:
        rng, session = self.rng, self.session
        frames = session.frame_count
        one, frame = rng.randint(1, 3), rng.randrange(frames)
        spot = (rng.randrange(HEIGHT), rng.randrange(WIDTH))
        what = rng.choices(("click", "paint", "name", "undo", "run", "save", "set"), (3, 2, 1, 1, 4, 2, 1))[0]
        most = rng.choice((None, None, rng.randint(1, 2 * frames)))
        name, direction = rng.choice(("a", "b", "c")), rng.choice(("both", "forward", "backward"))
        if what == "click":
            session.add_points(one, frame, [spot])
        elif what == "paint":
            mask = np.zeros((HEIGHT, WIDTH), bool)
            mask[spot[0] : spot[0] + 7, spot[1] : spot[1] + 9] = True
            session.edit_mask(one, frame, mask)
        elif what == "name" and one in session.document.objects:
            session.rename_object(one, name)
        elif what == "undo":
            session.undo()
        elif what == "set":
            session.change_settings(overlaps=rng.choice(("keep", "logits")))
        elif what == "save":
            session.save()
            self.saved()
        elif what == "run" and session.document.prompts:  # undo may have taken all of them
            self._run(direction, most)
        self.changed()

    def _run(self, direction: Any, most: int | None) -> None:
        updates, is_last = self.session.propagate(direction), len(self.runs) == self.to_the_end
        self.runs.append(None)
        for number, _ in enumerate(updates, start=1):
            self.runs[-1] = self.session._state.run or self.runs[-1]
            self.changed()
            if number == most and not is_last:
                updates.close()
                break


def _begin(place: Path, real: bool) -> None:
    """Make a session, and a copy of it for the one who compares."""
    tifffile.imwrite(place / "movie.tif", _movie(REAL_FRAMES if real else FRAMES), photometric="minisblack")
    session = _opened(place / "movie.tif", real)
    session.add_points(1, 3, [(12, 15)])
    session.add_points(2, 0, [(28, 34)])
    session.save(place / "killed.sam2")
    session.close()
    shutil.copytree(place / "killed.sam2", place / "played.sam2")


def _kill(place: Path, rng: Random, real: bool) -> None:
    """Have a process work on the session until it has said so much, and a moment longer."""
    said, seed, after = place / "said", rng.getrandbits(32), rng.randint(1, 60 if real else LONG)
    moment = rng.choice((0, 0, rng.random() * 0.004, rng.random() * 0.03))
    (place / "seed").write_text(str(seed))
    said.touch()

    def work() -> None:
        out = os.open(said, os.O_WRONLY | os.O_APPEND)
        told = Told()

        def changed() -> None:
            told.changed += 1
            os.write(out, b"changed %d\n" % told.changed)

        def saved() -> None:
            os.write(out, b"saved %d\n" % told.changed)

        session = _opened(place / "killed.sam2", real)
        Player(session, Random(seed), changed, saved).play(OPERATIONS)
        os.write(out, b"done\n")
        time.sleep(60)

    def when() -> None:
        give_up = time.monotonic() + 120
        while time.monotonic() < give_up:
            text = said.read_text()
            if "done" in text or Told.read(said).changed >= after:
                time.sleep(moment)
                return
            time.sleep(0.0005)
        raise AssertionError("the process that was to be killed did nothing for two minutes")

    killed(work, when)


def _look(place: Path, real: bool) -> dict[str, object]:
    """Open what the dead process left, compare it with what it had, go on with its run, and return what was counted."""
    told, seed = Told.read(place / "said"), int((place / "seed").read_text())
    (place / "killed.sam2" / ".lock").unlink(missing_ok=True)
    has_snapshot = load_session(place / "killed.sam2").snapshot is not None
    left = _opened(place / "killed.sam2", real)
    found, run = Picture.of(left), left._state.run
    notes = [
        note for note in left.notes if "ends in a record that is not whole" not in note
    ]  # a write of several pages
    assert not notes, f"notes after a kill: {notes}"
    pictures, runs = _played(place, seed, real, told)
    said = between(pictures[told.saved : told.changed + 2], found)
    assert not said, f"after change {told.changed}, saved at {told.saved}: {said}"
    resumed = False
    if run is not None:
        asked = run.record()
        list(left.resume())
        assert left.interrupted_run is None, "the run that was resumed is not over"
        same = [number for number, one in enumerate(runs) if one is not None and one.record() == asked]
        ended, wholes = Picture.of(left), [_in_one_go(place, seed, real, number) for number in same]
        differ = masks_otherwise if has_snapshot else decided_otherwise
        otherwise = [differ(whole, ended) for whole in wholes if not said_otherwise(whole, ended)]
        resumed, other = bool(otherwise), min(otherwise, key=len, default=[])
        assert not other, f"resumed after change {told.changed}, otherwise than in one go: {'; '.join(other[:5])}"
    left.close()
    return {"kills": 1, "changes": told.changed, "resumed": int(resumed), "of the model": int(real)}


def _played(place: Path, seed: int, real: bool, told: Told) -> tuple[list[Picture], list[RunInWork | None]]:
    """Return the pictures that a process like the dead one had, and its runs."""
    with _copy(place) as folder:
        session = _opened(folder, real)
        pictures = [Picture.of(session)]
        player = Player(session, Random(seed), lambda: pictures.append(Picture.of(session)), lambda: None)
        while len(pictures) <= told.changed + 1:
            player.step()
        session.close()
    return pictures, player.runs


def _in_one_go(place: Path, seed: int, real: bool, number: int) -> Picture:
    """Return what there is once the run of a number came to its end, which it may have been left before.

    The masks that reached the disk are a moment behind, so the run that stands there may be an earlier one than the
    last that the dead process had begun.
    """
    with _copy(place) as folder:
        session = _opened(folder, real)
        player = Player(session, Random(seed), lambda: None, lambda: None, to_the_end=number)
        while len(player.runs) <= number:
            player.step()
        picture = Picture.of(session)
        session.close()
    return picture


@contextmanager
def _copy(place: Path) -> Iterator[Path]:
    """Hand out a copy of the session that the dead process began with."""
    with tempfile.TemporaryDirectory(dir=place) as name:
        yield Path(shutil.copytree(place / "played.sam2", Path(name) / "played.sam2"))


def _opened(source: Path, real: bool) -> Session:
    settings = SessionSettings(view="full") if source.suffix == ".tif" else None
    if real:
        from sam2_core import SAM2VideoPredictor

        return Session.open(source, predictor=SAM2VideoPredictor(_model()), settings=settings)
    return Session.open(source, predictor=DiscPredictor(), settings=settings)


@cache
def _load() -> None:
    """Import what every process needs, once, before the first is forked."""
    import numpy.ma
    import safetensors.torch
    import torch

    import sam2_core
    from napari_sam2.engine import engine

    assert sam2_core.SAM2VideoPredictor
    assert engine
    assert numpy.ma
    assert safetensors.torch
    torch.set_num_threads(1)


@cache
def _model() -> Any:
    from sam2_core import build_sam2

    return build_sam2("cells-nano", "cells-nano", device="cpu", image_size=64)


def _movie(frames: int) -> np.ndarray[Any, Any]:
    """Two discs that move slowly, (T, H, W) uint8."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    data = np.random.default_rng(0).integers(0, 40, (frames, HEIGHT, WIDTH)).astype(np.uint8)
    for frame in range(frames):
        for y, x in ((12, 12), (28, 34)):
            data[frame][np.hypot(rows - y, columns - x - 10 * np.sin(frame / 9)) < 6] = 180
    return data
