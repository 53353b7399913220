"""Which object, and which sign, the next prompt is for: one small piece of state that layers, keys and panels share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from psygnal import Signal

from napari_sam2.document.difference import DocumentDiff
from napari_sam2.session.session import Session
from sam2_core.errors import PromptError

Polarity = Literal["in", "out"]
POLARITIES: tuple[Polarity, Polarity] = ("in", "out")


class Current:
    """The current object and polarity.

    `changed` is emitted after either has changed, or the mode in which each prompt makes a new object.

    Parameters
    ----------
    object_id
        At first.
    unused_id
        Gives an id for an object that does not exist yet: that of the current one if it does not, or else another.
    """

    changed = Signal()

    def __init__(self, object_id: int = 1, unused_id: Callable[[int], int] = lambda current: current) -> None:
        self._object_id = object_id
        self._polarity: Polarity = "in"
        self._unused_id = unused_id
        self._each_is_new = False

    @property
    def object_id(self) -> int:
        """Label value of the object that the next prompt is for; it need not exist yet."""
        return self._object_id

    @property
    def polarity(self) -> Polarity:
        """Sign of the next click: "in" the object or "out" of it."""
        return self._polarity

    @property
    def each_is_new(self) -> bool:
        """Whether each click or box in an object makes a new object; clicks outside are of the current one."""
        return self._each_is_new

    @each_is_new.setter
    def each_is_new(self, each_is_new: bool) -> None:
        if each_is_new != self._each_is_new:
            self._each_is_new = each_is_new
            self.changed.emit()

    @property
    def next_id(self) -> int:
        """Label value of the object that the next prompt will be of."""
        makes_new = self._each_is_new and self._polarity == POLARITIES[0]
        return self._unused_id(self._object_id) if makes_new else self._object_id

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


def heir_of(object_id: int, diff: DocumentDiff) -> int | None:
    """Return the object to which the prompts of one that is gone went; None if they went to none, or to several."""
    frames = {frame for one, frame in diff.removed if one == object_id}
    heirs = {one for one, frame in diff.changed if frame in frames}
    return heirs.pop() if len(heirs) == 1 else None


def unused_id(session: Session, current: int) -> int:
    """Return the current id where no object of a session has it, else one that none has."""
    return session.document.next_object_id() if current in session.document.objects else current
