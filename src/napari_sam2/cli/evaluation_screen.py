"""An evaluation as a person sees it: a bar for each run while it goes on, and a table for each stack at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.cli.console import frame_progress, output, table

if TYPE_CHECKING:
    from napari_sam2.evaluation.benchmark import Begin
    from napari_sam2.evaluation.movies import Tick
    from napari_sam2.evaluation.report import About, ReportRow


@contextmanager
def shown_progress() -> Iterator[Begin]:
    """Yield what makes a bar for each run, on standard error."""
    with frame_progress() as bar:

        def begin(what: str, total: int) -> Tick:
            task = bar.add_task(what, total=total)
            return lambda: bar.advance(task)

        yield begin


def show_report(about: About, rows: Sequence[ReportRow], paths: Iterable[Path]) -> None:
    """Show the rows of each stack in a table, and where the report was written."""
    from napari_sam2.evaluation.report import table_of

    for stack in dict.fromkeys(row.stack for row in rows):
        header, cells = table_of([row for row in rows if row.stack == stack])
        shown = [line[2:] for line in cells]
        title = f"{stack}; {about.model} on {about.device}"
        output().print(table(title, header[2:], shown, right=header[3:]))
    output().print("\n".join(f"Written: {path}" for path in paths))
