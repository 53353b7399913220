"""A session that is walked through: how it is opened, how an edit and a run are looked at, and what always holds.

What undo and redo have to bring back is in `steps`; a process that dies is played by a copy of the folder
(`crash_points`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from finding_predictor import FindingPredictor
from hypothesis.stateful import RuleBasedStateMachine, invariant
from torture.crash_points import CrashPoint, watched_disk
from torture.pictures import Picture, between, said_otherwise, unlike
from torture.scene import FRAMES, REFUSALS, in_words, movie
from torture.steps import Steps

from napari_sam2.document.prompt import Prompt
from napari_sam2.document.reviews import At
from napari_sam2.masks.stale import is_drawn
from napari_sam2.masks.stored_masks import MaskStatus
from napari_sam2.session.session import Session
from napari_sam2.session.settings import SessionSettings


class WalkedSession(RuleBasedStateMachine):
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
                assert not np.any(prompt.mask & ~mask), f"a part of the drawn mask of {key} is not shown"
        for a, b in combinations(session.document.events, 2):
            assert not a.takes_place_of(b), f"{a} and {b} are said, and one of them holds"
        daughters = [one for division in session.document.divisions for one in division.daughters]
        assert len(daughters) == len(set(daughters)), f"{session.document.divisions}: a daughter is in two"
        for place in session.document.review.decisions:
            if place.at is not At.proposal:
                about = {place.object_id, *([place.other] if place.at is At.overlap else [])}
                assert about <= set(objects), f"{place} was decided about, and one of it is gone"
            assert place.at is not At.overlap or place.object_id < place.other, f"{place} is of two in another order"
        for number, proposal in session.proposals.shown(0).items():
            assert session.document.proposals[number] == proposal
            assert proposal.is_open, f"proposal {number} is shown, and was decided about"
        for frame in (0, FRAMES - 1):
            shown = set(np.unique(session.labels(frame)).tolist()) - {0}
            assert shown <= {one for one, info in objects.items() if info.visible}

    # how it is looked at

    def _opened(self, source: Path) -> Session:
        settings = None if source.suffix == ".sam2" else SessionSettings(view="full")
        return Session.open(source, predictor=FindingPredictor(dark=100), settings=settings)

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
            in_words(error)
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
            in_words(error)
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
            self._opens_as(self.crash.copy, meanwhile)

    def _opens_as(self, folder: Path, pictures: list[Picture]) -> None:
        (folder / ".lock").unlink(missing_ok=True)
        session = self._opened(folder)
        found, notes = Picture.of(session), session.notes
        session.close()
        shutil.rmtree(folder)
        assert not notes, f"after a kill: {notes}"
        said = between(pictures, found)
        assert not said, f"after a kill: {said}"
