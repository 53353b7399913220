"""How a signal reaches our code: measured, and with errors that a person can act on shown in one place.

Every button is connected through `Slots.connect`, until `Slots.close`. An error of ours ends here and goes to
`on_error`; anything else is left to napari, which shows it with its traceback.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_sam2._qt.background import USER_ERRORS
from napari_sam2._qt.holds import hold


class Slots:
    """Connections of one panel."""

    def __init__(self, on_error: Callable[[Exception], object]) -> None:
        self._on_error = on_error
        self._connections: list[tuple[Any, Callable[..., None]]] = []

    def connect(self, signal: Any, function: Callable[..., object], arguments: int = 0) -> None:
        """Call a function with the first `arguments` values of a Qt signal whenever it is emitted."""

        def called(*values: Any) -> None:
            self.call(function, *values[:arguments])

        signal.connect(called)
        self._connections.append((signal, called))

    def close(self) -> None:
        """Disconnect everything: what outlives the panel calls it no longer."""
        connections, self._connections = self._connections, []
        for signal, called in connections:
            signal.disconnect(called)

    def call(self, function: Callable[..., object], *values: Any) -> None:
        """Call a function as a slot would."""
        with hold(getattr(function, "__qualname__", repr(function))):
            try:
                function(*values)
            except USER_ERRORS as error:
                self._on_error(error)
