"""Tables as people's programs write them: columns by name, rows of text with where they stand, numbers out of them.

Columns may be separated by commas, semicolons or tabs, whichever the header is written with; where it is no comma,
numbers may have a decimal comma, as in half of Europe. Empty rows and columns without a name count for nothing. What
columns mean is not known here.
"""

from __future__ import annotations

import csv
import io
import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from sam2_core.errors import PromptError

_log = logging.getLogger(__name__)
SEPARATORS = (",", ";", "\t")
ALIKE = 0.7
"""Share of letters that two words have in common, from which on one is taken for the other, misspelt."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes
    ----------
    where
        File and line, for messages.
    values
        Column -> text without blanks around it; "" where there is none.
    decimal
        What else than a point stands before the decimals; "" for nothing.
    """

    where: str
    values: Mapping[str, str]
    decimal: str = ""

    def text(self, column: str) -> str:
        """Return what stands in a column, "" where nothing does."""
        return self.values.get(column, "")

    def number(self, column: str) -> float:
        """Return the finite number in a column; raise `PromptError` if there is none."""
        written = self.text(column)
        point = written.replace(self.decimal, ".") if self.decimal and "." not in written else written
        try:
            value = float(point)
        except ValueError:
            raise PromptError(f"{self.where}: {column} is {_short(written)}; a number is needed.") from None
        if not math.isfinite(value):
            raise PromptError(f"{self.where}: {column} is {_short(written)}; a finite number is needed.")
        return value

    def whole(self, column: str) -> int:
        """Return the whole number in a column; raise `PromptError` if there is none."""
        value = self.number(column)
        if not value.is_integer():
            raise PromptError(f"{self.where}: {column} is {_short(self.text(column))}; a whole number is needed.")
        return int(value)


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of a table, in lower case, and its rows; empty ones are left out."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_table(text: str, name: str) -> Table:
    """Return the table in a text, `name` being that of its file.

    Raises
    ------
    PromptError
        If a row has more values than there are columns, two columns have one name, or it is no table at all.
    """
    try:
        return _parsed(text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n"), name)
    except csv.Error as error:
        raise PromptError(f"{name} cannot be read as a table ({error}).") from error


def check_columns(table: Table, known: Sequence[str], name: str) -> None:
    """Return nothing if columns that are none of the known ones can be left unread, and warn that they are.

    Raises
    ------
    PromptError
        If one is written nearly like a known one that the table does not have: what it says would be lost.
    """
    missing = [column for column in known if column not in table.columns]
    unread = [column for column in table.columns if column and column not in known]
    for column in unread:
        meant = get_close_matches(column, missing, n=1, cutoff=ALIKE)
        if meant:
            raise PromptError(
                f"{name} has a column {_short(column)}, which is none of {', '.join(known)}; write {meant[0]} where "
                "that is meant, or give it quite another name."
            )
    if unread:
        _log.warning("%s: %s not read; known columns are %s.", name, ", ".join(map(_short, unread)), ", ".join(known))


def _parsed(text: str, name: str) -> Table:
    lines = text.split("\n")
    separator, skipped = _separator(lines)
    reader = csv.reader(io.StringIO("\n".join(lines[skipped:])), delimiter=separator, skipinitialspace=True)
    columns = tuple(column.strip().lower() for column in next(reader, []))
    twice = [column for column, count in Counter(columns).items() if column and count > 1]
    if twice:
        raise PromptError(f"{name} has the column {twice[0]} more than once; keep one.")
    rows = []
    for values in reader:
        where = f"{name}, row {reader.line_num + skipped}"
        named = _by_column([value.strip() for value in values], columns, where)
        if any(named.values()):
            rows.append(Row(where, named, "" if separator == "," else ","))
    return Table(columns, tuple(rows))


def _separator(lines: Sequence[str]) -> tuple[str, int]:
    """Return what separates columns, and how many lines stand above the header: empty ones, and `sep=;` of Excel."""
    skipped = next((number for number, line in enumerate(lines) if line.strip()), 0)
    header = lines[skipped]
    if header.lower().startswith("sep=") and header[4:] in SEPARATORS:
        return header[4:], skipped + 1
    return max(SEPARATORS, key=lambda one: len(next(csv.reader([header], delimiter=one), []))), skipped


def _by_column(values: Sequence[str], columns: Sequence[str], where: str) -> dict[str, str]:
    if any(values[len(columns) :]):
        raise PromptError(
            f"{where} has {len(values)} values for {len(columns)} columns; where numbers have decimal commas, separate "
            "the columns with semicolons."
        )
    return dict(zip(columns, values, strict=False))


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
