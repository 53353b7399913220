"""A walk through a session in a viewer without a window: what a person does to layers, and that both agree after it.

Rows of the prompt layers and the document say the same, the labels in view are the session's, undo brings back what was
there. Jobs run on the spot (`InlineRunner`), so every step ends with all masks of prompts shown.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from disc_predictor import DiscPredictor
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from napari.components import ViewerModel
from torture.pictures import Picture, between, unlike
from torture.scene import FRAMES, HEIGHT, REFUSALS, WIDTH, Box, in_words, movie
from torture.session_walk import BOX, FRAME, PICK, SPOT
from torture.steps import Steps

from napari_sam2.session.session import Session
from napari_sam2.viewer import InlineRunner, bind, image_source

OBJECTS = st.integers(1, 3)


class ViewerWalk(RuleBasedStateMachine):
    """A viewer with a movie, a session bound to it, and what the person was told."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="walk"))
        self.folder = self.place / "walk.sam2"
        self.told: list[str] = []
        self.viewer = ViewerModel()
        self.image = self.viewer.add_image(movie(), name="movie", contrast_limits=(0, 200))
        source = image_source(self.image, point=self.viewer.dims.point)
        self._bind(Session.open(source.stack, settings=source.settings, predictor=DiscPredictor()))

    def teardown(self) -> None:
        self.binding.unbind()
        self.session.close()
        shutil.rmtree(self.place, ignore_errors=True)

    # prompt layers

    @rule(one=OBJECTS, frame=FRAME, spot=SPOT, inside=st.booleans())
    def click(self, one: int, frame: int, spot: tuple[int, int], inside: bool) -> None:
        def add() -> None:
            self.binding.current.choose(one, "in" if inside else "out")
            self._points().add((frame, *spot))

        self._edit(add)

    @rule(spot=st.tuples(st.integers(-9, HEIGHT + 9), st.integers(-9, WIDTH + 9)), frame=st.integers(-1, FRAMES))
    def click_anywhere(self, spot: tuple[int, int], frame: int) -> None:
        self._edit(lambda: self._points().add((frame, *spot)))

    @precondition(lambda self: self.binding.prompts.points is not None and len(self.binding.prompts.points.data))
    @rule(pick=PICK, by=st.tuples(st.integers(-5, 5), st.integers(-5, 5)), frames=st.sampled_from((0, 0, 1)))
    def move_point(self, pick: int, by: tuple[int, int], frames: int) -> None:
        points = self._points()
        data = points.data.copy()
        data[pick % len(data)] += (frames, *by)
        self._edit(lambda: setattr(points, "data", data))

    @precondition(lambda self: self.binding.prompts.points is not None and len(self.binding.prompts.points.data))
    @rule(picks=st.sets(PICK, min_size=1, max_size=3))
    def delete_points(self, picks: set[int]) -> None:
        points = self._points()

        def delete() -> None:
            points.selected_data = {pick % len(points.data) for pick in picks}
            points.remove_selected()

        self._edit(delete)

    @rule(one=OBJECTS, frame=FRAME, box=BOX, kind=st.sampled_from(("rectangle", "rectangle", "polygon", "ellipse")))
    def draw(self, one: int, frame: int, box: Box, kind: str) -> None:
        y, x, height, width = box
        corners = [(frame, y, x), (frame, y, x + width), (frame, y + height, x + width), (frame, y + height, x)]

        def add() -> None:
            self.binding.current.choose(one, "in")
            self._shapes().add(np.array(corners, float), shape_type=kind)

        self._edit(add)

    @precondition(lambda self: self.binding.prompts.shapes is not None and self.binding.prompts.shapes.nshapes)
    @rule(picks=st.sets(PICK, min_size=1, max_size=2))
    def delete_shapes(self, picks: set[int]) -> None:
        shapes = self._shapes()

        def delete() -> None:
            shapes.selected_data = {pick % shapes.nshapes for pick in picks}
            shapes.remove_selected()

        self._edit(delete)

    @precondition(lambda self: self.binding.prompts.points is not None and len(self.binding.prompts.points.data))
    @rule(pick=PICK, one=st.sampled_from((1, 2, 3, 0, -4)))
    def write_an_id(self, pick: int, one: int) -> None:
        points = self._points()
        table = points.features.copy()
        table.loc[pick % len(table), "object_id"] = one
        self._edit(lambda: setattr(points, "features", table))

    # masks

    @rule(one=st.integers(0, 3), frame=FRAME, spot=SPOT)
    def paint(self, one: int, frame: int, spot: tuple[int, int]) -> None:
        def stroke() -> None:
            self.binding.show_frame(frame)
            layers = self.binding.labels.layers
            layer = layers.get(0) or layers.get(one) or next(iter(layers.values()), None)
            if layer is not None:
                layer.brush_size = 5
                layer.paint((frame, *spot), one)

        self._edit(stroke)

    @rule(one=OBJECTS, other=OBJECTS, frame=FRAME, what=st.sampled_from(("merge", "swap", "remove")))
    def join(self, one: int, other: int, frame: int, what: str) -> None:
        edits = {
            "merge": lambda: self.session.merge_objects(one, other),
            "swap": lambda: self.session.swap_objects(one, other, frame),
            "remove": lambda: self.session.remove_object(one),
        }
        self._edit(edits[what])

    @rule(one=OBJECTS, locked=st.sampled_from((True, False, False)))
    def lock_or_unlock(self, one: int, locked: bool) -> None:
        self._edit(lambda: self.session.set_locked(one, locked))

    @rule(one=OBJECTS, visible=st.booleans())
    def show_or_hide(self, one: int, visible: bool) -> None:
        self._edit(lambda: self.session.set_visible(one, visible))

    # keys

    @rule(steps=st.integers(1, 3))
    def undo(self, steps: int) -> None:
        for _ in range(steps):
            self.steps.undo(self.binding.undo)

    @rule(steps=st.integers(1, 3))
    def redo(self, steps: int) -> None:
        for _ in range(steps):
            self.steps.redo(self.binding.redo)

    @rule(
        direction=st.sampled_from(("both", "forward", "backward")),
        most=st.sampled_from((None, None, 1, 3)),
        stale=st.booleans(),
    )
    def propagate(self, direction: str, most: int | None, stale: bool) -> None:
        before, left = Picture.of(self.session), itertools.count(1)

        def stop_after() -> None:
            if most is not None and self.binding.work.is_propagating and next(left) > most:
                self.binding.stop()

        self.binding.work.changed.connect(stop_after)
        try:
            self.binding.propagate(direction, only_stale=stale)
        finally:
            self.binding.work.changed.disconnect(stop_after)
        after = Picture.of(self.session)
        kept = {key for key, _ in before.masks if key[0] in before.document.locked} | set(before.painted)
        changed = [key for key in sorted(kept) if dict(before.masks)[key] != dict(after.masks).get(key)]
        assert not changed, f"a run changed the painted or locked masks {changed}"

    @rule(frame=FRAME)
    def show_frame(self, frame: int) -> None:
        self.binding.show_frame(frame)

    @rule(key=st.sampled_from(("next_object", "previous_object", "new_object", "flip_polarity", "next_suspicious")))
    def press(self, key: str) -> None:
        getattr(self.binding, key)()

    @rule(changes=st.sampled_from(({"overlaps": "keep"}, {"overlaps": "allowed"}, {"overlaps": "logits"})))
    def choose_overlaps(self, changes: dict[str, Any]) -> None:
        self._change(changes)

    @rule(changes=st.sampled_from(({"even_out": True}, {"even_out": False}, {"object_diameter_px": 14.0})))
    def change_settings(self, changes: dict[str, Any]) -> None:
        self._change(changes)

    # layers and files

    @precondition(lambda self: self.binding.layers())
    @rule(pick=PICK)
    def delete_a_layer(self, pick: int) -> None:
        before, layers = Picture.of(self.session), self.binding.layers()
        self.viewer.layers.remove(layers[pick % len(layers)])
        self._same(before, "deleting a layer")

    @rule()
    def make_layers(self) -> None:
        before = Picture.of(self.session)
        self.binding.make_layers()
        self._same(before, "making layers")
        assert self.binding.prompts.points is not None
        assert self.binding.prompts.shapes is not None

    @rule()
    def move_layers(self) -> None:
        before = Picture.of(self.session)
        self.viewer.layers.move(0, len(self.viewer.layers))
        self._same(before, "moving a layer")

    @rule()
    def save(self) -> None:
        before = Picture.of(self.session)
        self.session.save(self.folder)
        self._same(before, "saving")

    @precondition(lambda self: self.session.folder is not None)
    @rule(dies=st.booleans())
    def reopen(self, dies: bool) -> None:
        """In another viewer; or the copy that a process which dies has left."""
        before, folder = Picture.of(self.session), self.folder
        if dies:
            self.session.saving.queue.flush()
            folder = Path(tempfile.mkdtemp(dir=self.place)) / "copy.sam2"
            shutil.copytree(self.folder, folder)
            (folder / ".lock").unlink(missing_ok=True)
        self.binding.unbind()
        self.session.close()
        self.folder = folder
        self.viewer = ViewerModel()
        self.image = self.viewer.add_image(movie(), name="movie", contrast_limits=(0, 200))
        session = Session.open(folder, predictor=DiscPredictor())
        assert not session.notes, f"notes without damage: {session.notes}"
        found = Picture.of(session)
        said = between([before], found) if dies else unlike(before, found)
        self.steps.follow(session)
        self._bind(session, self.steps)
        assert not said, f"reopening: {said}"
        self._same(found, "binding")

    # what always holds

    @invariant()
    def rows_say_what_the_document_says(self) -> None:
        self.binding.poll()
        document, prompts = self.session.document, self.binding.prompts
        if prompts.points is not None:
            said = sorted(
                (key, y, x, bool(label))
                for key, prompt in document.prompts.items()
                for (y, x), label in zip(prompt.points_yx, prompt.labels, strict=True)
            )
            shown = sorted(self._usable(prompts.points))
            assert said == shown, f"clicks of the document {said}, rows of the layer {shown}"
        if prompts.shapes is not None:
            boxes = sorted(key for key, prompt in document.prompts.items() if prompt.box_yx is not None)
            rows = self._shape_keys()
            assert boxes == sorted(key for key, kind in rows if kind == "rectangle"), f"boxes {boxes}, rows {rows}"
            outlined = {key for key, kind in rows if kind != "rectangle"}
            masks = {key for key, prompt in document.prompts.items() if prompt.mask is not None}
            assert outlined <= masks, f"outlines {outlined} are shown, masks are {masks}"

    @invariant()
    def labels_show_the_masks(self) -> None:
        self.binding.flush()
        layers, frame = self.binding.labels.layers, self.binding.frame
        if self.session.settings.overlaps != "allowed":
            assert set(layers) <= {0}
        else:
            assert set(layers) <= set(self.session.document.objects)
        for key, layer in layers.items():
            wanted = self.session.labels(frame, key or None)
            assert np.array_equal(np.asarray(layer.data[frame]), wanted), f"layer {key} holds other labels"
            if layer in self.viewer.layers and round(self.viewer.dims.point[0]) == frame:
                assert np.array_equal(np.asarray(layer._slice.image.raw), wanted), f"layer {key} shows other labels"

    # how it is done and looked at

    def _bind(self, session: Session, steps: Steps | None = None) -> None:
        self.session, self.steps = session, steps or Steps(session)
        self.binding = bind(self.viewer, session, self.image, InlineRunner(session), notify=self.told.append)
        self.binding.redraw.clock = itertools.count().__next__  # a second between looks, so a refresh is always due

    def _points(self) -> Any:
        if self.binding.prompts.points is None:
            self.binding.make_layers()
        return self.binding.prompts.points

    def _shapes(self) -> Any:
        if self.binding.prompts.shapes is None:
            self.binding.make_layers()
        return self.binding.prompts.shapes

    def _same(self, before: Picture, what: str) -> None:
        said = unlike(before, Picture.of(self.session))
        assert not said, f"{what}: {said}"

    def _edit(self, edit: Callable[[], object]) -> None:
        """Do something to a layer or to the session; each of them is one step, or none where it was refused."""
        before, depth = Picture.of(self.session), self.steps.told
        try:
            edit()
            self.binding.poll()
        except REFUSALS as error:
            in_words(error)
            self._same(before, "a refused edit")
            return
        after = Picture.of(self.session)
        locked = before.document.locked & after.document.locked
        for one in sorted(locked):
            assert before.of_object(one) == after.of_object(one), f"the locked object {one} was changed"
        steps = self.steps.told - depth
        if unlike(before, after):
            assert steps, "what was done is no step"
        if steps == 1:
            self.steps.made(before, after)
        elif steps:
            self.steps.forget()  # a stroke over several frames, or what waited for an object to be unlocked

    def _change(self, changes: dict[str, Any]) -> None:
        before, depth = Picture.of(self.session), self.steps.told
        self.session.change_settings(**changes)
        after = Picture.of(self.session)
        if self.steps.told == depth + 1:
            self.steps.made(before, after)
        elif unlike(before, after):
            self.steps.forget()

    def _usable(self, points: Any) -> list[tuple[tuple[int, int], float, float, bool]]:
        features, found = points.features, []
        for (frame, y, x), one, sign in zip(points.data, features["object_id"], features["polarity"], strict=True):
            inside = -0.5 <= y <= HEIGHT - 0.5 and -0.5 <= x <= WIDTH - 0.5 and 0 <= frame < FRAMES
            if inside and one >= 1:
                y, x = min(max(y, 0.0), HEIGHT - 1.0), min(max(x, 0.0), WIDTH - 1.0)
                found.append(((int(one), int(frame)), float(y), float(x), sign == "in"))
        return found

    def _shape_keys(self) -> list[tuple[tuple[int, int], str]]:
        """Object, frame and kind of each shape; of several boxes for one object on a frame the last counts."""
        shapes, rows = self.binding.prompts.shapes, []
        about = zip(shapes.data, shapes.shape_type, shapes.features["object_id"], strict=True)
        for vertices, kind, one in about:
            row = ((int(one), round(vertices[0][0])), str(kind))
            if kind == "rectangle" and row in rows:
                rows.remove(row)
            rows.append(row)
        return rows
