"""Undo and redo: what each edit touches as it is on the other side of it, oldest first.

A step keeps a `Moment`: before the edit while it is done, after it while it is undone. Who crosses a step puts its
moment in place and leaves the one that was there, so what a run found since comes back with the step. A moment holds
values that do not change, most of them shared with what is in use, so keeping it costs little. Putting them in place is
the session's business. The history is bounded by number and by the bytes of masks that only it still keeps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from napari_sam2.document.document import Document, PromptKey
from napari_sam2.masks.stored_masks import StoredMask
from napari_sam2.session.settings import SessionSettings

LONGEST = 200
LARGEST_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Moment:
    """A session as far as a step touches it.

    Attributes
    ----------
    masks
        Object id -> frame -> mask: all masks of every object that the step touches.
    unshown
        Prompts of these objects whose masks are not shown.
    settings
        None where the step leaves them alone.
    """

    document: Document
    masks: Mapping[int, Mapping[int, StoredMask]]
    unshown: frozenset[PromptKey]
    settings: SessionSettings | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One edit, as a person sees it; `text` is what a menu calls it, for example "add a point".

    Attributes
    ----------
    run
        Of which search it is a part, whose parts are one step; None for an edit by itself, or of a session before.
    """

    moment: Moment
    text: str
    run: int | None = None


BytesOf = Callable[[Step], int]
"""How many bytes of masks a step keeps that are in use no more."""


class History:
    """Steps that can be undone and redone.

    Parameters
    ----------
    bytes_of
        See `BytesOf`.
    longest
        Steps that are kept.
    largest_bytes
        Bytes that are kept; the latest step is kept in any case.
    """

    def __init__(self, bytes_of: BytesOf, longest: int = LONGEST, largest_bytes: int = LARGEST_BYTES) -> None:
        self._bytes_of = bytes_of
        self._longest = longest
        self._largest_bytes = largest_bytes
        self._done: deque[tuple[Step, int]] = deque()
        self._undone: list[Step] = []
        self._bytes = 0

    def push(self, step: Step) -> bool:
        """Record a step that was made, and return whether it is one of its own; what was undone before is gone.

        What a search found on one more frame is part of the step of those before, as long as nothing came between.
        """
        self._undone.clear()
        last = self.last_done
        if last is not None and last.run is not None and last.run == step.run:
            return False
        self._take(step)
        self._forget_oldest()
        return True

    def restore(self, done: Iterable[Step], undone: Iterable[Step]) -> None:
        """Go on with other steps, as they were saved; the next one of each is the last."""
        self.clear()
        for step in done:
            self._take(step)
        self._forget_oldest()
        self._undone = list(undone)

    def recount(self) -> None:
        """Count again what the last step keeps: runs may have replaced masks since it was made."""
        if self._done:
            self._take(self._pop())

    def undo(self, left: Moment) -> None:
        """Record that the last step was taken back, and what was left by that."""
        self._undone.append(replace(self._pop(), moment=left))

    def redo(self, left: Moment) -> None:
        """Record that the step was made again that was taken back last, and what was left by that."""
        self._take(replace(self._undone.pop(), moment=left))

    def follow_settings(self, follow: Callable[[SessionSettings], SessionSettings]) -> None:
        """Let all steps go by other settings that say the same."""
        self._done = deque((_followed(step, follow), size) for step, size in self._done)
        self._undone = [_followed(step, follow) for step in self._undone]

    def clear(self) -> None:
        """Forget all steps."""
        self._done.clear()
        self._undone.clear()
        self._bytes = 0

    @property
    def done(self) -> tuple[Step, ...]:
        """The steps that can be taken back; the next one is the last."""
        return tuple(step for step, _ in self._done)

    @property
    def undone(self) -> tuple[Step, ...]:
        """The steps that can be made again; the next one is the last."""
        return tuple(self._undone)

    @property
    def last_done(self) -> Step | None:
        """The step to take back; None if there is none."""
        return self._done[-1][0] if self._done else None

    @property
    def last_undone(self) -> Step | None:
        """The step to make again; None if there is none."""
        return self._undone[-1] if self._undone else None

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
        return self._undone[-1].text if self._undone else ""

    def _forget_oldest(self) -> None:
        while len(self._done) > max(self._longest, 1) or (self._bytes > self._largest_bytes and len(self._done) > 1):
            self._bytes -= self._done.popleft()[1]

    def _take(self, step: Step) -> None:
        size = self._bytes_of(step)
        self._done.append((step, size))
        self._bytes += size

    def _pop(self) -> Step:
        step, size = self._done.pop()
        self._bytes -= size
        return step


def _followed(step: Step, follow: Callable[[SessionSettings], SessionSettings]) -> Step:
    settings = step.moment.settings
    return step if settings is None else replace(step, moment=replace(step.moment, settings=follow(settings)))
