"""Full disks and folders that may only be read: what could not be written is written later or said, and the rest stays.

A unit is one piece of work on a disk of 2 MB that is full for a while; the first is a list of doors, each tried in a
folder that may only be read.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from disc_predictor import DiscPredictor
from torture.forked import forked
from torture.kills import Player
from torture.mounts import Filler, can_mount, read_only, small_disk
from torture.outcome import Outcome
from torture.pictures import Picture, unlike
from torture.scene import in_words
from torture.specimens import session_folder

from napari_sam2.cli import main
from napari_sam2.io import load_session, write_prompts
from napari_sam2.napari_reader import read_session_layers
from napari_sam2.session.saved_results import open_results
from napari_sam2.session.session import Session
from napari_sam2.session.settings import SessionSettings
from sam2_core.errors import CheckpointError, PromptError, StackError

DECLARED = (CheckpointError, PromptError, StackError)
FRAMES, HEIGHT, WIDTH = 12, 40, 56
ENDINGS = ("room, then close", "room, then save", "saved elsewhere", "closed while full")


def play(seed: int, unit: int) -> Outcome:
    """Return what came of one full disk, or of folders that may only be read."""
    warnings.simplefilter("ignore")
    rng, only_read = Random(f"{seed} disk {unit}"), unit == 0
    if not only_read and not can_mount():
        return Outcome("skipped", "", {"skipped": 1})
    with tempfile.TemporaryDirectory(prefix="torture") as name:
        place = Path(name)
        try:
            forked(lambda: _only_read(place) if only_read else _full(place, rng))
        except AssertionError as error:
            return Outcome("fault", f"a disk: {error}")
    return Outcome("held", "", {"read-only folders" if only_read else "full disks": 1})


# a full disk


def _full(place: Path, rng: Random) -> None:
    with small_disk(place / "disk") as disk:
        filler, session = Filler(disk), _new()
        session.add_points(1, 2, [(12, 12)])
        session.save(disk / "a.sam2")
        saved = Picture.of(session)
        player = Player(session, rng, lambda: None, lambda: None)
        filler.leave(rng.choice((0, 0, 2000, 20_000)))
        said = _worked(player, rng)
        if rng.random() < 0.3:
            filler.go()
            said += _worked(player, rng)
            filler.leave(0)
            said += _worked(player, rng)
        ending = rng.choice(ENDINGS)
        try:
            _ended(ending, session, (filler, saved, place))
        except AssertionError as error:
            raise AssertionError(f"{ending}: {error}; meanwhile {said}") from None


def _worked(player: Player, rng: Random) -> list[str]:
    """Work on a session whose disk is full; return what was said."""
    said: list[str] = []
    for _ in range(rng.randint(1, 8)):
        try:
            player.step()
        except DECLARED as error:
            said.append(str(error)[:80])
    return said


def _ended(ending: str, session: Session, about: tuple[Filler, Picture, Path]) -> None:
    filler, saved, place = about
    wanted, folder = Picture.of(session), session.folder
    assert folder is not None, "a session whose disk is full gave its folder up"
    if ending == "saved elsewhere":
        folder = session.save(place / "elsewhere.sam2")
        _closed(session)
        _holds(folder, wanted)
        return
    if ending != "closed while full":
        filler.go()
    if ending == "room, then save":
        _saved(session)
    if _closed(session):
        _holds(folder, wanted)
    else:
        assert ending == "closed while full", "close failed although there is room"
        filler.go()
        if _closed(session):  # it stayed open, so that nothing is lost
            _holds(folder, wanted)
        else:
            _holds_at_least(folder, saved)


def _saved(session: Session) -> None:
    """Save; what failed before may be told once more."""
    try:
        session.save()
    except StackError:
        session.save()


def _closed(session: Session) -> bool:
    """Close a session; whether nothing was said against it."""
    try:
        session.close()
    except DECLARED as error:
        in_words(error)
        return False
    return True


def _holds(folder: Path, wanted: Picture) -> None:
    with Session.open(folder, predictor=DiscPredictor()) as left:
        said = unlike(wanted, Picture.of(left))
        assert not left.notes, f"notes: {left.notes}"
        assert not said, f"closed without a word, and lost: {said}"


def _holds_at_least(folder: Path, saved: Picture) -> None:
    with Session.open(folder, predictor=DiscPredictor()) as left:
        gone = saved.document.prompts.keys() - left.document.prompts.keys()
        assert not gone, f"what was saved before the disk was full is gone: {gone}"


def _new() -> Session:
    data = np.random.default_rng(0).integers(0, 255, (FRAMES, HEIGHT, WIDTH)).astype(np.uint8)
    return Session.open(data, axes="TYX", predictor=DiscPredictor(), settings=SessionSettings(view="full"))


# folders that may only be read


def _only_read(place: Path) -> None:
    """Try every door in a folder that may only be read: reading works, writing is refused in words."""
    folder = place / "shelf"
    folder.mkdir()
    session = session_folder(folder)
    write_prompts(folder / "prompts.json", tuple(load_session(session).document.prompts.values()))
    os.environ["NAPARI_SAM2_CACHE"] = str(folder / "cache")
    os.environ["NAPARI_SAM2_HOME"] = str(folder)
    wrong: list[str] = []
    with read_only(folder), Session.open(folder / "worked.tif", axes="TYX", predictor=DiscPredictor()) as open_one:
        open_one.add_points(1, 0, [(12, 12)])
        for name, door, refuses in _doors(folder, session, open_one):
            wrong += _tried(name, door, refuses)
        Path(place / "out").mkdir()
        open_one.save(place / "out" / "b.sam2")
    assert not wrong, "; ".join(wrong)
    shutil.rmtree(place / "out")


Door = tuple[str, Callable[[], object], bool]


def _doors(folder: Path, session: Path, one: Session) -> list[Door]:
    """Return name, what is done, and whether it has to be refused."""
    from sam2_core.checkpoints.registry import add_model, find_model

    movie, prompts = str(folder / "worked.tif"), str(folder / "prompts.json")
    track = ["track", movie, "--axes", "TYX", "--prompts", prompts, "--device", "cpu"]
    return [
        ("load_session", lambda: load_session(session), False),
        ("open_results", lambda: open_results(session).labels(0), False),
        ("napari's reader", lambda: read_session_layers(str(session)), False),
        ("find_model", lambda: find_model("cells-nano"), False),
        ("Session.open", lambda: Session.open(session, predictor=DiscPredictor()).close(), False),
        ("save", lambda: one.save(folder / "new.sam2"), True),
        ("export_labels .tif", lambda: one.export_labels(folder / "l.tif"), True),
        ("export_labels .zarr", lambda: one.export_labels(folder / "l.zarr"), True),
        ("write_prompts", lambda: write_prompts(folder / "p.json", tuple(one.document.prompts.values())), True),
        ("add_model", lambda: add_model("mine", folder / "prompts.json", "cells-nano"), True),
        ("track --out", lambda: _command([*track, "--out", str(folder / "l.tif")]), True),
        ("track --session", lambda: _command(["track", "--session", str(session), "--device", "cpu"]), True),
        ("export", lambda: _command(["export", str(session), "--labels", str(folder / "l.tif")]), True),
        ("export --csv", lambda: _command(["export", str(session), "--csv", str(folder / "o.csv")]), True),
        ("export --ctc", lambda: _command(["export", str(session), "--ctc", str(folder / "ctc")]), True),
        ("export --prompts", lambda: _command(["export", str(session), "--prompts", str(folder / "p.json")]), True),
        ("demo", lambda: _command(["demo", "--out", str(folder / "demo")]), True),
        ("finetune", lambda: _command(["finetune", "--session", str(session), "--out", str(folder / "m")]), True),
    ]


def _command(words: list[str]) -> None:
    code = main(words)
    assert code in (0, 1, 2), f"exit {code}"
    if code:
        raise StackError(f"exit {code}")


def _tried(name: str, door: Callable[[], object], refuses: bool) -> list[str]:
    try:
        door()
    except DECLARED as error:
        return [] if refuses and str(error) else [f"{name} only reads and was refused: {error}"]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is none of ours
        return [f"{name}: {type(error).__name__}: {error} at {traceback.extract_tb(error.__traceback__)[-1]}"]
    return [f"{name} said nothing where nobody may write"] if refuses else []
