"""When the masks of the frame in view are drawn anew: at most 20 times a second, many objects in a turn of their own.

What changes is noted (`mark`) and drawn soon; nothing is drawn while a stroke is being painted. `LabelLayers` draws.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np

from napari_sam2.viewer.label_layers import ALL_OBJECTS, LabelLayers

SHORTEST_REFRESH_S = 0.05
AT_ONCE = 50
"""Up to so many objects are drawn with the edit that changes them."""


class Redraw:
    """What is to be drawn anew of the labels.

    Attributes
    ----------
    clock
        Seconds.
    is_polled
        Whether a timer calls `if_due`: many objects are then left to it, so that the edit itself takes less long.
    """

    def __init__(self, labels: LabelLayers) -> None:
        self.clock = time.monotonic
        self.is_polled = False
        self._labels = labels
        self._due: set[int] = set()
        self._last = -np.inf

    def mark(self, object_ids: Iterable[int]) -> None:
        """Note that objects have changed."""
        self._due |= {*object_ids, ALL_OBJECTS}

    def soon(self) -> None:
        """Draw what was noted, if the last time was long enough ago and the timer is not to do it."""
        if not self.is_polled or len(self._due) <= AT_ONCE:
            self.if_due()

    def if_due(self) -> bool:
        """Draw what was noted, if there is something and the last time was long enough ago; whether it was drawn."""
        now = self.clock()
        return now - self._last >= SHORTEST_REFRESH_S and self._draw(now)

    def at_once(self) -> None:
        """Draw what was noted."""
        self._draw(self.clock())

    def _draw(self, now: float) -> bool:
        if not self._due or not self._labels.refresh(self._due):
            return False
        self._due, self._last = set(), max(now, self.clock())  # from its end on, as long as it takes
        return True
