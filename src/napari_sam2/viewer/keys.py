"""The keys of our layers, in one table: what a panel shows on request is what is bound.

They are bound on the layers that a session made or adopted, never on the viewer or on a class of layers, and chosen
among the letters that napari leaves free on Points, Shapes and Labels alike. Three stand in for napari's own keys of
the same meaning on a Labels layer: new label (which napari only finds in arrays in memory), undo and redo.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app_model.types import KeyBinding, KeyCode, KeyMod
from napari.layers import Layer


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Attributes
    ----------
    combination
        As napari's `bind_key` takes it.
    text
        What it does, for people.
    action
        Name of the method of `SessionBinding` that does it.
    """

    combination: int
    text: str
    action: str

    @property
    def label(self) -> str:
        """How it is written on the keyboard of this machine, for example "Ctrl+Z"."""
        return str(KeyBinding.from_int(self.combination).to_text())


KEYS = (
    Key(KeyCode.KeyN, "Next object", "next_object"),
    Key(KeyMod.Shift | KeyCode.KeyN, "Previous object", "previous_object"),
    Key(KeyCode.KeyM, "New object", "new_object"),
    Key(KeyCode.KeyQ, "Next clicks in or out of the object", "flip_polarity"),
    Key(KeyCode.KeyG, "Propagate forward", "propagate_forward"),
    Key(KeyMod.Shift | KeyCode.KeyG, "Propagate both ways", "propagate_both"),
    Key(KeyCode.KeyH, "Stop", "stop"),
    Key(KeyCode.KeyK, "Next prompted frame", "next_prompted_frame"),
    Key(KeyCode.KeyJ, "Previous prompted frame", "previous_prompted_frame"),
    Key(KeyCode.KeyW, "Next mask that looks wrong", "next_suspicious"),
    Key(KeyMod.CtrlCmd | KeyCode.KeyZ, "Undo", "undo"),
    Key(KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.KeyZ, "Redo", "redo"),
)


def bind_keys(layer: Layer, act: Callable[[str], None]) -> None:
    """Bind every key on one layer to `act(name of the action)`."""
    for key in KEYS:
        layer.bind_key(key.combination, _callback(key.action, act), overwrite=True)


def unbind_keys(layer: Layer) -> None:
    """Take our keys from a layer."""
    for key in KEYS:
        layer.bind_key(key.combination, None)


def _callback(action: str, act: Callable[[str], None]) -> Callable[[Layer], None]:
    def pressed(layer: Layer) -> None:
        act(action)

    return pressed
