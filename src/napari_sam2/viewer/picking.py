"""Cells chosen by hand while reviewing: Shift+click on one adds it or takes it off again, beside all of them lets go.

Each is kept with the frame on which it was chosen, for a track is connected from one frame to another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from napari.components import ViewerModel
from psygnal import Signal

from napari_sam2.masks.stored_masks import MaskKey
from napari_sam2.session.session import Session
from napari_sam2.viewer.sight import Sight


class Picking:
    """The cells that are chosen in one session.

    `changed` is emitted when others are.

    Attributes
    ----------
    keys
        (object_id, frame), in the order in which they were chosen.
    """

    changed = Signal()

    def __init__(self, session: Session, sight: Sight) -> None:
        self.keys: tuple[MaskKey, ...] = ()
        self._session = session
        self._sight = sight
        self._viewer: ViewerModel | None = None
        self._rested: tuple[float, ...] = ()
        self._taken: tuple[list[Any], list[Any]] | None = None

    def begin(self, viewer: ViewerModel) -> None:
        """Take Shift+clicks in a viewer from now on."""
        self.end()
        self._viewer = viewer
        viewer.mouse_drag_callbacks.append(self._on_press)

    def end(self) -> None:
        """Leave them to napari again, and let go of all cells."""
        if self._viewer is not None:
            self._viewer.mouse_drag_callbacks.remove(self._on_press)
            self._viewer = None
        self._give_back()
        self.choose(())

    def choose(self, keys: tuple[MaskKey, ...]) -> None:
        """Choose these cells and no others."""
        if keys != self.keys:
            self.keys = keys
            self.changed.emit()

    def rest(self) -> None:
        """Count what is under the mouse for nothing until it moves: the view has changed below it."""
        self._rested = self._sight.cursor

    def under_cursor(self) -> MaskKey | None:
        """Return the cell under the mouse, as (object_id, frame in view); None where there is none."""
        cursor = self._sight.cursor
        located = None if cursor == self._rested else self._sight.locate(cursor)
        if located is None or not self._sight.is_at_work:
            return None
        _, (y, x) = located
        frame = self._sight.frame
        object_id = int(self._session.labels(frame)[round(y), round(x)])
        return (object_id, frame) if object_id else None

    def _on_press(self, viewer: ViewerModel, event: Any) -> Iterator[None]:
        """Take a Shift+click; the tool in hand does not get it."""
        if event.button != 1 or tuple(event.modifiers) != ("Shift",):
            return
        self._rested = ()
        self._toggle()
        self._give_back()  # where the last release was lost
        active = viewer.layers.selection.active
        if active is not None:
            self._taken = active.mouse_drag_callbacks, list(active.mouse_drag_callbacks)
            active.mouse_drag_callbacks.clear()
        yield
        while event.type == "mouse_move":
            yield
        self._give_back()

    def _give_back(self) -> None:
        """Let the tool in hand have the mouse again."""
        if self._taken is not None:
            callbacks, kept = self._taken
            callbacks[:], self._taken = kept, None

    def _toggle(self) -> None:
        here = self.under_cursor()
        if here is None:
            self.choose(())
            return
        others = tuple(key for key in self.keys if key[0] != here[0])
        self.choose(others if here in self.keys else (*others, here))
