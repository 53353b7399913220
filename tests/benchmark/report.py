"""What was measured, kept: a JSON file per benchmark and processor, and their tables in ``docs/benchmarks.md``.

A `Report` holds rows of repeated measurements; `keep` writes its file, and the tables of all processors into the page:
what another machine measured stays. With BENCH_QUICK=1 numbers are only a trial:
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
    columns
        Name of each column in the rows, and what it is called in the table.
    compared
        Pairs of columns: how many times as much the first takes as the second.
    machine
        On what, with what and when it was measured.
    """

    name: str
    columns: Mapping[str, str]
    compared: Sequence[tuple[str, str]]
    rows: Sequence[Row]
    machine: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Report:
        """Return the report that a file holds."""
        rows = [
            Row(row["what"], row["unit"], row["repeats"], any(row["ratios"].values()), row.get("note", ""))
            for row in kept["rows"]
        ]
        pairs = [(one, another) for one, another in kept["compared"]]
        return cls(kept["name"], kept["columns"], pairs, rows, kept["machine"])

    @property
    def file_name(self) -> str:
        """Of its JSON file: one for each processor."""
        return f"{self.name}.{slug(self.machine)}.json"

    def as_json(self) -> dict[str, Any]:
        """Return everything: each repeat, the medians, and the ratios."""
        rows = [
            {
                "what": row.what,
                "unit": row.unit,
                "repeats": {name: list(values) for name, values in row.columns.items()},
                "medians": {name: row.median(name) for name in row.columns},
                "ratios": {f"{one} / {another}": times(row, one, another) for one, another in self.compared},
                **({"note": row.note} if row.note else {}),
            }
            for row in self.rows
        ]
        about = {"columns": dict(self.columns), "compared": [list(pair) for pair in self.compared]}
        return {"name": self.name, "machine": dict(self.machine), **about, "rows": rows}

    def as_markdown(self) -> str:
        """Return the processor, the table, the notes of its rows, and the machine in one line."""
        named = [[self.columns[column] for column in pair] for pair in self.compared]
        head = ["", *self.columns.values(), *(f"{one} / {another}" for one, another in named)]
        lines = [_line(head), _line(["---", *("---:" for _ in head[1:])])]
        for row in self.rows:
            measured = [_number(row.median(name), row.unit) for name in self.columns]
            lines.append(_line([row.what, *measured, *(_times(times(row, *pair)) for pair in self.compared)]))
        blocks = [title(self.machine), "\n".join(lines), "\n".join(self._notes()), describe(self.machine)]
        return "\n\n".join(block for block in blocks if block)

    def _notes(self) -> list[str]:
        """Return each note once, with the rows that it is about."""
        about: dict[str, list[str]] = {}
        for row in self.rows:
            if row.note:
                about.setdefault(row.note, []).append(row.what)
        return [f"- {' and '.join(rows)}: {note}" for note, rows in about.items()]


def times(row: Row, column: str, another: str) -> float | None:
    """Return how many times as much a column takes as another, None where that says nothing."""
    one, base = row.median(column), row.median(another)
    return None if one is None or not base or base < 0 or not row.ratio else one / base


def title(machine: Mapping[str, Any]) -> str:
    """Return the processor and its units, as a table is headed."""
    if not machine:
        return ""
    units = ", ".join(machine["units"]) if "units" in machine else "units not recorded"
    return f"**{machine['processor']}** ({units}), {machine['cores']} cores"


def slug(machine: Mapping[str, Any]) -> str:
    """Return the processor and its units as they stand in the name of a file."""
    words = " ".join([str(machine.get("processor", "")), *machine.get("units", ())])
    return "-".join(re.findall(r"[a-z0-9]+", words.lower())) or "unknown"


def describe(machine: Mapping[str, Any]) -> str:
    """Return machine, versions, commit and date in one line."""
    if not machine:
        return ""
    versions = ", ".join(f"{name} {version}" for name, version in machine.get("versions", {}).items())
    words = [
        f"threads: {machine['threads']}, {machine['memory_gb']} GB",
        f"device {machine['device']}",
        versions,
        f"commit {machine['commit']}",
        str(machine["date"]),
    ]
    return "; ".join(word for word in words if word)


def keep(report: Report, quick: bool, docs: Path = DOCS, trials: Path = TRIALS) -> Path:
    """Return the JSON file that was written; unless this was a trial, ``benchmarks.md`` gets the tables of all of them.

    Raises
    ------
    ValueError
        The documentation has no place of that name.
    """
    folder = trials if quick else docs / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / report.file_name
    path.write_text(json.dumps(report.as_json(), indent=1) + "\n")
    if not quick:
        page = docs / "benchmarks.md"
        text = put_between(page.read_text(), report.name, tables(folder, report.name))
        page.write_text(put_between(text, "files", files_list(folder)))
    return path


def tables(folder: Path, name: str) -> str:
    """Return the tables of one benchmark on all processors, the newest first."""
    kept = [Report.of_json(json.loads(path.read_text())) for path in folder.glob(f"{name}.*.json")]
    newest_first = sorted(kept, key=lambda report: str(report.machine.get("date", "")), reverse=True)
    return "\n\n".join(report.as_markdown() for report in newest_first)


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
