"""Undo and redo: what each edit was before and after, documents and masks both, oldest first.

A step holds values that do not change, most of them shared with what is in use, so keeping it costs little. Putting
them back is the session's business: the history only says which step it is. It is bounded by number and by the bytes
of masks that only it still keeps.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from napari_sam2.document.document import Document
from napari_sam2.masks.stored_masks import MaskChange

LONGEST = 200
LARGEST_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Step:
    """One edit, as a person sees it; `text` is what a menu calls it, for example "add a point"."""

    document_before: Document
    document_after: Document
    mask_changes: tuple[MaskChange, ...]
    text: str

    @property
    def kept_bytes(self) -> int:
        """Bytes of the masks that it replaced."""
        return sum(len(change.before.packed) for change in self.mask_changes if change.before is not None)


class History:
    """Steps that can be undone and redone.

    Parameters
    ----------
    longest
        Steps that are kept.
    largest_bytes
        Bytes of replaced masks that are kept; the latest step is kept in any case.
    """

    def __init__(self, longest: int = LONGEST, largest_bytes: int = LARGEST_BYTES) -> None:
        self._longest = longest
        self._largest_bytes = largest_bytes
        self._done: deque[tuple[Step, int]] = deque()
        self._undone: list[tuple[Step, int]] = []
        self._bytes = 0

    def push(self, step: Step) -> None:
        """Record a step that was made; what was undone before cannot be redone any more."""
        self._undone.clear()
        self._take(step, step.kept_bytes)
        while len(self._done) > max(self._longest, 1) or (self._bytes > self._largest_bytes and len(self._done) > 1):
            self._bytes -= self._done.popleft()[1]

    def undo(self) -> Step | None:
        """Return the step to take back, its `before` to be put in place; None if there is none."""
        if not self._done:
            return None
        step, size = self._done.pop()
        self._bytes -= size
        self._undone.append((step, size))
        return step

    def redo(self) -> Step | None:
        """Return the step to make again, its `after` to be put in place; None if there is none."""
        if not self._undone:
            return None
        step, size = self._undone.pop()
        self._take(step, size)
        return step

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to make again."""
        return bool(self._undone)

    @property
    def undo_text(self) -> str:
        """What would be taken back; empty if there is nothing."""
        return self._done[-1][0].text if self._done else ""

    @property
    def redo_text(self) -> str:
        """What would be made again; empty if there is nothing."""
        return self._undone[-1][0].text if self._undone else ""

    def _take(self, step: Step, size: int) -> None:
        self._done.append((step, size))
        self._bytes += size
