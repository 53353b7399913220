"""How one edit becomes one step: made, taken back and made again the same way, whatever it changes.

A step replaces the document, lets the masks follow (`stale`), keeps in the history what was there before, has all of it
saved, and then tells about it. What an edit is, and whether it may be, is known to `Edits` and `Proposals`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from napari_sam2.document.difference import DocumentDiff, difference
from napari_sam2.document.document import Document
from napari_sam2.masks.stale import follow
from napari_sam2.masks.stored_masks import MaskChange, are_other_masks
from napari_sam2.session.history import Moment, Step
from napari_sam2.session.saving import Saving
from napari_sam2.session.settings import SHOWN_ONLY, SessionSettings, changed_fields, described
from napari_sam2.session.state import SessionState
from sam2_core.errors import StackError

Rearranged = Callable[[DocumentDiff], list[MaskChange]]
"""Changes the masks so that they go with a document that differs so, and returns the changes."""


class Steps:
    """The steps of a session; all on the main thread."""

    def __init__(self, state: SessionState, saving: Saving) -> None:
        self._state = state
        self._saving = saving

    def make(
        self,
        document: Document,
        text: str,
        touched: Iterable[int] = (),
        rearranged: Rearranged | None = None,
        run: int | None = None,
    ) -> bool:
        """Make a step to another document, and return whether anything changed by it.

        Of objects that it touches, masks are rearranged, or follow. Steps of one `run` that touch no object are one.

        Raises
        ------
        StackError
            If the session was closed.
        """
        self._check_open()
        state, diff = self._state, difference(self._state.document, document)
        before = state.moment({*touched, *(object_id for object_id, _ in diff.keys), *diff.removed_objects})
        made = follow(diff, document, state.masks) if rearranged is None else rearranged(diff)
        if diff.is_empty and not are_other_masks(made):
            return False
        state.history.recount()
        state.replace_document(document, diff)
        is_own = state.history.push(Step(before, text, run))
        self._saving.stepped("step" if is_own else "amend", before, text)
        self.tell(made, diff)
        return True

    def amend(self, document: Document) -> None:
        """Let another document, which differs in nothing that has masks, be what the last step came to."""
        diff = difference(self._state.document, document)
        if not diff.is_empty:
            before = self._state.moment()
            self._state.replace_document(document, diff)
            self._saving.stepped("amend", before)
            self.tell((), diff)

    def set(self, settings: SessionSettings) -> None:
        """Make a step to other settings; masks that do not go with them turn stale.

        Raises
        ------
        StackError
            If the stack has nothing of that kind, or other frames are asked for while there are prompts.
        """
        self._check_open()
        state, old = self._state, self._state.settings
        is_shown_only = changed_fields(old, settings) <= SHOWN_ONLY
        before = state.moment(() if is_shown_only else state.every_object(), settings=True)
        turned, text = state.take_settings(settings), described(old, settings)
        state.history.push(Step(before, text))
        self._saving.stepped("step", before, text)
        self.tell(turned, settings=(old, settings))

    def undo(self) -> bool:
        """Take the last step back; False if there is none."""
        return self._cross("undo", self._state.history.last_done, self._state.history.undo)

    def redo(self) -> bool:
        """Make the step again that was taken back last; False if there is none."""
        return self._cross("redo", self._state.history.last_undone, self._state.history.redo)

    def _check_open(self) -> None:
        if self._state.is_closed:
            raise StackError("The session was closed, and nothing that is changed in it is kept; open it again.")

    def _cross(self, kind: Literal["undo", "redo"], step: Step | None, note: Callable[[Moment], None]) -> bool:
        """Put what is on the other side of a step in place, and keep what is left by that; False without a step."""
        if step is None:
            return False
        self._check_open()
        state, there = self._state, step.moment
        old, has_settings = state.settings, there.settings is not None
        here = state.moment({*there.masks, *(state.every_object() if has_settings else ())}, has_settings)
        diff, changes = state.go_to(there)
        note(here)
        self._saving.stepped(kind, here)
        self.tell(changes, diff, (old, state.settings) if has_settings else None)
        return True

    def tell(
        self,
        changes: Sequence[MaskChange],
        diff: DocumentDiff | None = None,
        settings: tuple[SessionSettings, SessionSettings] | None = None,
    ) -> None:
        """Have a step saved, then tell of it."""
        events = self._state.events
        self._saving.edited(changes)
        if settings is not None:
            events.settings_changed.emit(*settings)
        if diff is not None:
            events.document_changed.emit(diff)
        events.tell_masks(changes)
        events.history_changed.emit()
