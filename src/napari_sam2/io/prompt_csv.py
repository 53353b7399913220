"""Prompts as a table: our own columns, and the CSV that napari saves of a Points layer.

Ours has one row per point or box: object_id, frame, kind, y, x, label, y0, x0, y1, x1. napari's has index, axis-0,
axis-1, ... and perhaps object_id and polarity; without object_id each point is an object of its own, numbered from 1
in the order of rows. Masks have no place in a table; JSON has one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping

from pydantic import ValidationError

from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import Box, Clicks, PromptPart
from napari_sam2.io.prompt_schema import PromptEntry, first_fault
from sam2_core.errors import PromptError

COLUMNS = ("object_id", "frame", "kind", "y", "x", "label", "y0", "x0", "y1", "x1")
_INSIDE = {"1", "1.0", "positive", "pos", "in", "inside", "true", "+", ""}
_OUTSIDE = {"0", "0.0", "-1", "negative", "neg", "out", "outside", "false", "-"}
Row = Mapping[str, str]


def parse_csv(text: str, name: str) -> list[tuple[PromptEntry, str]]:
    """Return the entries of a CSV text, one per row, each with where it stands.

    Raises
    ------
    PromptError
        If the columns are not known, or a row cannot be used; the message names the row.
    """
    reader = csv.DictReader(io.StringIO(text), restval="", skipinitialspace=True)
    columns = [column.strip() for column in reader.fieldnames or []]
    reader.fieldnames = columns
    axes = sorted(column for column in columns if column.startswith("axis-"))
    if {"object_id", "frame", "y", "x"} <= set(columns) or {"object_id", "frame", "y0", "x0", "y1", "x1"} <= set(
        columns
    ):
        parse = _own_row
    elif len(axes) >= 2:
        parse = _napari_row
    else:
        raise PromptError(
            f"{name} has the columns {', '.join(columns) or '(none)'}; expected {', '.join(COLUMNS)}, or the columns "
            "of a napari Points layer (index, axis-0, axis-1, axis-2)."
        )
    entries = []
    for number, row in enumerate(reader):
        where = f"{name}, row {reader.line_num}"
        values = {key: (value or "").strip() for key, value in row.items() if key is not None}
        if any(values.values()):
            entries.append((_entry(parse(values, where, number), where), where))
    return entries


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
            yield {"kind": "point", "y": f"{y:g}", "x": f"{x:g}", "label": label}
    elif isinstance(part, Box):
        corners = zip(("y0", "x0", "y1", "x1"), part.box_yx, strict=True)
        yield {"kind": "box"} | {key: f"{value:g}" for key, value in corners}
    else:
        raise PromptError(f"{place}: a {part.kind} cannot be written as CSV; choose a name that ends in .json.")


def _own_row(row: Row, where: str, number: int) -> dict[str, object]:
    kind = row.get("kind", "").lower() or ("box" if row.get("y0") else "point")
    entry: dict[str, object] = {key: _whole(row, key, where) for key in ("object_id", "frame")}
    if kind == "point":
        point = (_number(row, "y", where), _number(row, "x", where))
        return entry | {"points_yx": [point], "labels": [_label(row.get("label", ""), where)]}
    if kind == "box":
        return entry | {"box_yx": tuple(_number(row, key, where) for key in ("y0", "x0", "y1", "x1"))}
    raise PromptError(f"{where}: kind {kind!r}; it is point or box.")


def _napari_row(row: Row, where: str, number: int) -> dict[str, object]:
    axes = sorted((key for key in row if key.startswith("axis-")), key=lambda key: int(key.removeprefix("axis-")))
    frame = round(_number(row, axes[0], where)) if len(axes) > 2 else 0
    object_id = _whole(row, "object_id", where) if row.get("object_id") else number + 1
    point = (_number(row, axes[-2], where), _number(row, axes[-1], where))
    polarity = row.get("polarity", "") or row.get("label", "")
    return {"object_id": object_id, "frame": frame, "points_yx": [point], "labels": [_label(polarity, where)]}


def _entry(values: Mapping[str, object], where: str) -> PromptEntry:
    try:
        return PromptEntry.model_validate(values)
    except ValidationError as error:
        raise PromptError(first_fault(error, where)) from error


def _whole(row: Row, key: str, where: str) -> int:
    value = _number(row, key, where)
    if value != int(value):
        raise PromptError(f"{where}: {key} is {row[key]!r}; a whole number is needed.")
    return int(value)


def _number(row: Row, key: str, where: str) -> float:
    try:
        value = float(row[key])
    except (KeyError, ValueError):
        raise PromptError(f"{where}: {key} is {row.get(key, '')!r}; a number is needed.") from None
    if value in (float("inf"), float("-inf")) or value != value:
        raise PromptError(f"{where}: {key} is {row[key]!r}; a finite number is needed.")
    return value


def _label(word: str, where: str) -> int:
    if word.lower() in _INSIDE:
        return 1
    if word.lower() in _OUTSIDE:
        return 0
    raise PromptError(f"{where}: label {word!r}; it is 1 (in the object) or 0 (outside).")
