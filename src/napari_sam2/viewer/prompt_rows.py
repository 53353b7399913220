"""What the rows of prompt layers mean: points, boxes and outlines with their features, as parts of prompts, and back.

A row is one point or one shape in data coordinates of the image. Reading never fails: a row that cannot be a prompt
(id 0, outside the image, another frame axis position) gets a sentence that says why and what to do, and counts for
nothing. A reading follows from the one before, so that a click among many costs what its own prompt costs. Pure values;
the layers themselves are in `prompt_tables`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

import numpy as np

from napari_sam2.document.document import PromptKey
from napari_sam2.document.polygons import ellipse_outline, mask_of_polygon
from napari_sam2.document.prompt import LARGEST_ID, Prompt
from napari_sam2.document.prompt_parts import BoxYX, PointYX, pixel_yx
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


@dataclass(frozen=True, slots=True, eq=False)
class ReadRow:
    """What one row says by itself.

    Attributes
    ----------
    kind
        As of its `PromptRow`.
    key
        Whose prompt it is part of; None where the row alone shows that it can be part of none.
    value
        A click (y, x), a box (y0, x0, y1, x1), or the corners (N, 2) of an outline.
    inside
        Its sign.
    problem
        Why it counts for nothing, or "".
    """

    kind: str
    key: PromptKey | None
    value: PointYX | BoxYX | Array | None = None
    inside: bool = True
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What all rows of a layer say.

    Attributes
    ----------
    prompts
        (object_id, frame) -> what the rows say of it.
    rows
        One per row of the layer.
    touched
        Whose rows are others than in the reading before.
    """

    prompts: Mapping[PromptKey, Prompt] = field(default_factory=dict)
    rows: tuple[ReadRow, ...] = ()
    touched: frozenset[PromptKey] = frozenset()

    @property
    def keys(self) -> tuple[PromptKey | None, ...]:
        """One per row: whose prompt it is part of, None where it counts for nothing."""
        return tuple(None if row.problem else row.key for row in self.rows)

    @property
    def problems(self) -> tuple[str, ...]:
        """One per row: why it counts for nothing, or ""."""
        return tuple(row.problem for row in self.rows)


NOTHING = Reading()


def read_rows(
    grid: Grid, rows: Sequence[PromptRow], before: Reading = NOTHING, start: int = 0, stop: int | None = None
) -> Reading:
    """Return what a layer says in which `rows` took the place of those from `start` to `stop`; all are new by default.

    Only prompts of which a row has come, gone or changed are put together anew. Of several boxes for one object on one
    frame the last counts.
    """
    stop = len(before.rows) if stop is None else stop
    fresh = [_read_row(grid, row, spot) for row, spot in zip(rows, _spots(grid, rows), strict=True)]
    read = [*before.rows[:start], *fresh, *before.rows[stop:]]
    return _reading(before, read, (*before.rows[start:stop], *fresh), grid.size)


def without_rows(grid: Grid, before: Reading, gone: Collection[int]) -> Reading:
    """Return what a layer says from which some rows were taken."""
    kept = [row for index, row in enumerate(before.rows) if index not in gone]
    return _reading(before, kept, [before.rows[index] for index in gone], grid.size)


def _reading(before: Reading, read: list[ReadRow], others: Iterable[ReadRow], size: tuple[int, int]) -> Reading:
    """Return the reading of rows; `others` are those that have come or gone."""
    touched = {row.key for row in others if row.key is not None}
    own: dict[PromptKey, list[int]] = {key: [] for key in touched}
    for index, row in enumerate(read):
        if row.key in touched:
            own[row.key].append(index)
    prompts = dict(before.prompts)
    for key, indices in own.items():
        said, problems = _put_together(key, [read[index] for index in indices], size)
        for index, problem in zip(indices, problems, strict=True):
            if read[index].problem != problem:
                read[index] = replace(read[index], problem=problem)
        prompts.pop(key, None)
        if said is not None:
            prompts[key] = said
    return Reading(prompts, tuple(read), frozenset(touched))


def _spots(grid: Grid, rows: Sequence[PromptRow]) -> list[Located]:
    """Return where each row is, all located at once."""
    if not rows:
        return []
    where = grid.locate(np.concatenate([row.vertices for row in rows]))
    ends = list(accumulate(len(row.vertices) for row in rows))
    return [
        Located(where.frames[start:end], where.places_yx[start:end], where.problems[start:end])
        for start, end in zip([0, *ends], ends, strict=False)
    ]


def _read_row(grid: Grid, row: PromptRow, spot: Located) -> ReadRow:
    try:
        key, inside = _key(row, spot), row.polarity == POLARITIES[0]
        return ReadRow(row.kind, key, _value(row.kind, spot.places_yx, grid.size, inside), inside)
    except PromptError as error:
        return ReadRow(row.kind, None, problem=str(error))


def _value(kind: str, places: Array, size: tuple[int, int], inside: bool) -> PointYX | BoxYX | Array:
    if kind == "point":
        return pixel_yx((float(places[0, 0]), float(places[0, 1])), size)
    if kind == "rectangle":
        if not inside:
            raise PromptError("a box says where an object is, so its polarity is 'in'; draw an outline for 'out'")
        return _box(places, size)
    corners = ellipse_outline(places) if kind == "ellipse" else places
    mask_of_polygon(corners, size)  # says what is wrong with it
    return corners


def _box(places: Array, size: tuple[int, int]) -> BoxYX:
    height, width = size
    y0, x0 = np.clip(places.min(axis=0), 0, size).tolist()
    y1, x1 = np.clip(places.max(axis=0), 0, size).tolist()
    if not (y0 < y1 and x0 < x1):
        raise PromptError(f"the box holds nothing of the image, which is {height} high and {width} wide")
    return y0, x0, y1, x1


def _put_together(key: PromptKey, rows: Sequence[ReadRow], size: tuple[int, int]) -> tuple[Prompt | None, list[str]]:
    """Return what rows of one object on one frame say in their order, and why each of them counts for nothing or ""."""
    problems = [""] * len(rows)
    clicks = [row for row in rows if row.kind == "point"]
    boxes = [index for index, row in enumerate(rows) if row.kind == "rectangle"]
    outlines = [index for index, row in enumerate(rows) if row.kind not in ("point", "rectangle")]
    for older in boxes[:-1]:
        problems[older] = f"object {key[0]} has a later box on frame {key[1]}, which counts; delete one"
    fields: dict[str, Any] = {}
    if clicks:
        fields |= {"points_yx": tuple(row.value for row in clicks), "labels": tuple(int(row.inside) for row in clicks)}
    if boxes:
        fields["box_yx"] = rows[boxes[-1]].value
    if outlines:
        mask = np.zeros(size, dtype=bool)
        for row in (rows[index] for index in outlines):
            drawn = mask_of_polygon(np.asarray(row.value), size)
            mask = mask | drawn if row.inside else mask & ~drawn
        fields |= {"mask": mask} if mask.any() else {}
        for index in outlines if not mask.any() else ():
            problems[index] = "nothing is left of what was outlined here; draw an outline with polarity 'in' first"
    return Prompt(*key, **fields) if fields else None, problems


def _key(row: PromptRow, spot: Located) -> PromptKey:
    object_id = checked_id(row.object_id)
    if row.polarity not in POLARITIES:
        raise PromptError(f"polarity {row.polarity!r} is unknown; write 'in' or 'out' in the features table")
    problem = next((one for one in spot.problems if one), "")
    if problem:
        raise PromptError(problem)
    frames = set(spot.frames)
    if len(frames) != 1:
        raise PromptError(f"it reaches over frames {min(frames)} to {max(frames)}; draw it on one frame")
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
