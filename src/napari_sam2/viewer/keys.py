"""The keys of our layers, in one table: what a panel shows on request is what is bound.

They are bound on the layers that a session made or adopted, never on the viewer or on a class of layers (a panel may
have them in its window besides), and chosen among the letters that napari leaves free on Points, Shapes and Labels
alike. Three stand in for napari's own keys of the same meaning on a Labels layer: new label (which napari only finds in
arrays in memory), undo and redo.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps

from app_model.types import KeyBinding, KeyCode, KeyMod
from napari.layers import Layer

from napari_sam2.viewer.actions import Actions
from napari_sam2.viewer.deciding import Deciding
from napari_sam2.viewer.lineage_verbs import LineageVerbs


@dataclass(frozen=True, slots=True)
class Key:
    """One key: as napari's `bind_key` takes it, what it does in words for people, and the method that does it."""

    combination: int
    text: str
    do: Callable[[Actions], None]

    @property
    def action(self) -> str:
        """Name of what it does."""
        return self.do.__name__

    @property
    def label(self) -> str:
        """How it is written on the keyboard of this machine, for example "Ctrl+Z"."""
        return str(KeyBinding.from_int(self.combination).to_text())


def _deciding(do: Callable[[Deciding], None]) -> Callable[[Actions], None]:
    """Return what does something about what was found."""

    @wraps(do)
    def done(actions: Actions) -> None:
        do(actions.deciding)

    return done


def _lineage(do: Callable[[LineageVerbs], None]) -> Callable[[Actions], None]:
    """Return what says something about tracks."""

    @wraps(do)
    def done(actions: Actions) -> None:
        do(actions.lineage)

    return done


_accept_here, _reject_here = _deciding(Deciding.accept_here), _deciding(Deciding.reject_here)
KEYS = (
    Key(KeyCode.KeyN, "Next object", Actions.next_object),
    Key(KeyMod.Shift | KeyCode.KeyN, "Previous object", Actions.previous_object),
    Key(KeyCode.KeyM, "New object", Actions.new_object),
    Key(KeyCode.KeyQ, "Next clicks in or out of the object", Actions.flip_polarity),
    Key(KeyCode.KeyG, "Propagate forward", Actions.propagate_forward),
    Key(KeyMod.Shift | KeyCode.KeyG, "Propagate both ways", Actions.propagate_both),
    Key(KeyCode.KeyH, "Stop", Actions.stop),
    Key(KeyCode.KeyK, "Next prompted frame", Actions.next_prompted_frame),
    Key(KeyCode.KeyJ, "Previous prompted frame", Actions.previous_prompted_frame),
    Key(KeyCode.KeyW, "Next mask that looks wrong", Actions.next_suspicious),
    Key(KeyMod.Shift | KeyCode.KeyF, "Find all cells of this frame", _deciding(Deciding.find_cells)),
    Key(KeyCode.KeyU, "Next found cell, the least sure first", _deciding(Deciding.next_proposal)),
    Key(KeyMod.Shift | KeyCode.KeyY, "Accept the found cell (Enter with Decide in hand)", _accept_here),
    Key(KeyMod.Shift | KeyCode.KeyX, "Reject the found cell (Delete with Decide in hand)", _reject_here),
    Key(KeyMod.Shift | KeyCode.KeyT, "Link the found cells of all frames", _deciding(Deciding.link_shown)),
    Key(KeyMod.Shift | KeyCode.KeyS, "Accept all found cells that are shown", _deciding(Deciding.accept_shown)),
    Key(KeyMod.Shift | KeyCode.KeyD, "Divide here into the two that begin near it", _lineage(LineageVerbs.divide_here)),
    Key(KeyMod.Shift | KeyCode.KeyE, "End here: on later frames it is not there", _lineage(LineageVerbs.end_here)),
    Key(KeyMod.CtrlCmd | KeyCode.KeyZ, "Undo", Actions.undo),
    Key(KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.KeyZ, "Redo", Actions.redo),
)
ON_PROPOSALS = (
    Key(KeyCode.Enter, "Accept the found cell", _accept_here),
    Key(KeyCode.Delete, "Reject the found cell", _reject_here),
    Key(KeyCode.Backspace, "Reject the found cell", _reject_here),
)
"""Besides, on the layer of what was found alone: elsewhere these keys mean something to napari."""


def bind_keys(layer: Layer, actions: Actions, keys: Iterable[Key] = KEYS) -> None:
    """Bind every key on one layer."""
    for key in keys:
        layer.bind_key(key.combination, _callback(key, actions), overwrite=True)


def unbind_keys(layer: Layer) -> None:
    """Take our keys from a layer."""
    for key in (*KEYS, *ON_PROPOSALS):
        layer.bind_key(key.combination, None)


def _callback(key: Key, actions: Actions) -> Callable[[Layer], None]:
    def pressed(layer: Layer) -> None:
        key.do(actions)

    return pressed
