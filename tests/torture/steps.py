"""What undo and redo have to bring back: the picture before and after each step that was made.

Exactly that, where nothing came after the step; where the masks of a run came meanwhile, the document, the settings and
what was painted. Undo and redo, one after the other, bring back what was there in any case.
"""

from __future__ import annotations

from collections.abc import Callable

from torture.pictures import ESTIMATED, Picture, said_otherwise, settings_otherwise, unlike

from napari_sam2.session.session import Session

Pair = tuple[Picture, Picture]


class Steps:
    """The steps of a session, which it knows after reopening too; `told` counts how often it told of its history."""

    def __init__(self, session: Session) -> None:
        self.told = 0
        self._session = session
        self._done: list[Pair] = []
        self._undone: list[Pair] = []
        session.events.history_changed.connect(self._tell)

    def follow(self, session: Session) -> None:
        """Go on with the session reopened: what could be undone still can."""
        self._session = session
        session.events.history_changed.connect(self._tell)

    def made(self, before: Picture, after: Picture) -> None:
        self._done.append((before, after))
        self._undone.clear()

    def forget(self) -> None:
        """Know no longer what the next undo has to bring back: something was changed that is no step."""
        self._done, self._undone = [], []

    def undo(self, undo: Callable[[], object]) -> None:
        self._go(undo, "undo", self._done, self._undone)

    def redo(self, redo: Callable[[], object]) -> None:
        self._go(redo, "redo", self._undone, self._done)

    def _tell(self) -> None:
        self.told += 1

    def _go(self, step: Callable[[], object], what: str, stack: list[Pair], other: list[Pair]) -> None:
        before, can = Picture.of(self._session), self._can(what)
        step()
        found = Picture.of(self._session)
        if not can:
            assert not stack, f"{what}: there is nothing, although a step was made"
            assert not unlike(before, found), f"{what} of nothing: {unlike(before, found)}"
            return
        if not stack:
            return
        wanted, was = stack.pop()
        said = unlike(wanted, found) if not unlike(was, before) else self._unlike_but_for_runs(wanted, found)
        assert not said, f"{what}: {said}"
        other.append((before, found))

    def _can(self, what: str) -> bool:
        return self._session.can_undo if what == "undo" else self._session.can_redo

    def _unlike_but_for_runs(self, wanted: Picture, found: Picture) -> str:
        said = [*said_otherwise(wanted, found), *settings_otherwise(wanted, found, [ESTIMATED])]
        for key in sorted(wanted.painted.keys() | found.painted.keys()):
            if wanted.painted.get(key) != found.painted.get(key):
                said.append(f"the painted mask {key} (a run came meanwhile)")
        return "; ".join(said)
