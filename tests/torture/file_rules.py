"""What a person, a power cut and a bad disk do to the folder of a session that is walked through."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from torture.pictures import Picture, labels, said_otherwise, unlike
from torture.scene import in_words
from torture.walked_session import WalkedSession

from sam2_core.errors import StackError

DAMAGE = ("cut", "zero", "flip", "garbage", "gone")
BEGINNING = 48  # bytes; a log is cut back to its last whole record, and the first one of each is longer


class FileRules(WalkedSession):
    """Saved, reopened, killed and damaged."""

    @rule(again=st.booleans())
    def save(self, again: bool) -> None:
        before = self._picture()
        self.session.save(self.folder if self.session.folder is None or again else None)
        assert not self.session.is_dirty, "it was saved, and is said not to be"
        self._same(before, "saving")

    @precondition(lambda self: self.session.folder is not None)
    @rule()
    def reopen(self) -> None:
        before, run, shown = self._picture(), self.session.interrupted_run, labels(self.session)
        self.session.close()
        self.session = self._opened(self.folder)
        assert not self.session.notes, f"notes without damage: {self.session.notes}"
        self._same(before, "reopening")
        assert np.array_equal(shown, labels(self.session)), "reopening: other labels are shown"
        if run is not None:
            assert self.session.interrupted_run == run, "the interrupted run is not known any more"
        self.steps.follow(self.session)

    @precondition(lambda self: self.session.folder is not None)
    @rule()
    def kill(self) -> None:
        """A process that dies when all was written, its folder as it lies there."""
        before = self._picture()
        self._flush()
        copy = shutil.copytree(self.folder, self.place / "killed.sam2", symlinks=True)
        self._opens_as(copy, [before])

    @precondition(lambda self: self.session.folder is not None)
    @rule(calls=st.integers(1, 12))
    def die_at(self, calls: int) -> None:
        """From here on the folder is copied at some call, as a process that dies there would leave it."""
        self._flush()
        self._meanwhile_holds()
        self.meanwhile = [self._picture()]
        self.crash.arm(calls)

    @precondition(lambda self: self.session.folder is not None)
    @rule(pick=st.integers(0, 7), where=st.integers(0, 999), kind=st.sampled_from(DAMAGE))
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
            in_words(error)
            said = f"a damaged {name} ({kind}) costs the whole session, session.previous.json: {had_previous}: {error}"
            if name != "session.json" or (had_previous and kind != "flip"):
                raise AssertionError(said) from None
            return
        found, notes = Picture.of(session), session.notes
        session.close()
        again = self._opened(place)
        second = Picture.of(again)
        again.close()
        assert not unlike(found, second), f"a damaged {name} ({kind}): the second opening: {unlike(found, second)}"
        if damaged:
            kept = any(damaged[:BEGINNING] in one.read_bytes() for one in place.rglob("*") if one.is_file())
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
            assert not foreign or notes, f"{name}: masks {foreign}"  # with a record goes what it had replaced
            assert notes or masks.keys() == wanted.keys() or not wanted, f"{name} was damaged, and nobody says so"
        elif name.endswith(".tif"):
            lost = [key for key in before.document.prompts if key not in found.document.prompts]
            assert len(lost) <= 1, f"one prompt's mask was damaged, and {lost} are gone"
            assert masks.keys() == wanted.keys(), f"one prompt's mask was damaged: {wanted.keys() - masks.keys()} gone"
        else:
            assert not unlike(before, found), f"{name} was damaged: {unlike(before, found)}"


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
