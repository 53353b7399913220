"""Where the command line writes: results to standard output, messages and progress to standard error.

Consoles are made when they are needed, so that they follow a redirected stream. Nothing here knows what is written, and
nothing in it is markup: "napari-sam2[all]" and "movie[1].tif" are shown as they are.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text


def output() -> Console:
    """Return a console for results; in a file or a pipe it does not cut lines, and what that cannot hold is escaped."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = max(console.width, 160)
    return console


def errors() -> Console:
    """Return a console for messages and progress."""
    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def frame_progress() -> Progress:
    """Return a progress bar that counts frames and shows the time left."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True, highlight=False))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str | Text]], right: Sequence[str] = ()) -> Table:
    """Return a table of cells, text that may have a style; columns named in `right` are aligned to the right."""
    made = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made
