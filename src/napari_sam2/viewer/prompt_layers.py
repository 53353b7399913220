"""One Points and one Shapes layer that show the document's prompts, and through which a person edits them.

Both ways by difference: `changes` says what the rows that a person touched mean otherwise than the document, `show`
changes the rows of those prompts only that mean something else than the document. An edit that cannot be a prompt is
refused: `withdraw` takes its rows back at once and says why. Rows of an adopted layer that never were prompts stay, and
are told of once. A layer that is not there says nothing, so deleting one deletes no prompt. The binding calls all of
these; nothing here changes a document.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from napari_sam2.viewer.outlines import Outlines
from napari_sam2.viewer.prompt_rows import (
    NOTHING,
    PromptRow,
    Reading,
    box_row,
    checked_id,
    point_rows,
    read_rows,
    without_rows,
)
from napari_sam2.viewer.running import Notify
from sam2_core.errors import PromptError

Array = np.ndarray[Any, Any]
SMALLEST_MOVE_PX = 0.005
"""Smaller differences of coordinates are rounding: Shapes keep 32 bits."""
_WORDS = {"point": "The click", "rectangle": "The box"}
_DONE = (ActionType.ADDED, ActionType.REMOVED, ActionType.CHANGED)


@dataclass(frozen=True, slots=True)
class _Look:
    """What a layer held and meant when it was looked at, and which of its rows were refused then, with the reasons.

    `lost` are the prompts of which a refused row was part before.
    """

    contents: list[tuple[Any, ...]]
    reading: Reading
    refused: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()
    lost: frozenset[PromptKey] = frozenset()


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
        self._writing = False
        self._changing = False
        self._seen: dict[int, tuple[Any, ...]] = {}
        self._looks: dict[int, _Look] = {}
        self._touched: set[PromptKey] = set()
        self._told: set[str] = set()
        self._outlines = Outlines()
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
        self._look_anew(layer)
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
            self._outlines.drawn.clear()
        self._looks.pop(id(layer), None)

    def use_grid(self, grid: Grid) -> None:
        """Read rows by other axes from now on."""
        self.grid = grid
        self.moved()

    def moved(self) -> None:
        """Look at all rows anew: the image or a layer lies elsewhere in the world."""
        for layer in self.layers():
            self._look_anew(layer)

    def close(self) -> None:
        """Let go of all layers and of the current object."""
        for layer in self.layers():
            self.detach(layer)
        self.current.changed.disconnect(self.show_current)

    def changes(self, document: Document) -> dict[PromptKey, Prompt | None]:
        """Return what rows touched since the last call say otherwise than the document; None where they are gone."""
        points, shapes = self._readings()
        touched, self._touched = self._touched, set()
        changes: dict[PromptKey, Prompt | None] = {}
        for key in sorted(touched):
            old = document.prompts.get(key)
            new = self._prompt(key, old, points, shapes)
            if not all(_alike(old, new, kind) for kind in ("clicks", "box", "mask")):
                changes[key] = new
        return changes

    def withdraw(self, document: Document) -> None:
        """Take rows back that were added or changed just now and cannot be prompts, and say why."""
        for layer in self.layers():
            look = self._looks[id(layer)]
            self._replace(layer, look.refused, [])
            self._replace(layer, _left_over(self._reading(layer), look.reading.touched), [])
            if look.refused:
                self.show(document, look.lost)
            for text in dict.fromkeys(look.reasons):
                self._notify(text)

    def remember(self, document: Document, keys: Iterable[PromptKey]) -> None:
        """Note which masks of the document are drawn by the rows, after the document has taken their changes."""
        if self.shapes is None:
            return
        reading = self._reading(self.shapes)
        for key in keys:
            self._outlines.drawn.discard(key)
            said = reading.prompts.get(key)
            if said is not None and said.mask is not None and _alike(said, document.prompts.get(key), "mask"):
                self._outlines.keep(said, self._outline_rows(self.shapes, key))

    def show(self, document: Document, keys: Iterable[PromptKey] | None = None) -> None:
        """Make the rows of some prompts, or of all, mean what the document says; rows that do already stay."""
        chosen = self._drawable(document, {*document.prompts, *self._shown_keys()} if keys is None else keys)
        if not chosen and keys is not None:
            return
        if self.points is not None:
            self._show_points(self.points, document, chosen)
        if self.shapes is not None:
            self._show_shapes(self.shapes, document, chosen)
        self.remember(document, chosen)
        self.recolour()

    def recolour(self) -> None:
        """Colour all rows by their object and mark them by their polarity."""
        for layer in self.layers():
            rows = self._reading(layer).rows
            about = [
                (0, "") if row.problem or row.key is None else (row.key[0], POLARITIES[not row.inside]) for row in rows
            ]
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
        """Tell of rows that stay although they count for nothing, of each once."""
        problems = {
            f"{layer.name}, row {index}: {problem}."
            for layer in self.layers()
            for index, problem in enumerate(self._reading(layer).problems)
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
        changed = [self._look_again(layer) for layer in self.layers()]
        if any(changed):
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
        if self.current.next_id != object_id:  # a row that was just added is selected, and the next is of another
            self.show_current()

    def _look_anew(self, layer: Points | Shapes) -> None:
        """Read all rows of a layer, and take them for what they are."""
        self._looks.pop(id(layer), None)
        self._settle(layer)

    def _settle(self, layer: Points | Shapes) -> None:
        """Read what we changed ourselves, which is refused in no case."""
        self._look_again(layer)
        self._looks[id(layer)] = replace(self._looks[id(layer)], refused=(), reasons=(), lost=frozenset())

    def _look_again(self, layer: Points | Shapes) -> bool:
        """Read the rows of a layer that have changed since it was last looked at; whether there were any."""
        old = self._looks.get(id(layer), _Look([], NOTHING))
        self._seen[id(layer)] = tables.fingerprint(layer)
        contents = tables.contents(layer)
        start, stop, end = tables.changed_rows(old.contents, contents)
        if id(layer) in self._looks and start == stop == end:
            return False
        rows = tables.rows_of(self.image, layer, start, end)
        reading = read_rows(self.grid, rows, old.reading, start, stop)
        self._touched |= reading.touched
        self._looks[id(layer)] = _refusing(_Look(contents, reading), old.reading, start, stop, end)
        return True

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Take what happens to the layers meanwhile for our own doing."""
        before, self._writing = self._writing, True
        try:
            yield
        finally:
            self._writing = before

    def _reading(self, layer: Points | Shapes) -> Reading:
        return self._looks[id(layer)].reading

    def _readings(self) -> tuple[Reading | None, Reading | None]:
        points = None if self.points is None else self._reading(self.points)
        return points, None if self.shapes is None else self._reading(self.shapes)

    def _shown_keys(self) -> list[PromptKey]:
        return [key for layer in self.layers() for key in self._reading(layer).prompts]

    def _drawable(self, document: Document, keys: Iterable[PromptKey]) -> set[PromptKey]:
        """Return those of some prompts that have rows, or get some; one that is only a mask of a program has none."""
        said = {key: document.prompts.get(key) for key in keys}
        drawn = {key for key, one in said.items() if one is not None and self._outlines.rows(one)}
        rows = self._outlines.drawn.union(self._shown_keys(), drawn)
        return {key for key, one in said.items() if key in rows or _parts(one).keys() - {"mask"}}

    def _prompt(
        self, key: PromptKey, old: Prompt | None, points: Reading | None, shapes: Reading | None
    ) -> Prompt | None:
        """Return what the layers say about an object on a frame, and the document where a layer is not there."""
        said = _parts(old)
        drawn = {"box", "mask"} if key in self._outlines.drawn else {"box"}
        for reading, kinds in ((points, {"clicks"}), (shapes, drawn)):
            if reading is not None:
                said = {kind: part for kind, part in said.items() if kind not in kinds}
                said |= _parts(reading.prompts.get(key))
        fields = {name: value for part in said.values() for name, value in part.fields().items()}
        return Prompt(*key, **fields) if fields else None

    def _show_points(self, layer: Points, document: Document, keys: set[PromptKey]) -> None:
        reading = self._reading(layer)
        unlike = {key for key in keys if not _alike(reading.prompts.get(key), document.prompts.get(key), "clicks")}
        new = [
            row
            for key in sorted(unlike & document.prompts.keys())
            for row in point_rows(document.prompts[key], self.grid)
        ]
        self._replace(layer, [index for index, key in enumerate(reading.keys) if key in unlike], new)

    def _show_shapes(self, layer: Shapes, document: Document, keys: set[PromptKey]) -> None:
        reading = self._reading(layer)
        unlike = {key for key in keys if not self._same_shapes(reading.prompts.get(key), document.prompts.get(key))}
        new: list[PromptRow] = []
        for key in sorted(unlike & document.prompts.keys()):
            prompt = document.prompts[key]
            new += box_row(prompt, self.grid)
            new += self._outlines.rows(prompt)
        self._replace(layer, [index for index, key in enumerate(reading.keys) if key in unlike], new)

    def _outline_rows(self, layer: Shapes, key: PromptKey) -> list[PromptRow]:
        rows = enumerate(self._reading(layer).rows)
        own = [index for index, row in rows if row.key == key and row.kind != "rectangle" and not row.problem]
        return [row for index in own for row in tables.rows_of(self.image, layer, index, index + 1)]

    def _replace(self, layer: Points | Shapes, gone: Collection[int], new: Sequence[PromptRow]) -> None:
        if gone or new:
            look, gone = self._looks[id(layer)], frozenset(gone)
            kept = [row for index, row in enumerate(look.contents) if index not in gone]
            reading = without_rows(self.grid, look.reading, gone)
            self._touched |= reading.touched
            self._looks[id(layer)] = _Look(kept, reading)
            with self._quietly():
                tables.replace_rows(self.image, layer, sorted(gone), new)
            self._settle(layer)

    def _same_shapes(self, said: Prompt | None, prompt: Prompt | None) -> bool:
        """Return whether the shapes of a key say what the prompt says; a mask that no row can draw needs none."""
        if said is None or said.mask is None:
            return _alike(said, prompt, "box") and (prompt is None or not self._outlines.rows(prompt))
        return _alike(said, prompt, "box") and _alike(said, prompt, "mask")


def _parts(prompt: Prompt | None) -> dict[str, PromptPart]:
    return {} if prompt is None else {part.kind: part for part in prompt.parts}


def _alike(first: Prompt | None, second: Prompt | None, kind: str) -> bool:
    """Return whether two prompts have the same part of a kind, but for rounding, or both none."""
    one, other = _parts(first).get(kind), _parts(second).get(kind)
    if one is None or other is None or one == other or kind == "mask":
        return one == other
    pairs = zip(one.fields().values(), other.fields().values(), strict=True)
    return all(len(a) == len(b) and np.abs(np.subtract(a, b)).max(initial=0) <= SMALLEST_MOVE_PX for a, b in pairs)


def _refusing(look: _Look, before: Reading, start: int, stop: int, end: int) -> _Look:
    """Return a look with the refusals among its rows from `start` to `end`, before which others up to `stop` stood."""
    rows, are_changed = look.reading.rows, stop == end
    refused = [index for index in range(start, end) if rows[index].problem]
    if are_changed:  # what never was a prompt stays in its layer
        refused = [index for index in refused if not before.rows[index].problem]
    said = "was put back" if are_changed else "was not taken"
    about = [(_WORDS.get(rows[index].kind, "The outline"), rows[index].problem.rstrip(".")) for index in refused]
    reasons = [f"{what} {said}: {problem}." for what, problem in about]
    lost = [key for index in refused if (key := before.rows[index].key) is not None] if are_changed else []
    return replace(look, refused=tuple(refused), reasons=tuple(reasons), lost=frozenset(lost))


def _left_over(reading: Reading, touched: Container[PromptKey]) -> list[int]:
    """Return the rows of touched prompts that count no longer: boxes behind a later one, a cut without its outline."""
    return [index for index, row in enumerate(reading.rows) if row.problem and row.key in touched]
