"""A walk through a session: each rule is a thing that a person does, in any order.

`_edit` makes an edit and looks at what it must not touch, `_work` a run (`walked_session`); `file_rules` are files.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from torture.file_rules import FileRules
from torture.linked import added_to_known
from torture.pictures import Picture, said_otherwise, unlike
from torture.scene import FRAMES, HEIGHT, REFUSALS, WIDTH, Box, in_words, rectangle

from napari_sam2.document.prompt import Prompt
from napari_sam2.document.track_events import EventKind, TrackEvent
from napari_sam2.masks.stored_masks import MaskStatus
from napari_sam2.session.linked import LinkedObjects

OBJECTS = st.sampled_from((1, 2, 3, 4, 70000))
FRAME = st.integers(0, FRAMES - 1)
ROWS, COLUMNS = st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1)
SPOT = st.tuples(ROWS, COLUMNS)
BOX = st.tuples(st.integers(0, HEIGHT - 9), st.integers(0, WIDTH - 9), st.integers(2, 8), st.integers(2, 8))
CUTS = ("break", "connect", "divide", "end", "begin", "absent")
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


class SessionWalk(FileRules):
    """Edits, runs and settings."""

    # prompts

    @rule(one=OBJECTS, frame=FRAME, spot=SPOT, inside=st.booleans())
    def add_point(self, one: int, frame: int, spot: tuple[int, int], inside: bool) -> None:
        self._edit(lambda: self.session.add_points(one, frame, [spot], [int(inside)]), {one})

    @rule(one=OBJECTS, frame=FRAME, box=BOX)
    def add_box(self, one: int, frame: int, box: Box) -> None:
        y, x, height, width = box
        self._edit(lambda: self.session.add_box(one, frame, (y, x, y + height, x + width)), {one})

    @rule(one=OBJECTS, frame=FRAME, box=BOX)
    def add_mask(self, one: int, frame: int, box: Box) -> None:
        self._edit(lambda: self.session.add_mask(one, frame, rectangle(box)), {one})

    @rule(one=OBJECTS, frame=FRAME, corners=st.lists(SPOT, min_size=3, max_size=4))
    def add_polygon(self, one: int, frame: int, corners: list[tuple[int, int]]) -> None:
        self._edit(lambda: self.session.add_polygon(one, frame, corners), {one})

    @rule(frame=FRAME, first=BOX, second=BOX)
    def add_labels(self, frame: int, first: Box, second: Box) -> None:
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
    def paint(self, one: int, frame: int, box: Box, adds: bool) -> None:
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

    @rule(a=OBJECTS, b=OBJECTS, frame=FRAME, later=FRAME, verb=st.sampled_from(CUTS))
    def cut(self, a: int, b: int, frame: int, later: int, verb: str) -> None:
        surgery, before = self.session.surgery, self._picture()
        verbs = {
            "break": lambda: surgery.break_here(a, frame),
            "connect": lambda: surgery.connect((a, frame), (b, later)),
            "divide": lambda: surgery.divide_here(a, frame, [a, b]),
            "end": lambda: surgery.end_here(a, frame),
            "begin": lambda: surgery.begin_here(a, frame),
            "absent": lambda: surgery.absent(a, frame, later),
        }
        if self._edit(verbs[verb], {*before.document.objects}) and verb in ("break", "connect", "divide"):
            after = self._picture()
            kept, there = ([m for _, m in one.masks if not m.is_empty] for one in (after, before))
            if verb != "break":  # what only a run made of the first one goes
                kept, there = ([m for m in some if not m.status.is_made_by_run] for some in (kept, there))
            assert sorted(hash(m.packed) for m in kept) == sorted(hash(m.packed) for m in there), "a mask came or went"

    @rule(one=OBJECTS, frame=FRAME, later=FRAME, kind=st.sampled_from(EventKind))
    def say_event(self, one: int, frame: int, later: int, kind: EventKind) -> None:
        event = TrackEvent(one, frame, kind, later if kind is EventKind.absent else None)
        if self._edit(lambda: self.session.lineage.add_event(event), set()):
            said = self.session.document.events
            assert event in said or kind is EventKind.absent, f"{event} was said, and is not there"

    @rule()
    def relink(self) -> None:
        if self._edit(self.session.relink, {*self.session.document.objects}):
            before = self._picture()
            assert self.session.relink() == (), "what was linked anew was linked anew again"
            self._same(before, "linking anew again")

    @rule(accepts=st.booleans())
    def review(self, accepts: bool) -> None:
        item = self.session.review.next()
        if item is not None:
            decide = self.session.review.accept if accepts else self.session.review.dismiss
            self._edit(lambda: decide(item), set())
            assert item.place not in {one.place for one in self.session.review.items()}, "what was decided is open"

    # proposals

    @rule(frame=FRAME, first=BOX, second=BOX, source=st.sampled_from(("a", "b")))
    def propose(self, frame: int, first: Box, second: Box, source: str) -> None:
        labels = np.where(rectangle(first), 2, 70000 * rectangle(second)).astype(np.uint32)
        self._edit(lambda: self.session.proposals.from_labels(labels, source, frame, None), set())

    @rule(frame=FRAME, left=st.booleans())
    def find(self, frame: int, left: bool) -> None:
        region = (0, 0, HEIGHT, WIDTH // 2) if left else None
        self._edit(lambda: self.session.proposals.find(frame, region=region), set())

    @rule(frame=FRAME, at=st.none() | SPOT)
    def accept(self, frame: int, at: tuple[int, int] | None) -> None:
        chosen, before = self.session.proposals.chosen(frame, point_yx=at), self._picture()
        proposals, made = self.session.document.proposals, list[int]()
        if self._edit(lambda: made.extend(self.session.proposals.accept(chosen)), set()):
            assert not set(made) & before.document.objects.keys(), "an object was overwritten"
            assert bool(made) == bool(chosen), "the surest that is shown was not accepted"
            drawn = [self.session.document.prompts[one, frame].drawn for one in made]
            assert set(drawn) <= {proposals[number].mask for number in chosen}
            assert not set(chosen) & self.session.proposals.shown(frame).keys(), "what was accepted is still shown"

    @rule(everywhere=st.booleans(), fills=st.booleans())
    def link(self, everywhere: bool, fills: bool) -> None:
        """All that is found is linked, the objects that are there with it; what a person made of them stays."""
        if everywhere:
            self._edit(lambda: self.session.proposals.find(None), set())
        before, made = self._picture(), list[LinkedObjects]()
        if not self._edit(lambda: made.append(self.session.proposals.link()), {*before.document.objects}):
            return
        added_to_known(before, self._picture(), made[0])
        if fills:
            self._work(lambda: self.session.fill_gaps((*made[0].object_ids, *made[0].carried_on)), None)

    @rule(most=st.integers(1, 8), edit=PICK, one=OBJECTS, frame=FRAME, spot=SPOT)
    def edit_while_linking(self, most: int, edit: int, one: int, frame: int, spot: tuple[int, int]) -> None:
        job = self.session.proposals.link_job()
        updates = self.session.run(job)
        came = list(islice(updates, most))
        edits = (
            lambda: self.session.add_points(one, frame, [spot]),
            lambda: self.session.remove_object(one),
            lambda: self.session.proposals.accept(self.session.proposals.chosen(frame)),
            lambda: self.session.proposals.reject(self.session.proposals.chosen(frame)),
            lambda: self.session.edit_mask(one, frame, np.zeros((HEIGHT, WIDTH), bool)),
            lambda: self.session.set_locked(one, True),
            lambda: self.session.surgery.break_here(one, frame),
            self.session.undo,
        )
        if edit == len(edits) - 1:
            self.steps.undo(self.session.undo)
        else:
            self._edit(edits[edit], {*self.session.document.objects})
        came += updates
        before, made = self._picture(), list[LinkedObjects | None]()
        for update in came:
            if self._edit(lambda one=update: made.append(self.session.work.take(one)), {*before.document.objects}):
                added_to_known(before, self._picture(), made[-1] or LinkedObjects())

    @precondition(lambda self: self.session.proposals.chosen())
    @rule(most=st.integers(1, 3))
    def reject(self, most: int) -> None:
        chosen = self.session.proposals.chosen()[:most]
        if self._edit(lambda: self.session.proposals.reject(chosen), set()):
            assert not set(chosen) & set(self.session.proposals.chosen()), "what was rejected is still shown"

    @rule()
    def forget_proposals(self) -> None:
        if self._edit(self.session.proposals.remove, set()):
            assert not self.session.document.proposals

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
        frames=st.sampled_from((None, None, range(3), range(2, 5))),
        objects=st.sampled_from((None, None, "stale", (1,), (2, 3))),
        until=st.booleans(),
    )
    def propagate(self, direction: str, most: int | None, frames: range | None, objects: Any, until: bool) -> None:
        self._work(lambda: self.session.propagate(direction, frames, objects, until), most)

    @rule()
    def propagate_all(self) -> None:
        if not self._work(self.session.propagate, None):
            return
        job, document = self.session.propagate_job(), self.session.document
        assert job.is_empty, f"{job.spans} are missing or stale after all was propagated"
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
            in_words(error)
            self._same(before, "a refused change of settings")
            return
        after = self._picture()
        assert not said_otherwise(before, after), "settings changed the document"
        self._kept_by_work(before)
        if self.steps.told != told:
            self.steps.made(before, after)
        elif unlike(before, after):
            self.steps.forget()  # not a step: what undo brings back afterwards is not known here
