"""A stack of which one frame cannot be read."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sam2_core.errors import StackError


class LostFrame(list[np.ndarray]):
    """Frames of which one cannot be read any more."""

    def __init__(self, frames: Iterable[np.ndarray], lost: int) -> None:
        super().__init__(frames)
        self.lost = lost

    def __getitem__(self, index):
        if index == self.lost:
            raise StackError(f"frame {index} cannot be read")
        return super().__getitem__(index)
