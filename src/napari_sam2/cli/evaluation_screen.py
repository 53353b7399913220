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


def show_report(about: About | None, rows: Sequence[ReportRow], paths: Iterable[Path]) -> None:
    """Show the rows of each stack in a table, and where the report was written."""
    from napari_sam2.evaluation.report import table_of

    for stack in dict.fromkeys(row.stack for row in rows):
        chosen = [row for row in rows if row.stack == stack]
        header, cells = table_of(chosen)
        if about is None:  # tracks, which have more numbers than fit into a line
            results = [row.run for row in chosen]
            lines = [list(line) for line in zip(header[2:], *(cell[2:] for cell in cells), strict=True)]
            output().print(table(stack, ["", *results], lines, right=results))
            continue
        first = 1 if chosen[0].kind == "frames" else 2  # a diameter that was found is a result
        shown = [line[first:] for line in cells]
        title = f"{stack}; {about.model} on {about.device}"
        right = [name for name in header[first:] if name != "prompt"]
        output().print(table(title, header[first:], shown, right=right))
    output().print("\n".join(f"Written: {path}" for path in paths))
