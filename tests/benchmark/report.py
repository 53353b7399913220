"""What was measured, kept: a JSON file per benchmark in ``docs/benchmarks``, and its table in ``docs/benchmarks.md``.

A `Report` holds rows of repeated measurements; `keep` writes both files. With BENCH_QUICK=1 numbers are only a trial:
they go to ``runs/benchmarks``, and the documentation stays as it is. Results of a GPU have a file and a table of their
own. Nothing is measured here.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TRIALS = ROOT / "runs" / "benchmarks"
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured, by column: every repeat, in the unit of the row.

    Attributes
    ----------
    ratio
        Whether the columns are compared; less is better in all rows.
    note
        What a reader must know of this row.
    """

    what: str
    unit: str
    columns: Mapping[str, Sequence[float]]
    ratio: bool = True
    note: str = ""

    def median(self, column: str) -> float | None:
        """Return the median of the repeats, None where nothing was measured."""
        values = self.columns.get(column)
        return statistics.median(values) if values else None


@dataclass(frozen=True, slots=True)
class Report:
    """A table.

    Attributes
    ----------
    name
        Of the JSON file, and of the place in the documentation.
    base
        The column with which the others are compared.
    columns
        Name of each column in the rows, and what it is called in the table.
    compared
        The columns that are compared with it.
    machine
        On what, with what and when it was measured.
    """

    name: str
    base: str
    columns: Mapping[str, str]
    compared: Sequence[str]
    rows: Sequence[Row]
    machine: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return everything: each repeat, the medians, and the ratios to the base column."""
        rows = [
            {
                "what": row.what,
                "unit": row.unit,
                "repeats": {name: list(values) for name, values in row.columns.items()},
                "medians": {name: row.median(name) for name in row.columns},
                "ratios": {name: times(row, name, self.base) for name in self.compared if name in row.columns},
                **({"note": row.note} if row.note else {}),
            }
            for row in self.rows
        ]
        return {"name": self.name, "machine": dict(self.machine), "rows": rows}

    def as_markdown(self) -> str:
        """Return the table, the notes of its rows, and the machine in one line."""
        head = [
            "",
            *self.columns.values(),
            *(f"{self.columns[name]} / {self.columns[self.base]}" for name in self.compared),
        ]
        lines = [_line(head), _line(["---", *("---:" for _ in head[1:])])]
        for row in self.rows:
            measured = [_number(row.median(name), row.unit) for name in self.columns]
            lines.append(_line([row.what, *measured, *(_times(times(row, name, self.base)) for name in self.compared)]))
        blocks = ["\n".join(lines), "\n".join(self._notes()), describe(self.machine)]
        return "\n\n".join(block for block in blocks if block)

    def _notes(self) -> list[str]:
        """Return each note once, with the rows that it is about."""
        about: dict[str, list[str]] = {}
        for row in self.rows:
            if row.note:
                about.setdefault(row.note, []).append(row.what)
        return [f"- {' and '.join(rows)}: {note}" for note, rows in about.items()]


def times(row: Row, column: str, base: str) -> float | None:
    """Return how many times as much the column takes as the base, None where that says nothing."""
    other, ours = row.median(column), row.median(base)
    return None if other is None or not ours or ours < 0 or not row.ratio else other / ours


def describe(machine: Mapping[str, Any]) -> str:
    """Return machine, versions, commit and date in one line."""
    if not machine:
        return ""
    versions = ", ".join(f"{name} {version}" for name, version in machine.get("versions", {}).items())
    words = [
        f"{machine['processor']}, {machine['cores']} cores, threads: {machine['threads']}, {machine['memory_gb']} GB",
        f"device {machine['device']}",
        versions,
        f"commit {machine['commit']}",
        str(machine["date"]),
    ]
    return "; ".join(word for word in words if word)


def keep(report: Report, quick: bool, docs: Path = DOCS, trials: Path = TRIALS) -> Path:
    """Return the JSON file that was written; its table is written into ``benchmarks.md`` unless this was a trial.

    Raises
    ------
    ValueError
        The documentation has no place of that name.
    """
    folder = trials if quick else docs / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.name}.json"
    path.write_text(json.dumps(report.as_json(), indent=1) + "\n")
    if not quick:
        page = docs / "benchmarks.md"
        text = put_between(page.read_text(), report.name, report.as_markdown())
        page.write_text(put_between(text, "files", files_list(folder)))
    return path


def put_between(text: str, name: str, block: str) -> str:
    """Return the text with everything between the two comments of that name replaced.

    Raises
    ------
    ValueError
        The comments are not there once each.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    found = pattern.findall(text)
    if len(found) != 1:
        raise ValueError(f"{begin} ... {end} stands {len(found)} times in the page; it must stand there once")
    return pattern.sub(lambda _: f"{begin}\n{block}\n{end}", text)


def files_list(folder: Path) -> str:
    """Return links to all results in a folder, by name."""
    return "\n".join(f"- [{path.name}](benchmarks/{path.name})" for path in sorted(folder.glob("*.json")))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, unit: str) -> str:
    """Return three significant digits and the unit."""
    if value is None:
        return NOTHING
    digits = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits} {unit}".rstrip()


def _times(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.0f} x" if value >= 100 else f"{value:.3g} x"
