"""One Points and one Shapes layer that show the document's prompts, and through which a person edits them.

Both ways by difference: `changes` says what the rows mean that the document does not say yet, `show` changes the rows
of those prompts only that mean something else than the document. A row that cannot be a prompt stays in its layer and
is told of once. A layer that is not there says nothing, so deleting one deletes no prompt. The binding calls both;
nothing here changes a document.

An outline is a mask in the document. The rows that it was drawn with are kept by the mask, so that an undo brings them
back; a mask that was painted or imported has no rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.layers import Image, Points, Shapes
from napari.layers.base import ActionType
from psygnal import Signal

from napari_sam2.document.document import Document, PromptKey
from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import PromptPart
from napari_sam2.viewer import prompt_tables as tables
from napari_sam2.viewer.coordinates import Grid
from napari_sam2.viewer.current import POLARITIES, Current
from napari_sam2.viewer.prompt_rows import PromptRow, Reading, RowReader, box_row, checked_id, point_rows
from napari_sam2.viewer.running import Notify
from sam2_core.errors import PromptError

Array = np.ndarray[Any, Any]
SMALLEST_MOVE_PX = 0.005
"""Smaller differences of coordinates are rounding: Shapes keep 32 bits."""
_DONE = (ActionType.ADDED, ActionType.REMOVED, ActionType.CHANGED)


class PromptLayers:
    """The prompt layers of one image.

    `edited` is emitted after a person or a script has changed rows. `current` follows a selection, and the layers
    follow it; `notify` is told of rows that cannot be used.
    """

    edited = Signal()

    def __init__(self, image: Image, grid: Grid, current: Current, notify: Notify, color_of: tables.ColorOf) -> None:
        self.image = image
        self.grid = grid
        self.current = current
        self.points: Points | None = None
        self.shapes: Shapes | None = None
        self._notify = notify
        self._color_of = color_of
        self._readers = {"points": RowReader(grid), "shapes": RowReader(grid)}
        self._writing = False
        self._changing = False
        self._seen: dict[int, tuple[Any, ...]] = {}
        self._contents: list[tuple[Any, ...]] = []
        self._looks: dict[int, tuple[list[PromptRow], Reading]] = {}
        self._told: set[str] = set()
        self._outlined: set[PromptKey] = set()
        self._outlines: dict[bytes, list[PromptRow]] = {}
        current.changed.connect(self.show_current)

    def layers(self) -> list[Points | Shapes]:
        """Return the layers that are there."""
        return [layer for layer in (self.points, self.shapes) if layer is not None]

    def new(self, kind: type[Points | Shapes]) -> Points | Shapes:
        """Return an empty layer of a kind; it is in use once it is attached."""
        if kind is Points:
            return tables.new_points(self.image, self.grid.size, self.current)
        return tables.new_shapes(self.image, self.current)

    def attach(self, layer: Points | Shapes) -> None:
        """Take a layer in use that passes `check_adoptable`, and follow what a person does in it."""
        tables.check_adoptable(self.image, layer)
        if isinstance(layer, Points):
            self.points = layer
        else:
            self.shapes = layer
        self._note_contents()
        for emitter, callback in self._connections(layer):
            emitter.connect(callback)

    def detach(self, layer: Points | Shapes) -> None:
        """Follow a layer no longer, and count its rows for nothing from now on."""
        for emitter, callback in self._connections(layer):
            emitter.disconnect(callback)
        if layer is self.points:
            self.points = None
        elif layer is self.shapes:
            self.shapes = None
            self._outlined.clear()
        self._note_contents()

    def use_grid(self, grid: Grid) -> None:
        """Read rows by other axes from now on."""
        self.grid = grid
        self._readers = {"points": RowReader(grid), "shapes": RowReader(grid)}
        self._looks.clear()

    def moved(self) -> None:
        """Look at all rows anew: the image or a layer lies elsewhere in the world."""
        self._looks.clear()

    def close(self) -> None:
        """Let go of all layers and of the current object."""
        for layer in self.layers():
            self.detach(layer)
        self.current.changed.disconnect(self.show_current)

    def changes(self, document: Document) -> dict[PromptKey, Prompt | None]:
        """Return what the rows say otherwise than the document; None for a prompt that is gone from them."""
        points, shapes = self._read()
        wanted = {key: None for reading in (points, shapes) if reading for key in reading.prompts}
        changes: dict[PromptKey, Prompt | None] = {}
        for key in [*document.prompts, *(key for key in wanted if key not in document.prompts)]:
            old = document.prompts.get(key)
            new = self._prompt(key, old, points, shapes)
            if not all(_alike(old, new, kind) for kind in ("clicks", "box", "mask")):
                changes[key] = new
        return changes

    def remember(self, document: Document) -> None:
        """Note which masks of the document are drawn by the rows, after the document has taken their changes."""
        if self.shapes is None:
            return
        rows, reading = self._look(self.shapes)
        self._outlined.clear()
        for key, said in reading.prompts.items():
            if said.mask is not None and _alike(said, document.prompts.get(key), "mask"):
                self._outlined.add(key)
                self._outlines[_digest(said.mask)] = _outline_rows(rows, reading, key)

    def show(self, document: Document, keys: Iterable[PromptKey] | None = None) -> None:
        """Make the rows of some prompts, or of all, mean what the document says; rows that do already stay."""
        chosen = set(document.prompts) | set(self._shown_keys()) if keys is None else set(keys)
        if self.points is not None:
            self._show_points(self.points, document, chosen)
        if self.shapes is not None:
            self._show_shapes(self.shapes, document, chosen)
        self.remember(document)
        self.recolour()

    def recolour(self) -> None:
        """Colour all rows by their object and mark them by their polarity."""
        for layer, reading in zip((self.points, self.shapes), self._read(), strict=True):
            if layer is None or reading is None:
                continue
            signs = layer.features["polarity"].tolist()
            about = [(key[0], sign) if key else (0, "") for key, sign in zip(reading.keys, signs, strict=True)]
            with self._quietly():
                tables.colour_rows(layer, about, self._color_of)
        self.show_current()

    def show_current(self) -> None:
        """Let the next row of each layer be for the current object and polarity."""
        for layer in self.layers():
            with self._quietly():
                tables.colour_next(layer, self.current, self._color_of)

    def poll(self) -> None:
        """Look whether rows were pasted or typed into the features table: napari emits nothing for these."""
        if self._writing or self._changing:
            return
        for layer in self.layers():
            if len(layer.features) == len(layer.data) and tables.fingerprint(layer) != self._seen[id(layer)]:
                self._person_edited()
                return

    def tell_problems(self) -> None:
        """Tell of rows that cannot be used, of each once."""
        problems = {
            f"{layer.name}, row {index}: {problem}."
            for layer, reading in zip((self.points, self.shapes), self._read(), strict=True)
            if layer is not None and reading is not None
            for index, problem in enumerate(reading.problems)
            if problem
        }
        for text in sorted(problems - self._told):
            self._notify(text)
        self._told = problems

    def _connections(self, layer: Points | Shapes) -> list[tuple[Any, Callable[..., None]]]:
        events = layer.events
        return [
            (events.data, self._on_data),
            (events.features, self._on_features),
            (events.feature_defaults, self._on_defaults),
            (events.set_data, self._on_look),
            (events.highlight, self._on_look),
        ]

    def _on_data(self, event: Any) -> None:
        """Look when a change is finished: a shape drawn, a point dropped where it was dragged to."""
        self._changing = event.action not in _DONE
        if not self._changing:
            self._person_edited()

    def _on_features(self, event: Any) -> None:
        if not self._changing:  # a drag tells of features at each step
            self._person_edited()

    def _on_look(self, event: Any) -> None:
        self.poll()

    def _person_edited(self) -> None:
        if self._writing or any(len(layer.features) != len(layer.data) for layer in self.layers()):
            return
        contents = [tables.content(layer) for layer in self.layers()]
        if contents == self._contents:
            return
        self._note_contents()
        self.edited.emit()

    def _on_defaults(self, event: Any) -> None:
        """Follow a selection: napari makes the features of selected rows those of the next one."""
        if self._writing:
            return
        features = event.source.feature_defaults
        try:
            object_id = checked_id(features["object_id"].iloc[0])
        except PromptError as error:
            self._notify(f"{event.source.name}: {error}.")
            return
        sign = features["polarity"].iloc[0]
        self.current.choose(object_id, sign if sign in POLARITIES else None)

    def _note_contents(self) -> None:
        """Take the rows as they are now for known, and read them anew when they are next asked for."""
        self._looks.clear()
        self._contents = [tables.content(layer) for layer in self.layers()]
        self._seen = {id(layer): tables.fingerprint(layer) for layer in self.layers()}

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Take what happens to the layers meanwhile for our own doing."""
        before, self._writing = self._writing, True
        try:
            yield
        finally:
            self._writing = before

    def _look(self, layer: Points | Shapes) -> tuple[list[PromptRow], Reading]:
        """Return the rows of a layer and what they mean; looked at once until something happens to a layer."""
        if id(layer) not in self._looks:
            rows = tables.rows_of(self.image, layer)
            reader = self._readers["points" if layer is self.points else "shapes"]
            self._looks[id(layer)] = rows, reader.read(rows)
        return self._looks[id(layer)]

    def _read(self) -> tuple[Reading | None, Reading | None]:
        points = None if self.points is None else self._look(self.points)[1]
        shapes = None if self.shapes is None else self._look(self.shapes)[1]
        return points, shapes

    def _shown_keys(self) -> list[PromptKey]:
        return [key for reading in self._read() if reading is not None for key in reading.prompts]

    def _prompt(
        self, key: PromptKey, old: Prompt | None, points: Reading | None, shapes: Reading | None
    ) -> Prompt | None:
        """Return what the layers say about an object on a frame, and the document where a layer is not there."""
        said = _parts(old)
        drawn = {"box", "mask"} if key in self._outlined else {"box"}
        for reading, kinds in ((points, {"clicks"}), (shapes, drawn)):
            if reading is not None:
                said = {kind: part for kind, part in said.items() if kind not in kinds}
                said |= _parts(reading.prompts.get(key))
        fields = {name: value for part in said.values() for name, value in part.fields().items()}
        return Prompt(*key, **fields) if fields else None

    def _show_points(self, layer: Points, document: Document, keys: set[PromptKey]) -> None:
        reading = self._look(layer)[1]
        unlike = {key for key in keys if not _alike(reading.prompts.get(key), document.prompts.get(key), "clicks")}
        new = [
            row
            for key in sorted(unlike & document.prompts.keys())
            for row in point_rows(document.prompts[key], self.grid)
        ]
        self._replace(layer, reading, unlike, new)

    def _show_shapes(self, layer: Shapes, document: Document, keys: set[PromptKey]) -> None:
        reading = self._look(layer)[1]
        unlike = {key for key in keys if not self._same_shapes(reading.prompts.get(key), document.prompts.get(key))}
        new: list[PromptRow] = []
        for key in sorted(unlike & document.prompts.keys()):
            prompt = document.prompts[key]
            new += box_row(prompt, self.grid)
            if prompt.mask is not None:
                new += self._outlines.get(_digest(prompt.mask), [])
        self._replace(layer, reading, unlike, new)

    def _replace(self, layer: Points | Shapes, reading: Reading, unlike: set[PromptKey], new: list[PromptRow]) -> None:
        gone = [index for index, key in enumerate(reading.keys) if key in unlike]
        if gone or new:
            with self._quietly():
                tables.replace_rows(self.image, layer, gone, new)
            self._note_contents()

    def _same_shapes(self, said: Prompt | None, prompt: Prompt | None) -> bool:
        """Return whether the shapes of a key say what the prompt says; a mask that no row can draw needs none."""
        if said is None or said.mask is None:
            mask = None if prompt is None else prompt.mask
            return _alike(said, prompt, "box") and (mask is None or _digest(mask) not in self._outlines)
        return _alike(said, prompt, "box") and _alike(said, prompt, "mask")


def _outline_rows(rows: list[PromptRow], reading: Reading, key: PromptKey) -> list[PromptRow]:
    return [row for row, own in zip(rows, reading.keys, strict=True) if own == key and row.kind != "rectangle"]


def _parts(prompt: Prompt | None) -> dict[str, PromptPart]:
    return {} if prompt is None else {part.kind: part for part in prompt.parts}


def _alike(first: Prompt | None, second: Prompt | None, kind: str) -> bool:
    """Return whether two prompts have the same part of a kind, but for rounding of coordinates, or both none."""
    one, other = _parts(first).get(kind), _parts(second).get(kind)
    if one is None or other is None or one == other or kind == "mask":
        return one == other
    pairs = zip(one.fields().values(), other.fields().values(), strict=True)
    return all(len(a) == len(b) and np.allclose(a, b, rtol=0, atol=SMALLEST_MOVE_PX) for a, b in pairs)


def _digest(mask: Array) -> bytes:
    return hashlib.blake2b(np.packbits(mask).tobytes(), digest_size=16).digest()
