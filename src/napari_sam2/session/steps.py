"""How one edit becomes one step: made, taken back and made again the same way, whatever it changes.

A step replaces the document, lets the masks follow (`stale`), keeps in the history what was there before, has all of it
saved, and then tells about it. What an edit is, and whether it may be, is known to `Edits` and `Proposals`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from napari_sam2.document.difference import DocumentDiff, difference
from napari_sam2.document.document import Document
from napari_sam2.masks.stale import follow
from napari_sam2.masks.stored_masks import MaskChange
from napari_sam2.session.history import Moment, Step
from napari_sam2.session.saving import Saving
from napari_sam2.session.settings import SessionSettings
from napari_sam2.session.state import SessionState

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
    ) -> None:
        """Make a step to another document; of objects that it touches, masks are rearranged, or follow.

        Steps of one `run` that touch no object are one.
        """
        state, diff = self._state, difference(self._state.document, document)
        before = state.moment({*touched, *(object_id for object_id, _ in diff.keys), *diff.removed_objects})
        made = follow(diff, document, state.masks) if rearranged is None else rearranged(diff)
        if diff.is_empty and all(change.before == change.after for change in made):
            return
        state.history.recount()
        state.replace_document(document, diff)
        state.history.push(Step(before, text, run))
        self.tell(made, diff)

    def amend(self, document: Document) -> None:
        """Let another document, which differs in nothing that has masks, be what the last step came to."""
        diff = difference(self._state.document, document)
        if not diff.is_empty:
            self._state.replace_document(document, diff)
            self.tell((), diff)

    def cross(self, step: Step | None, note: Callable[[Moment], None]) -> bool:
        """Put what is on the other side of a step in place, and keep what is left by that; False without a step."""
        if step is None:
            return False
        state, there = self._state, step.moment
        old, has_settings = state.settings, there.settings is not None
        here = state.moment({*there.masks, *(state.every_object() if has_settings else ())}, has_settings)
        diff, changes = state.go_to(there)
        note(here)
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
