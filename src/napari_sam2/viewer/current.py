"""Which object, and which sign, the next prompt is for: one small piece of state that layers, keys and panels share."""

from __future__ import annotations

from typing import Literal

from psygnal import Signal

from sam2_core.errors import PromptError

Polarity = Literal["in", "out"]
POLARITIES: tuple[Polarity, Polarity] = ("in", "out")


class Current:
    """The current object and polarity.

    `changed` is emitted after either has changed.
    """

    changed = Signal()

    def __init__(self, object_id: int = 1, polarity: Polarity = "in") -> None:
        self._object_id = object_id
        self._polarity: Polarity = polarity

    @property
    def object_id(self) -> int:
        """Label value of the object that the next prompt is for; it need not exist yet."""
        return self._object_id

    @property
    def polarity(self) -> Polarity:
        """Sign of the next click: "in" the object or "out" of it."""
        return self._polarity

    def choose(self, object_id: int | None = None, polarity: Polarity | None = None) -> None:
        """Change one of them or both.

        Raises
        ------
        PromptError
            If the id is no label, or the polarity is neither "in" nor "out".
        """
        object_id = self._object_id if object_id is None else int(object_id)
        polarity = self._polarity if polarity is None else polarity
        if object_id < 1:
            raise PromptError(f"object id {object_id} cannot be a label; use 1 or more.")
        if polarity not in POLARITIES:
            raise PromptError(f"polarity {polarity!r} is unknown; use 'in' or 'out'.")
        if (object_id, polarity) != (self._object_id, self._polarity):
            self._object_id, self._polarity = object_id, polarity
            self.changed.emit()

    def flip(self) -> None:
        """Turn "in" into "out" and back."""
        self.choose(polarity="out" if self._polarity == "in" else "in")
