"""One comparison from start to table: its amounts, quick or full; its rows; and where the report goes.

BENCH_QUICK=1 asks for small images and few repeats, to see that everything runs: such numbers are a trial and are not
written into the documentation. BENCH_REPEATS asks for another number of repeats.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from benchmark.measured_on import machine
from benchmark.report import Report, Row, keep
from benchmark.sides import NAMES, OWN_PRECISION, OpenSide, take_turns, versions

T = TypeVar("T")

QUICK = os.environ.get("BENCH_QUICK", "") not in ("", "0")
MODEL = "sam2.1_hiera_t"
IMAGE_SIZE = 256 if QUICK else 1024


def amount(full: T, quick: T) -> T:
    """Return what the size of this run asks for."""
    return quick if QUICK else full


def repeats(full: int, quick: int = 2) -> int:
    """Return how often everything is run."""
    return int(os.environ.get("BENCH_REPEATS") or amount(full, quick))


def on_gpu(sides: Sequence[OpenSide]) -> bool:
    """Return whether these sides run on a GPU."""
    return sides[0].hello["device"] != "cpu"


def prepare(sides: Sequence[OpenSide], task: str, **arguments: Any) -> None:
    """Have a task ready on every side."""
    for side in sides:
        side.prepare(task, **arguments)


def seconds(
    sides: Sequence[OpenSide], times: int, task: str, warm_up: bool = True, **arguments: Any
) -> dict[str, list[float]]:
    """Return the seconds of each repeat of a task by side."""
    prepare(sides, task, **arguments)
    answers = take_turns(sides, times, warm_up)
    return {name: [answer["seconds"] for answer in found] for name, found in answers.items()}


def in_milliseconds(what: str, found: Mapping[str, Sequence[float]], **more: Any) -> Row:
    """Return the row of what was measured in seconds."""
    return Row(what, "ms", {name: [1e3 * value for value in values] for name, values in found.items()}, **more)


def publish(
    name: str,
    rows: Sequence[Row],
    sides: Sequence[OpenSide],
    columns: Mapping[str, str] = NAMES,
    base: str = "ours",
    compared: Sequence[str] | None = None,
) -> Report:
    """Return the report of a comparison after printing and keeping it; results of a GPU go by a name of their own.

    Parameters
    ----------
    base, compared
        What the columns are compared with, and which of them are; all where None. The official package is compared
        with this project in its own precision, too.
    """
    there = {key: title for key, title in columns.items() if any(key in row.columns for row in rows)}
    others = [key for key in there if key not in (base, OWN_PRECISION) and (compared is None or key in compared)]
    pairs = [(key, base) for key in others]
    if OWN_PRECISION in there and "official" in others:
        pairs.insert(1, ("official", OWN_PRECISION))
    report = Report(
        name=f"{name}_gpu" if on_gpu(sides) else name,
        columns=there,
        compared=pairs,
        rows=rows,
        machine=machine(sides[0].hello, versions(sides)),
    )
    path = keep(report, QUICK)
    print(f"\n{report.as_markdown()}\n\n{path}")
    return report
