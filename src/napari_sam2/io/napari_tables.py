"""What napari saves of a Points or Shapes layer as CSV, as prompts: index, axis-0, axis-1, ..., or with shape-type and
vertex-index, a row per corner.

Which axis is the frame follows from the images over which the layer lay; where none are known, the first of three is
it, in front of y and x. A point is a click, a rectangle a box, any other shape the mask of what it encloses. Without
object ids each point or shape is an object of its own, numbered from 1 in the order of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from napari_sam2.document.polygons import ellipse_outline, mask_of_polygon
from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import BoolArray, BoxYX, PointYX, box_around
from napari_sam2.io.csv_table import Row, Table
from napari_sam2.stacks import Movie
from napari_sam2.stacks.axes import letters_from_names
from sam2_core.errors import PromptError

SHAPE_TYPE = "shape-type"
_AXIS = "axis-"
LabelOf = Callable[[Row], int]
Axes = Mapping[str, str]
"""Column -> the letter of its axis."""
Images = tuple[Axes, Movie | None]
Corners = NDArray[np.float64]


def known_columns(columns: Sequence[str]) -> list[str]:
    """Return the columns that mean something in a table that has these."""
    axes = [column for column in columns if column.startswith(_AXIS)]
    return ["index", *axes, *([SHAPE_TYPE, "vertex-index"] if SHAPE_TYPE in columns else []), "object_id"]


def is_napari_table(columns: Sequence[str]) -> bool:
    """Return whether columns are those of a Points or Shapes layer."""
    return sum(column.startswith(_AXIS) for column in columns) >= 2


def napari_prompts(table: Table, name: str, movie: Movie | None, label_of: LabelOf) -> list[Prompt]:
    """Return the prompts of a table, one per point or shape, in their order.

    Parameters
    ----------
    movie
        The images under the layer, with the axis that is tracked; see the module for where there is none.
    label_of
        1 or 0 for a row: in the object or outside.

    Raises
    ------
    PromptError
        If the axes cannot be told, a value cannot be used, or a place lies where the movie is not.
    """
    axes = _axes(table.columns, name, movie)
    if SHAPE_TYPE not in table.columns:
        numbered = zip(_object_ids(table.rows), table.rows, strict=True)
        return [_click(object_id, row, (axes, movie), label_of(row)) for object_id, row in numbered]
    shapes = [list(rows) for _, rows in groupby(table.rows, key=lambda row: row.text("index") or row.text(""))]
    for rows in shapes:
        check_inside(rows[0], rows[0].text(SHAPE_TYPE) or "shape", label_of(rows[0]))
    numbered_shapes = zip(_object_ids([rows[0] for rows in shapes]), shapes, strict=True)
    return [_shape(object_id, rows, (axes, movie)) for object_id, rows in numbered_shapes]


def check_inside(row: Row, kind: str, label: int) -> None:
    """Return nothing if what is no click says where an object is, and not where it is not: else it would say so."""
    if label == 0:
        raise PromptError(f"{row.where}: a {kind} says where the object is; what lies outside is said by clicks.")


def _axes(columns: Sequence[str], name: str, movie: Movie | None) -> Axes:
    """Return what each axis column is."""
    found = [column for column in columns if column.startswith(_AXIS)]
    words = [column.removeprefix(_AXIS) for column in found]
    if not all(word.isdecimal() for word in words):
        return dict(zip(found, _named(words, name, movie), strict=True))
    found.sort(key=lambda column: int(column.removeprefix(_AXIS)))
    for letters in _possible(movie):
        if len(letters) == len(found):
            return dict(zip(found, letters, strict=True))
    if movie is None:
        raise PromptError(
            f"{name} has {len(found)} axes, and which of them is the frame follows from the images: "
            "read_prompts(path, movie) with what they are tracked along, or keep frame, y and x alone."
        )
    raise PromptError(
        f"{name} has {len(found)} axes, but {movie.stack.name} has {movie.stack.axes}; save the layer as it lies over "
        "these images."
    )


def _named(words: Sequence[str], name: str, movie: Movie | None) -> str:
    """Return the letters of axes that have names."""
    letters = letters_from_names(words)
    if "?" in letters or len(set(letters)) < len(letters) or not set("YX") <= set(letters):
        raise PromptError(f"{name} has the axes {', '.join(words)}; number them, or name each of t, z, c, y, x once.")
    in_front = set("TZ") & set(letters)
    if movie is None and len(in_front) > 1:
        raise PromptError(
            f"{name} has the axes {', '.join(words)}; say with read_prompts(path, movie) which is the frame."
        )
    if movie is not None and len(movie) > 1 and in_front and movie.track_axis not in in_front:
        raise PromptError(
            f"{name} has the axes {', '.join(words)}, but {movie.stack.name} is tracked along {movie.track_axis}; "
            "choose another axis (--track-axis), or give points that have this one."
        )
    return letters


def _possible(movie: Movie | None) -> list[str]:
    """Return the axes that a layer over the images can have: all, channels apart, those of length 1 apart, or these."""
    frame = "T" if movie is None or movie.track_axis is None else movie.track_axis
    if movie is None:
        return [f"{frame}YX", "YX"]
    shown = movie.stack.axes.replace("S", "")
    long = "".join(axis for axis in shown if axis in "YX" or movie.stack.size(axis) > 1)
    return [shown, shown.replace("C", ""), long, long.replace("C", ""), f"{frame}YX", "YX"]


def _object_ids(rows: Sequence[Row]) -> list[int]:
    """Return the object of each row: what its column says; by number where there is no such column or it is empty."""
    if any(row.text("object_id") for row in rows):
        return [row.whole("object_id") for row in rows]
    return list(range(1, len(rows) + 1))


def _click(object_id: int, row: Row, images: Images, label: int) -> Prompt:
    frame, place = _located(row, images)
    return Prompt(object_id, frame, (place,), (label,), origin=row.where)


def _located(row: Row, images: Images) -> tuple[int, PointYX]:
    """Return the frame and the place (y, x) of a row; raise `PromptError` where another axis is held elsewhere."""
    axes, movie = images
    at = {letter: row.number(column) for column, letter in axes.items()}
    tracked = next((letter for letter in "TZ" if letter in at), None) if movie is None else movie.track_axis
    for letter, held in {} if movie is None else movie.held.items():
        if round(at.get(letter, held)) != held:
            raise PromptError(
                f"{row.where}: it lies at {letter}={round(at[letter])}, but the images are held at {letter}={held}; "
                f"leave it out, or hold them there (--fixed {letter}={round(at[letter])})."
            )
    frame = round(at.get(tracked or "", 0))
    if frame < 0:
        raise PromptError(f"{row.where}: it lies on frame {frame}; frames count from 0.")
    return frame, (at["Y"], at["X"])


def _shape(object_id: int, rows: Sequence[Row], images: Images) -> Prompt:
    """Return a box for a rectangle and the mask of any other shape; raise `PromptError` if it encloses nothing."""
    kind, where = rows[0].text(SHAPE_TYPE).lower(), rows[0].where
    located = [_located(row, images) for row in rows]
    frames = {frame for frame, _ in located}
    if len(frames) != 1:
        raise PromptError(f"{where}: the {kind} reaches over frames {min(frames)} to {max(frames)}; draw it on one.")
    try:
        box, mask = _enclosed(kind, np.array([place for _, place in located]), images[1])
    except PromptError as error:
        raise PromptError(f"{where}: {kind or 'shape without a type'}: {error}") from error
    return Prompt(object_id, frames.pop(), box_yx=box, mask=mask, origin=where)


def _enclosed(kind: str, corners: Corners, movie: Movie | None) -> tuple[BoxYX | None, BoolArray | None]:
    """Return the box or the mask that a shape of corners (V, 2) stands for."""
    if kind in ("rectangle", "ellipse") and len(corners) != 4:
        raise PromptError(f"it has {len(corners)} rows; a row for each of its four corners is needed")
    size = None if movie is None else (movie.height, movie.width)
    if kind == "rectangle":
        return box_around(corners, size), None
    if kind not in ("ellipse", "polygon", "path"):
        raise PromptError("it encloses nothing; draw a rectangle, an ellipse or a polygon")
    if size is None:
        raise PromptError("its mask has the size of the images; say which with read_prompts(path, movie)")
    return None, mask_of_polygon(ellipse_outline(corners) if kind == "ellipse" else corners, size)
