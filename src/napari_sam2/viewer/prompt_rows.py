"""What the rows of prompt layers mean: points, boxes and outlines with their features, as parts of prompts, and back.

A row is one point or one shape in data coordinates of the image. Reading never fails: a row that cannot be a prompt
(id 0, outside the image, another frame axis position) gets a sentence that says why and what to do, and counts for
nothing. Pure values; the layers themselves are in `prompt_tables`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np

from napari_sam2.document.document import PromptKey
from napari_sam2.document.polygons import ellipse_outline, mask_of_polygon
from napari_sam2.document.prompt import LARGEST_ID, Prompt
from napari_sam2.document.prompt_parts import BoxYX
from napari_sam2.viewer.coordinates import Grid, Located
from napari_sam2.viewer.current import POLARITIES
from sam2_core.errors import PromptError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class PromptRow:
    """One point or shape of a layer.

    Attributes
    ----------
    kind
        "point", or the shape type that napari gives it.
    vertices
        (V, ndim) data coordinates of the image layer; one for a point, four corners for rectangle and ellipse.
    object_id, polarity
        As they stand in the features table; anything at all may have been typed there.
    """

    kind: str
    vertices: Array
    object_id: Any
    polarity: Any


@dataclass(frozen=True, slots=True)
class Reading:
    """What all rows of a layer say.

    Attributes
    ----------
    prompts
        (object_id, frame) -> what the rows say of it.
    keys
        One per row: whose prompt it is part of, None where it counts for nothing.
    problems
        One per row: why it counts for nothing, or "".
    """

    prompts: dict[PromptKey, Prompt]
    keys: tuple[PromptKey | None, ...]
    problems: tuple[str, ...]


class RowReader:
    """Reads rows; keeps the masks of the outlines that it has seen in the last reading: drawing them takes time."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._drawn: dict[bytes, Array] = {}

    def read(self, rows: Sequence[PromptRow]) -> Reading:
        """Return what the rows say, in their order; of several boxes for one object on one frame the last counts."""
        prompts: dict[PromptKey, Prompt] = {}
        keys: list[PromptKey | None] = []
        problems: list[str] = []
        drawn: dict[bytes, Array] = {}
        boxes: dict[PromptKey, int] = {}
        for index, (row, spot) in enumerate(zip(rows, self._spots(rows), strict=True)):
            try:
                key = _key(row, spot)
                self._add(prompts, key, (row, spot.places_yx), drawn)
            except PromptError as error:
                keys.append(None)
                problems.append(str(error))
                continue
            if row.kind == "rectangle":
                older = boxes.get(key)
                if older is not None:
                    keys[older] = None
                    problems[older] = f"object {key[0]} has a later box on frame {key[1]}, which counts; delete one"
                boxes[key] = index
            keys.append(key)
            problems.append("")
        self._drawn = drawn
        return _without_empty(rows, Reading(prompts, tuple(keys), tuple(problems)))

    def _spots(self, rows: Sequence[PromptRow]) -> list[Located]:
        """Return where each row is, all located at once."""
        if not rows:
            return []
        where = self.grid.locate(np.concatenate([row.vertices for row in rows]))
        ends = list(accumulate(len(row.vertices) for row in rows))
        return [
            Located(where.frames[start:end], where.places_yx[start:end], where.problems[start:end])
            for start, end in zip([0, *ends], ends, strict=False)
        ]

    def _add(
        self,
        prompts: dict[PromptKey, Prompt],
        key: PromptKey,
        placed: tuple[PromptRow, Array],
        drawn: dict[bytes, Array],
    ) -> None:
        """Add one row to the prompt of its key; leaves it as it was if the row cannot be used."""
        row, places = placed
        older = prompts.get(key)
        inside = row.polarity == "in"
        if row.kind == "point":
            click = Prompt(*key, (self._pixel(places[0]),), (int(inside),))
            said = click if older is None else older.joined(click)
        elif row.kind == "rectangle":
            if not inside:
                raise PromptError("a box says where an object is, so its polarity is 'in'; draw an outline for 'out'")
            said = Prompt(*key, box_yx=self._box(places))
        else:
            mask = self._outline(row.kind, places, drawn)
            before = np.zeros(self.grid.size, dtype=bool) if older is None or older.mask is None else older.mask
            said = Prompt(*key, mask=before | mask if inside else before & ~mask)
        prompts[key] = said if older is None else said.completed(older)

    def _pixel(self, place: Array) -> tuple[float, float]:
        """Return a click within the centres of the outermost pixels; the half pixel around them counts to them."""
        height, width = self.grid.size
        y, x = float(place[0]), float(place[1])
        if not (-0.5 <= y <= height - 0.5 and -0.5 <= x <= width - 0.5):
            raise PromptError(
                f"y={y:.4g}, x={x:.4g} lies outside the image, which is {height} high and {width} wide; move it inside"
            )
        return min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)

    def _box(self, places: Array) -> BoxYX:
        height, width = self.grid.size
        y0, x0 = np.clip(places.min(axis=0), 0, (height, width)).tolist()
        y1, x1 = np.clip(places.max(axis=0), 0, (height, width)).tolist()
        if not (y0 < y1 and x0 < x1):
            raise PromptError(f"the box holds nothing of the image, which is {height} high and {width} wide; move it")
        return y0, x0, y1, x1

    def _outline(self, kind: str, places: Array, drawn: dict[bytes, Array]) -> Array:
        if kind == "ellipse":
            places = ellipse_outline(places)
        name = np.ascontiguousarray(places).tobytes()
        known = self._drawn.get(name)
        drawn[name] = mask_of_polygon(places, self.grid.size) if known is None else known
        return drawn[name]


def _key(row: PromptRow, spot: Located) -> PromptKey:
    object_id = checked_id(row.object_id)
    if row.polarity not in POLARITIES:
        raise PromptError(f"polarity {row.polarity!r} is unknown; write 'in' or 'out' in the features table")
    problem = next((one for one in spot.problems if one), "")
    if problem:
        raise PromptError(problem)
    frames = set(spot.frames)
    if len(frames) != 1:
        raise PromptError(f"reaches over frames {min(frames)} to {max(frames)}; draw it on one frame")
    return object_id, frames.pop()


def checked_id(value: Any) -> int:
    """Return the object id that stands in a features table.

    Raises
    ------
    PromptError
        If it is not a whole number that can be a label.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not (number.is_integer() and 1 <= number <= LARGEST_ID):
        raise PromptError(f"object id {value!s} cannot be a label; write a whole number from 1 in the features table")
    return int(number)


def point_rows(prompt: Prompt, grid: Grid) -> list[PromptRow]:
    """Return the rows of the points of a prompt."""
    coordinates = grid.place(prompt.frame, prompt.points_yx)
    signs = [POLARITIES[0] if label else POLARITIES[1] for label in prompt.labels]
    return [
        PromptRow("point", point[None], prompt.object_id, sign) for point, sign in zip(coordinates, signs, strict=True)
    ]


def box_row(prompt: Prompt, grid: Grid) -> list[PromptRow]:
    """Return the row of the box of a prompt; none without a box."""
    if prompt.box_yx is None:
        return []
    y0, x0, y1, x1 = prompt.box_yx
    corners = grid.place(prompt.frame, [(y0, x0), (y0, x1), (y1, x1), (y1, x0)])
    return [PromptRow("rectangle", corners, prompt.object_id, POLARITIES[0])]


def _without_empty(rows: Sequence[PromptRow], reading: Reading) -> Reading:
    """Return the reading with masks from which nothing is left turned into problems of their rows."""
    empty = {key for key, said in reading.prompts.items() if said.mask is not None and not said.mask.any()}
    if not empty:
        return reading
    keys, problems = list(reading.keys), list(reading.problems)
    for key in empty:
        said = reading.prompts.pop(key)
        if said.points_yx or said.box_yx is not None:
            reading.prompts[key] = replace(said, mask=None)
    for index, (row, own) in enumerate(zip(rows, reading.keys, strict=True)):
        if own in empty and row.kind not in ("point", "rectangle"):
            keys[index] = None
            problems[index] = "nothing is left of what was outlined here; draw an outline with polarity 'in' first"
    return Reading(reading.prompts, tuple(keys), tuple(problems))
