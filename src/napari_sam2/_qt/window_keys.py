"""Our keys in the whole window of a viewer while a session is shown, wherever the focus is.

On a layer of its own a key would wait for the focus to be on the canvas and for that layer to be the active one. Qt
offers a key to text fields first, so what is typed there stays text. While a layer of someone else's that can be edited
is active, its keys are its own. While the places in doubt are reviewed, the keys for that are the window's as well, and
ours of the same combination wait.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from app_model.backends.qt import QKeyBindingSequence
from app_model.types import KeyBinding
from napari.layers import Image
from qtpy.QtGui import QShortcut

from napari_sam2._qt.slots import Slots
from napari_sam2._qt.workbench import Workbench

if TYPE_CHECKING:
    import napari

    from napari_sam2.viewer import Key


class WindowKeys:
    """The shortcuts of one window, each doing what its key does on the session's layers; or those of the review."""

    def __init__(self, viewer: napari.viewer.Viewer, bench: Workbench, slots: Slots, of_review: bool = False) -> None:
        self._viewer = viewer
        self._bench = bench
        self._slots = slots
        self._of_review = of_review
        self._shortcuts: dict[int, QShortcut] = {}
        slots.connect(bench.changed, self._follow)
        slots.connect(bench.reviewed, self._follow)
        viewer.layers.selection.events.active.connect(self._follow)
        self._follow()

    def close(self) -> None:
        """Take the shortcuts away."""
        self._viewer.layers.selection.events.active.disconnect(self._follow)
        for shortcut in self._shortcuts.values():
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._shortcuts.clear()

    def _follow(self, event: Any = None) -> None:
        """Have the keys where a session is shown, and its layers or an image are active."""
        binding, active = self._bench.binding, self._viewer.layers.selection.active
        if binding is not None and not self._shortcuts:
            self._make()
        ours = binding is not None and (active is None or isinstance(active, Image) or active in binding.layers())
        for combination, shortcut in self._shortcuts.items():
            shortcut.setEnabled(ours and self._is_free(combination))

    def _is_free(self, combination: int) -> bool:
        """Return whether a key is one of these now: those of the review are while it goes on, before all others."""
        from napari_sam2.viewer import REVIEW_KEYS

        of_review = any(key.combination == combination for key in REVIEW_KEYS)
        return self._bench.is_reviewing if self._of_review else not (self._bench.is_reviewing and of_review)

    def _make(self) -> None:
        from napari_sam2.viewer import KEYS, REVIEW_KEYS

        for key in REVIEW_KEYS if self._of_review else KEYS:
            sequence = QKeyBindingSequence(KeyBinding.from_int(key.combination))
            shortcut = QShortcut(sequence, self._bench.parent())  # its window; a docked plugin's viewer hides it
            self._slots.connect(shortcut.activated, partial(self._press, key))
            self._shortcuts[key.combination] = shortcut

    def _press(self, key: Key) -> None:
        if self._bench.binding is not None:
            key.do(self._bench.binding.actions)
