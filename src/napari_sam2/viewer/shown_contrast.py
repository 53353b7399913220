"""The contrast that the image layers show, beside the one that the model sees.

They are the same until the first prompt. From then on the one that the model sees stays, for every other one makes all
masks stale, and a person (or napari by itself, at every frame) changes what is shown only to see better; `take` takes
over what is shown, as one step that can be undone. What somebody else set for the session is not followed either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari.layers import Image
from psygnal import Signal

from napari_sam2.session.session import Session
from napari_sam2.viewer.image_source import shown_limits

Limits = tuple[tuple[float, float], ...]


class ShownContrast:
    """Compares the contrast of a session with that of its layers; `changed` is emitted when a layer shows another."""

    changed = Signal()

    def __init__(self, session: Session, layers: Sequence[Image]) -> None:
        self._session = session
        self._layers = tuple(layers)
        self._taken = session.settings.contrast_limits
        for layer in self._layers:
            layer.events.contrast_limits.connect(self._tell)

    @property
    def limits(self) -> Limits:
        """(black, white) as it is shown, for each layer."""
        return shown_limits(self._layers)

    @property
    def is_seen(self) -> bool:
        """Whether the model sees what is shown."""
        return self._session.settings.contrast_limits == self.limits

    def follow(self) -> None:
        """Take over what is shown, as long as there is no prompt and nobody set anything else."""
        session = self._session
        if not session.document.prompts and session.settings.contrast_limits == self._taken:
            self.take()

    def take(self) -> None:
        """Let the model see what is shown; masks turn stale, and Undo brings them back."""
        self._taken = self.limits
        self._session.change_settings(contrast_limits=self._taken)

    def close(self) -> None:
        """Let go of the layers."""
        for layer in self._layers:
            layer.events.contrast_limits.disconnect(self._tell)

    def _tell(self, event: Any) -> None:
        self.changed.emit()
