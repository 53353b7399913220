"""A walk through a session: what a person may do in any order, and what has to hold after every step.

Each rule is a thing that a person does. `_edit` makes an edit and looks at what it must not touch, `_work` a run, and
`_seen` at what always holds. Undo and redo are exact as long as nothing came in between; where a run's masks came, the
document, the settings and what was painted are.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from disc_predictor import DiscPredictor
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from torture.crash_points import CrashPoint, watched_disk
from torture.pictures import Picture, between, said_otherwise, unlike
from torture.steps import Steps

from napari_sam2.document.prompt import Prompt
from napari_sam2.masks.stale import is_drawn
from napari_sam2.masks.stored_masks import MaskStatus
from napari_sam2.session.session import Session
from napari_sam2.session.settings import SessionSettings
from sam2_core.errors import PromptError, StackError

FRAMES, HEIGHT, WIDTH = 6, 40, 56
REFUSALS = (PromptError, StackError)
OBJECTS = st.sampled_from((1, 2, 3, 4, 70000))
FRAME = st.integers(0, FRAMES - 1)
ROWS, COLUMNS = st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1)
SPOT = st.tuples(ROWS, COLUMNS)
BOX = st.tuples(st.integers(0, HEIGHT - 9), st.integers(0, WIDTH - 9), st.integers(2, 8), st.integers(2, 8))
PICK = st.integers(0, 7)
SETTINGS = st.sampled_from(
    (
        {"overlaps": "keep"},
        {"overlaps": "logits"},
        {"overlaps": "allowed"},
        {"even_out": True},
        {"even_out": False},
        {"view": "full"},
        {"object_diameter_px": 12.0},
        {"contrast_limits": ((0.0, 150.0),)},
        {"contrast_limits": None},
        {"model": "sam2.1_hiera_tiny"},
        {"object_diameter_px": 0},  # refused
    )
)


def rectangle(box: tuple[int, int, int, int]) -> np.ndarray[Any, Any]:
    """(H, W) bool of y, x, height, width."""
    y, x, height, width = box
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y : y + height, x : x + width] = True
    return mask


def movie() -> np.ndarray[Any, Any]:
    """Two discs that move, (T, H, W) uint8."""
    frames = np.random.default_rng(0).integers(0, 40, (FRAMES, HEIGHT, WIDTH)).astype(np.uint8)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for frame in range(FRAMES):
        for y, x in ((12, 12), (28, 34)):
            frames[frame][np.hypot(rows - y, columns - x - frame) < 6] = 180
    return frames


class SessionWalk(RuleBasedStateMachine):
    """One session, a folder that it may be saved in, and the pictures that undo and redo have to bring back."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="walk"))
        tifffile.imwrite(self.place / "movie.tif", movie(), photometric="minisblack", metadata={"axes": "TYX"})
        self.folder = self.place / "walk.sam2"
        self.crash = CrashPoint(self.folder, self.place / "crashed.sam2")
        self.meanwhile: list[Picture] = []
        self._watching = watched_disk(lambda: self.crash)
        self._watching.__enter__()
        self.session = self._opened(self.place / "movie.tif")
        self._begin()

    def teardown(self) -> None:
        self.session.close()
        self._watching.__exit__(None, None, None)
        shutil.rmtree(self.place, ignore_errors=True)

    # prompts

    @rule(one=OBJECTS, frame=FRAME, spot=SPOT, inside=st.booleans())
    def add_point(self, one: int, frame: int, spot: tuple[int, int], inside: bool) -> None:
        self._edit(lambda: self.session.add_points(one, frame, [spot], [int(inside)]), {one})

    @rule(one=OBJECTS, frame=FRAME, box=BOX)
    def add_box(self, one: int, frame: int, box: tuple[int, int, int, int]) -> None:
        y, x, height, width = box
        self._edit(lambda: self.session.add_box(one, frame, (y, x, y + height, x + width)), {one})

    @rule(one=OBJECTS, frame=FRAME, box=BOX)
    def add_mask(self, one: int, frame: int, box: tuple[int, int, int, int]) -> None:
        self._edit(lambda: self.session.add_mask(one, frame, rectangle(box)), {one})

    @rule(one=OBJECTS, frame=FRAME, corners=st.lists(SPOT, min_size=3, max_size=4))
    def add_polygon(self, one: int, frame: int, corners: list[tuple[int, int]]) -> None:
        self._edit(lambda: self.session.add_polygon(one, frame, corners), {one})

    @rule(frame=FRAME, first=BOX, second=BOX)
    def add_labels(self, frame: int, first: tuple[int, int, int, int], second: tuple[int, int, int, int]) -> None:
        labels = np.where(rectangle(first), 1, 2 * rectangle(second)).astype(np.uint16)
        self._edit(lambda: self.session.add_labels(frame, labels), {1, 2})

    @precondition(lambda self: self.session.document.prompts)
    @rule(pick=PICK, by=st.tuples(st.integers(-6, 6), st.integers(-6, 6)))
    def move_points(self, pick: int, by: tuple[int, int]) -> None:
        prompt = self._prompt(pick)
        moved = tuple((y + by[0], x + by[1]) for y, x in prompt.points_yx)
        if moved:
            new = Prompt(prompt.object_id, prompt.frame, moved, prompt.labels, prompt.box_yx, prompt.mask)
            key = prompt.object_id, prompt.frame
            self._edit(lambda: self.session.set_prompts({key: new}), {key[0]})

    @precondition(lambda self: self.session.document.prompts)
    @rule(pick=PICK)
    def delete_prompt(self, pick: int) -> None:
        prompt = self._prompt(pick)
        self._edit(lambda: self.session.set_prompts({(prompt.object_id, prompt.frame): None}), {prompt.object_id})

    # painting

    @rule(one=OBJECTS, frame=FRAME, box=BOX, adds=st.booleans())
    def paint(self, one: int, frame: int, box: tuple[int, int, int, int], adds: bool) -> None:
        mask = self.session.masks.mask(one, frame)
        mask = np.zeros((HEIGHT, WIDTH), bool) if mask is None else mask
        painted = mask | rectangle(box) if adds else mask & ~rectangle(box)
        if self._edit(lambda: self.session.edit_mask(one, frame, painted), {one}):
            assert np.array_equal(self.session.masks.mask(one, frame), painted), "it is not what was painted"
            assert self.session.masks.get((one, frame)).status is MaskStatus.edited

    @rule(one=OBJECTS, frame=FRAME)
    def paint_empty(self, one: int, frame: int) -> None:
        self._edit(lambda: self.session.edit_mask(one, frame, np.zeros((HEIGHT, WIDTH), bool)), {one})

    # objects

    @rule(name=st.sampled_from(("", "mother", "Zelle µ 细胞 \u202e\n")))
    def new_object(self, name: str) -> None:
        known = set(self.session.document.objects) | set(self.session.masks.object_ids())
        found: list[int] = []
        if self._edit(lambda: found.append(self.session.new_object(name)), set()):
            assert found[0] not in known, f"object {found[0]} is there already"

    @rule(one=OBJECTS, name=st.sampled_from(("", "a", "b")))
    def rename(self, one: int, name: str) -> None:
        self._edit(lambda: self.session.rename_object(one, name), set())

    @rule(one=OBJECTS, visible=st.booleans())
    def show_or_hide(self, one: int, visible: bool) -> None:
        self._edit(lambda: self.session.set_visible(one, visible), set())

    @rule(one=OBJECTS, locked=st.sampled_from((True, False, False)))
    def lock_or_unlock(self, one: int, locked: bool) -> None:
        self._edit(lambda: self.session.set_locked(one, locked), set())

    @rule(one=OBJECTS)
    def remove(self, one: int) -> None:
        self._edit(lambda: self.session.remove_object(one), {one})

    @rule(into=OBJECTS, other=OBJECTS)
    def merge(self, into: int, other: int) -> None:
        before = self._picture()
        if self._edit(lambda: self.session.merge_objects(into, other), {into, other}):
            said, masks = before.of_object(other)
            now = Picture.of(self.session).of_object(into)
            assert said.keys() <= now[0].keys(), "a prompt of the merged object is gone"
            assert masks.keys() <= now[1].keys(), "a mask of the merged object is gone"

    @rule(a=OBJECTS, b=OBJECTS, frame=FRAME)
    def swap(self, a: int, b: int, frame: int) -> None:
        before = self._picture()
        if self._edit(lambda: self.session.swap_objects(a, b, frame), {a, b}):
            old = {one: before.of_object(one)[1] for one in (a, b)}
            new = {one: Picture.of(self.session).of_object(one)[1] for one in (a, b)}
            for now in range(FRAMES):
                for one, other in ((a, b), (b, a)):
                    was = old[other if now >= frame else one].get(now)
                    assert (new[one].get(now) is None) == (was is None), f"frame {now}: a mask came or went"
                    if was is not None:
                        assert np.array_equal(new[one][now].placed((HEIGHT, WIDTH)), was.placed((HEIGHT, WIDTH)))

    # undo and redo

    @rule(steps=st.integers(1, 4))
    def undo(self, steps: int) -> None:
        for _ in range(steps):
            self.steps.undo(self.session.undo)
            self._came()

    @rule(steps=st.integers(1, 4))
    def redo(self, steps: int) -> None:
        for _ in range(steps):
            self.steps.redo(self.session.redo)
            self._came()

    # runs

    @rule(most=st.sampled_from((None, 1, 2)))
    def preview(self, most: int | None) -> None:
        self._work(self.session.preview, most)
        if most is None:
            assert not self.session.needs_preview, "a prompt's mask is missing although all were shown"

    @rule(
        direction=st.sampled_from(("both", "forward", "backward")),
        most=st.sampled_from((None, None, 0, 1, 3, 6)),
        frames=st.sampled_from((None, None, range(0, 3), range(2, 5))),
        objects=st.sampled_from((None, None, "stale", (1,), (2, 3))),
        until=st.booleans(),
    )
    def propagate(
        self, direction: str, most: int | None, frames: range | None, objects: Any, until: bool
    ) -> None:
        self._work(lambda: self.session.propagate(direction, frames, objects, until), most)

    @rule()
    def propagate_all(self) -> None:
        if not self._work(self.session.propagate, None):
            return
        document = self.session.document
        for one in sorted({key[0] for key in document.prompts} - document.locked):
            missing = [int(code) for code in self.session.status(one) if code in (0, MaskStatus.stale.code)]
            assert not missing, f"object {one} has frames that are missing or stale after all was propagated"
        assert self.session.interrupted_run is None, "a run that was done is said to be interrupted"
        if {key[0] for key in document.prompts} - document.locked:
            left = list(self.session.propagate(objects="stale"))
            assert not left, "frames were stale after all was propagated"
            assert self.session.interrupted_run is None, "a run that had nothing to do is said to be interrupted"

    @precondition(lambda self: self.session.interrupted_run is not None)
    @rule(most=st.sampled_from((None, None, 2)))
    def resume(self, most: int | None) -> None:
        if self._work(self.session.resume, most) and most is None:
            assert self.session.interrupted_run is None

    @rule(most=st.integers(1, 4), one=OBJECTS, frame=FRAME, spot=SPOT)
    def click_during_a_run(self, most: int, one: int, frame: int, spot: tuple[int, int]) -> None:
        try:
            updates = self.session.propagate()
            list(islice(updates, most))
        except REFUSALS:
            return
        self._came()
        self._edit(lambda: self.session.add_points(one, frame, [spot]), {one})
        before = self._picture()
        for _ in updates:
            pass
        self._kept_by_work(before)
        self._came()

    # settings

    @rule(changes=SETTINGS)
    def change_settings(self, changes: dict[str, Any]) -> None:
        before = self._picture()
        told = self.steps.told
        try:
            self.session.change_settings(**changes)
        except REFUSALS as error:
            assert str(error)
            self._same(before, "a refused change of settings")
            return
        after = self._picture()
        assert not said_otherwise(before, after), "settings changed the document"
        self._kept_by_work(before)
        if self.steps.told != told:
            self.steps.made(before, after)
        elif unlike(before, after):
            self.steps.forget()  # not a step: what undo brings back afterwards is not known here

    # files

    @rule(again=st.booleans())
    def save(self, again: bool) -> None:
        before = self._picture()
        self.session.save(self.folder if self.session.folder is None or again else None)
        assert not self.session.is_dirty, "it was saved, and is said not to be"
        self._same(before, "saving")

    @precondition(lambda self: self.session.folder is not None)
    @rule()
    def reopen(self) -> None:
        before, run = self._picture(), self.session.interrupted_run
        self.session.close()
        self.session = self._opened(self.folder)
        assert not self.session.notes, f"notes without damage: {self.session.notes}"
        self._same(before, "reopening")
        if run is not None:
            assert self.session.interrupted_run == run, "the interrupted run is not known any more"
        self._begin()

    @precondition(lambda self: self.session.folder is not None)
    @rule()
    def kill(self) -> None:
        """A process that dies when all was written, its folder as it lies there."""
        before = self._picture()
        self._flush()
        shutil.copytree(self.folder, self.crash.copy, symlinks=True)
        self._opens_as([before])

    @precondition(lambda self: self.session.folder is not None and not self.meanwhile)
    @rule(calls=st.integers(1, 12))
    def die_at(self, calls: int) -> None:
        """From here on the folder is copied at some call, as a process that dies there would leave it."""
        self._flush()
        self.meanwhile = [self._picture()]
        self.crash.arm(calls)

    @precondition(lambda self: self.session.folder is not None)
    @rule(pick=PICK, where=st.integers(0, 999), kind=st.sampled_from(("cut", "zero", "flip", "garbage", "gone")))
    def damage(self, pick: int, where: int, kind: str) -> None:
        """One file is damaged: the rest is there; then the whole folder comes back."""
        before = self._picture()
        self._flush()
        place = self.place / "damaged.sam2"
        shutil.copytree(self.folder, place)
        (place / ".lock").unlink(missing_ok=True)
        files = sorted(path for path in place.rglob("*") if path.is_file())
        path = files[pick % len(files)]
        damaged = _damaged(path, where, kind)
        try:
            self._with_damage(place, path, before, kind, damaged)
        finally:
            shutil.rmtree(place)

    def _with_damage(self, place: Path, path: Path, before: Picture, kind: str, damaged: bytes | None) -> None:
        name, had_previous = path.name, (place / "session.previous.json").exists()
        try:
            session = self._opened(place)
        except StackError as error:
            assert str(error)
            assert name == "session.json", f"a damaged {name} ({kind}) costs the whole session: {error}"
            assert not had_previous or kind == "flip", f"session.previous.json was not read: {error}"
            return
        found, notes = Picture.of(session), session.notes
        session.close()
        again = self._opened(place)
        second = Picture.of(again)
        again.close()
        assert not unlike(found, second), f"a damaged {name} ({kind}): the second opening: {unlike(found, second)}"
        if damaged:
            kept = any(damaged[:64] in one.read_bytes() for one in place.rglob("*") if one.is_file())
            assert kept, f"the damaged {name} ({kind}) is gone, not put aside"
        if name == "session.json" and kind == "flip":
            return  # a letter of a name, or a digit: nobody can tell
        self._only_one_part_is_gone(name, before, found, notes)

    def _only_one_part_is_gone(self, name: str, before: Picture, found: Picture, notes: tuple[str, ...]) -> None:
        masks, wanted = dict(found.masks), dict(before.masks)
        if name == "session.json":
            gone = [key for key in wanted if key not in masks and key[0] in found.document.objects]
            assert not gone, f"session.json was damaged, and the masks {gone} are gone"
            return
        foreign = [key for key, mask in masks.items() if wanted.get(key) != mask]
        if name.startswith("masks-"):
            assert not said_otherwise(before, found), f"{name} was damaged, and the document: {notes}"
            assert foreign == [] or all(masks[key].leg == "prompt" for key in foreign), f"{name}: masks {foreign}"
            assert notes or masks.keys() == wanted.keys() or not wanted, f"{name} was damaged, and nobody says so"
        elif name.endswith(".tif"):
            lost = [key for key in before.document.prompts if key not in found.document.prompts]
            assert len(lost) <= 1, f"one prompt's mask was damaged, and {lost} are gone"
            assert masks.keys() == wanted.keys(), f"one prompt's mask was damaged: {wanted.keys() - masks.keys()} gone"
        else:
            assert not unlike(before, found), f"{name} was damaged: {unlike(before, found)}"

    # what always holds

    @invariant()
    def seen(self) -> None:
        self._meanwhile_holds()
        session, objects = self.session, self.session.document.objects
        assert all(one >= 1 for one in objects)
        assert session.document.next_object_id() not in objects
        strangers = set(session.masks.object_ids()) - set(objects)
        assert not strangers, f"masks of objects {strangers}, which are not there"
        for key, prompt in session.document.prompts.items():
            if is_drawn(prompt):
                mask = session.masks.mask(*key)
                assert mask is not None, f"the drawn mask of {key} is not shown"
                assert np.array_equal(mask, prompt.mask), f"the drawn mask of {key} is another one"
        for frame in (0, FRAMES - 1):
            shown = set(np.unique(session.labels(frame)).tolist()) - {0}
            assert shown <= {one for one, info in objects.items() if info.visible}

    # how it is looked at

    def _opened(self, source: Path) -> Session:
        settings = None if source.suffix == ".sam2" else SessionSettings(view="full")
        return Session.open(source, predictor=DiscPredictor(), settings=settings)

    def _begin(self) -> None:
        self.steps = Steps(self.session)

    def _picture(self) -> Picture:
        return Picture.of(self.session)

    def _prompt(self, pick: int) -> Prompt:
        prompts = list(self.session.document.prompts.values())
        return prompts[pick % len(prompts)]

    def _flush(self) -> None:
        self.session.saving.queue.flush()

    def _came(self) -> None:
        if self.meanwhile:
            self.meanwhile.append(self._picture())

    def _same(self, before: Picture, what: str) -> None:
        said = unlike(before, self._picture())
        assert not said, f"{what}: {said}"

    def _edit(self, edit: Callable[[], object], of: set[int]) -> bool:
        """Make an edit that may change the objects `of`; whether it was taken."""
        before, told = self._picture(), self.steps.told
        try:
            edit()
        except REFUSALS as error:
            assert str(error)
            self._same(before, "a refused edit")
            return False
        after = self._picture()
        self._came()
        others = [one for one in before.document.objects if one not in of or one in before.document.locked]
        for one in others:
            assert before.of_object(one) == after.of_object(one), f"object {one} was changed by an edit of {of}"
        if unlike(before, after):
            assert self.steps.told > told, "an edit is no step"
        if self.steps.told > told:
            self.steps.made(before, after)
        return True

    def _work(self, work: Callable[[], Iterable[Any]], most: int | None) -> bool:
        """Run to the end, or leave it after so many updates; whether there was something to do."""
        before = self._picture()
        try:
            updates = iter(work())
            for _ in islice(updates, most):
                self._came()
            updates.close()
        except REFUSALS as error:
            assert str(error)
            self._same(before, "a refused run")
            return False
        self._kept_by_work(before)
        return True

    def _kept_by_work(self, before: Picture) -> None:
        """What the model does, changes no document, no painted and no locked mask."""
        after = self._picture()
        self._came()
        assert not said_otherwise(before, after), "a run changed the document"
        found = dict(after.masks)
        for key, mask in before.masks:
            if mask.status is MaskStatus.edited or key[0] in before.document.locked:
                assert found.get(key) == mask, f"the painted or locked mask {key} was changed"
            else:
                assert key in found, f"the mask {key} is gone"

    def _meanwhile_holds(self) -> None:
        """Open what a process that died meanwhile left, if the moment has come."""
        if self.crash.fired:
            meanwhile, self.meanwhile, self.crash.fired = self.meanwhile, [], False
            self._opens_as(meanwhile)

    def _opens_as(self, pictures: list[Picture]) -> None:
        (self.crash.copy / ".lock").unlink(missing_ok=True)
        session = self._opened(self.crash.copy)
        found, notes = Picture.of(session), session.notes
        session.close()
        shutil.rmtree(self.crash.copy)
        assert not notes, f"after a kill: {notes}"
        said = between(pictures, found)
        assert not said, f"after a kill: {said}"


def _damaged(path: Path, where: int, kind: str) -> bytes | None:
    """Damage a file at so many thousandths of it; return its bytes, None where it is gone."""
    held = bytearray(path.read_bytes())
    place = len(held) * where // 1000
    if kind == "gone":
        path.unlink()
        return None
    if kind == "cut":
        del held[place:]
    elif kind == "zero":
        held[place : place + 16] = bytes(len(held[place : place + 16]))
    elif kind == "garbage":
        held[:] = b"\xff\x00garbage" * 3
    elif held:
        held[place] ^= 0x20
    path.write_bytes(held)
    return bytes(held)
