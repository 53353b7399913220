"""How a plan stands, from the records of its movies: a table of them all, a report to look at, the plan and versions.

Nothing is remembered between calls: whoever asks reads the records, while a run goes on or long after it.
"""

from __future__ import annotations

import csv
import io
import json
import platform
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata, resources
from pathlib import Path

from napari_sam2.document.plain_values import counted
from napari_sam2.io.atomic import make_folder, write_atomically
from napari_sam2.io.text_files import encoded
from napari_sam2.plates.movies import MovieTask
from napari_sam2.plates.one_movie import is_in_work
from napari_sam2.plates.plan import Plan
from napari_sam2.plates.record import PICTURE_FILE, MovieRecord, State, fingerprints, is_finished, read_record

TABLE_FILE, REPORT_FILE = "results.csv", "report.html"
_COLUMNS = ("plate", "well", "name", "state", "frames", "objects", "tracks", "divisions", "seconds")
_BEHIND = ("words", "folder", "source", "scene", "began", "host")
_PACKAGES = ("napari-sam2", "torch", "numpy", "scipy", "scikit-image", "tifffile", "zarr", "dask")
_LINE = (120, 28)
_WORDS: dict[State, str] = {
    "waiting": "○ waiting",
    "running": "▶ in work",
    "done": "✔ done",
    "failed": "✖ failed",
    "stopped": "❚❚ stopped",
    "outdated": "↻ to do again",
}


@dataclass(frozen=True, slots=True)
class PlanStatus:
    """The movies of a plan with their records, in order."""

    tasks: Sequence[MovieTask]
    records: Sequence[MovieRecord]

    @property
    def counts(self) -> Counter[State]:
        """How many movies are in which state."""
        return Counter(record.state for record in self.records)

    @property
    def failures(self) -> list[MovieRecord]:
        """Those that failed."""
        return [record for record in self.records if record.state == "failed"]

    @property
    def sentence(self) -> str:
        """How many of how many are in which state, in words."""
        counts = self.counts
        parts = [f"{counts[state]} {words.split(' ', 1)[1]}" for state, words in _WORDS.items() if counts[state]]
        return f"{counted(len(self.records), 'movie')}: {', '.join(parts)}."


def plan_status(tasks: Sequence[MovieTask], told: Mapping[Path, MovieRecord] | None = None) -> PlanStatus:
    """Return how movies stand now, as the next run would find them.

    One that is said to be in work and that nobody works on was interrupted; one that is done is outdated where its
    input, the plan or what is needed for it has changed since.

    Parameters
    ----------
    told
        Failures that a run has told of, by the folder of the movie: perhaps they could not be written down there.
    """
    told, mark = told or {}, fingerprints()
    return PlanStatus(tasks, [told.get(task.folder) or _now(task, read_record(task), mark) for task in tasks])


def _now(task: MovieTask, record: MovieRecord, mark: Callable[[MovieTask], str]) -> MovieRecord:
    """Return a record in the state that a run would find it in; of movies that are done `mark` is the fingerprint."""
    if record.state == "running" and not is_in_work(task):
        return record.model_copy(update={"state": "stopped"})
    if record.state == "done" and not is_finished(task, record, mark(task)):
        return record.model_copy(update={"state": "outdated"})
    return record


def write_summary(plan: Plan, status: PlanStatus) -> tuple[Path, Path]:
    """Return the table and the report, written to the folder of the plan's results with the plan and all versions.

    Raises
    ------
    StackError
        If they cannot be written.
    """
    folder = plan.out_folder
    make_folder(folder)
    table, report = folder / TABLE_FILE, folder / REPORT_FILE
    write_atomically(table, encoded(_table(plan, status)))
    write_atomically(folder / "plan.toml", plan.text.encode("utf-8"))
    write_atomically(folder / "versions.json", json.dumps(_versions(), indent=1).encode())
    write_atomically(report, encoded(_report(plan, status)))
    return table, report


def _table(plan: Plan, status: PlanStatus) -> str:
    """Return one row per movie as CSV; scores of movies that were judged behind the numbers."""
    scores = tuple(dict.fromkeys(name for record in status.records for name in record.scores))
    text = io.StringIO()
    writer = csv.DictWriter(text, (*_COLUMNS, *scores, *_BEHIND), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for task, record in zip(status.tasks, status.records, strict=True):
        writer.writerow({**record.model_dump(), **record.scores, "folder": _inside(plan, task)})
    return text.getvalue()


def _report(plan: Plan, status: PlanStatus) -> str:
    """Return the report as one HTML page; pictures are linked."""
    import jinja2

    page = resources.files("napari_sam2.plates").joinpath("report.html.jinja").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(page)
    rows = [
        {
            "record": record,
            "title": task.title,
            "state": _WORDS[record.state],
            "folder": _inside(plan, task),
            "picture": f"{_inside(plan, task)}/{PICTURE_FILE}" if (task.folder / PICTURE_FILE).is_file() else None,
            "line": _line(record.counts),
        }
        for task, record in zip(status.tasks, status.records, strict=True)
    ]
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return template.render(
        title=plan.out_folder.name, sentence=status.sentence, rows=rows, now=now, plan=plan.text, versions=_versions()
    )


def _line(counts: Sequence[int]) -> str:
    """Return counts over time as the points of an SVG line."""
    width, height = _LINE
    most, last = max(counts, default=0) or 1, max(1, len(counts) - 1)
    points = ((width * place / last, height - 1 - (height - 2) * count / most) for place, count in enumerate(counts))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _inside(plan: Plan, task: MovieTask) -> str:
    """Return the folder of a movie as seen from that of the plan's results."""
    folder = task.folder
    return folder.relative_to(plan.out_folder).as_posix() if folder.is_relative_to(plan.out_folder) else str(folder)


def _versions() -> dict[str, str]:
    """Return the versions of what the results depend on."""
    return {"python": platform.python_version(), "system": platform.platform(), **dict(_installed(_PACKAGES))}


def _installed(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
