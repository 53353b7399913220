"""What the torture came to, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol


class Part(Protocol):
    """What was played."""

    title: str


class Counted(Protocol):
    """What a part came to."""

    part: Part
    results: Counter[str]
    counts: Counter[str]
    faults: list[str]
    seconds: float


def table(tallies: Sequence[Counted]) -> str:
    """Return a markdown table, a row for each part, and the faults below."""
    rows = ["| what | units | of it | time | faults |", "|---|---|---|---|---|"]
    for one in tallies:
        minutes, found = one.seconds / 60, len(one.faults)
        counts = [f"{value:,} {name}" for name, value in sorted(one.counts.items())]
        results = [f"{value:,} {name}" for name, value in sorted(one.results.items()) if name not in ("held", "fault")]
        title, units = one.part.title, sum(one.results.values())
        rows.append(f"| {title} | {units:,} | {', '.join([*counts, *results])} | {minutes:.1f} min | {found} |")
    faults = [fault for one in tallies for fault in one.faults]
    return "\n".join([*rows, "", *(f"- {fault}" for fault in faults)])


def written(tallies: Sequence[Counted], folder: Path, seed: int) -> None:
    """Write torture.md and torture.json into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    (folder / "torture.md").write_text(f"Seed {seed}, {when} UTC\n\n{table(tallies)}\n", encoding="utf-8")
    parts = [
        {
            "what": one.part.title,
            "results": dict(one.results),
            "counts": dict(one.counts),
            "seconds": round(one.seconds, 1),
            "faults": one.faults,
        }
        for one in tallies
    ]
    text = json.dumps({"seed": seed, "when": when, "parts": parts}, indent=2)
    (folder / "torture.json").write_text(text + "\n", encoding="utf-8")
