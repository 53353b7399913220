"""A fine-tuning as a person sees it: a table that grows with each look at the held-out frames, and a line of progress.

In a terminal both are redrawn in place; in a file or a pipe each row is printed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.text import Text

from napari_sam2.cli.console import errors, table

if TYPE_CHECKING:
    from sam2_core.training.finetuning import HeldOutLook, Progress
    from sam2_core.training.held_out_scores import Scores

COLUMNS = ("step", "loss", "IoU click", "IoU followed", "")


class FinetuneScreen:
    """Shows each `Progress` of a run while the context is open; `earlier` are the looks of a run that is resumed."""

    def __init__(self, earlier: Sequence[HeldOutLook] = ()) -> None:
        self.console = errors()
        self.table = table("Fine-tuning", COLUMNS, [], right=COLUMNS[:4])
        for look in earlier:
            self.table.add_row(*row(look.step, look.loss, look.scores))
        self.live = Live(self.table, console=self.console, refresh_per_second=4)
        self._losses: list[float] = []

    def __enter__(self) -> FinetuneScreen:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def show(self, progress: Progress) -> None:
        """Add a row where the held-out frames were looked at, and say how far it is."""
        if progress.loss is not None:
            self._losses.append(progress.loss)
        if progress.scores is not None:
            cells = row(progress.step, progress.loss, progress.scores, progress.is_best)
            self.table.add_row(*cells)
            if not self.console.is_terminal:
                named = zip(COLUMNS[:4], cells, strict=False)
                self.console.print(", ".join(f"{name} {cell}" for name, cell in named) + f" {cells[4]}".rstrip())
        self.live.update(Group(self.table, Text(self._line(progress))))

    def _line(self, progress: Progress) -> str:
        recent = self._losses[-10:]
        loss = f", loss {sum(recent) / len(recent):.3f}" if recent else ""
        return f"step {progress.step} of {progress.steps}{loss}, {progress.seconds / 60:.1f} min"


def row(step: int, loss: float | None, scores: Scores, is_best: bool = False) -> list[str]:
    """Return the cells of one look."""
    from sam2_core.training.finetune_files import look_row

    return [*look_row(step, loss, scores), "best" if is_best else ""]
