"""Prompts as a table: our own columns, one row per point or box, or what napari saves of a layer (`napari_tables`).

Ours are object_id, frame, kind, y, x, label, y0, x0, y1, x1. Masks have no place in a table; JSON has one. A column
that is nearly one of the known ones is an error, for a sign that is not read turns clicks outside into clicks inside.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import Box, Clicks, PromptPart
from napari_sam2.io.csv_table import Row, check_columns, read_table
from napari_sam2.io.napari_tables import check_inside, is_napari_table, known_columns, napari_prompts
from napari_sam2.stacks import Movie
from sam2_core.errors import PromptError

COLUMNS = ("object_id", "frame", "kind", "y", "x", "label", "y0", "x0", "y1", "x1")
_POINTS, _BOXES = {"object_id", "frame", "y", "x"}, {"object_id", "frame", "y0", "x0", "y1", "x1"}
SIGNS = ("polarity", "label")
"""Columns that say whether a click lies in the object; the first that is filled counts."""
_INSIDE = {"1", "1.0", "positive", "pos", "in", "inside", "true", "+", ""}
_OUTSIDE = {"0", "0.0", "-1", "-1.0", "negative", "neg", "out", "outside", "false", "-"}


def parse_csv(text: str, name: str, movie: Movie | None = None) -> list[Prompt]:
    """Return the prompts of a CSV text, one per row or shape, in their order; see `read_prompts` for `movie`.

    Raises
    ------
    PromptError
        If the columns are not known, or a row cannot be used; the message names the row.
    """
    table = read_table(text, name)
    columns = set(table.columns)
    if columns >= _POINTS or columns >= _BOXES:
        check_columns(table, [*COLUMNS, *SIGNS[:1]], name)
        return [_own_prompt(row) for row in table.rows]
    if is_napari_table(table.columns):
        check_columns(table, [*known_columns(table.columns), *SIGNS], name)
        return napari_prompts(table, name, movie, _label)
    raise PromptError(
        f"{name} has the columns {_listed(table.columns)}; expected {', '.join(COLUMNS)}, or the columns of a napari "
        "Points or Shapes layer (index, axis-0, axis-1, axis-2), separated by commas, semicolons or tabs."
    )


def format_csv(prompts: Iterable[Prompt]) -> str:
    """Return prompts as CSV text in our own columns.

    Raises
    ------
    PromptError
        If a prompt holds a mask, or whatever else is no point and no box.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for prompt in prompts:
        where = {"object_id": prompt.object_id, "frame": prompt.frame}
        writer.writerows({**where, **row} for part in prompt.parts for row in _rows(part, prompt.place))
    return text.getvalue()


def _rows(part: PromptPart, place: str) -> Iterator[Mapping[str, object]]:
    """Yield what stands in a table about a part of a prompt."""
    if isinstance(part, Clicks):
        for (y, x), label in zip(part.points_yx, part.labels, strict=True):
            yield {"kind": "point", "y": f"{y:.12g}", "x": f"{x:.12g}", "label": label}
    elif isinstance(part, Box):
        corners = zip(("y0", "x0", "y1", "x1"), part.box_yx, strict=True)
        yield {"kind": "box"} | {key: f"{value:.12g}" for key, value in corners}
    else:
        raise PromptError(f"{place}: a {part.kind} cannot be written as CSV; choose a name that ends in .json.")


def _own_prompt(row: Row) -> Prompt:
    kind = row.text("kind").lower() or ("box" if row.text("y0") else "point")
    object_id, frame = row.whole("object_id"), row.whole("frame")
    if frame < 0:
        raise PromptError(f"{row.where}: frame is {frame}; frames count from 0.")
    if kind == "point":
        point = (row.number("y"), row.number("x"))
        return Prompt(object_id, frame, (point,), (_label(row),), origin=row.where)
    if kind == "box":
        check_inside(row, kind, _label(row))
        y0, x0, y1, x1 = (row.number(key) for key in ("y0", "x0", "y1", "x1"))
        return Prompt(object_id, frame, box_yx=(y0, x0, y1, x1), origin=row.where)
    raise PromptError(f"{row.where}: kind {kind[:40]!r}; it is point or box.")


def _label(row: Row) -> int:
    word = next(filter(None, map(row.text, SIGNS)), "")
    if word.lower() in _INSIDE:
        return 1
    if word.lower() in _OUTSIDE:
        return 0
    raise PromptError(f"{row.where}: label {word[:40]!r}; it is 1 (in the object) or 0 (outside).")


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(columns)[:300] or "(none)"
