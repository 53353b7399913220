"""Mouse events as a canvas of napari hands them on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Event:
    type: str
    position: tuple[float, ...]
    is_dragging: bool = False
    pos: np.ndarray = field(default_factory=lambda: np.zeros(2))
    modifiers: tuple[str, ...] = ()
    button: int = 1
    buttons: tuple[int, ...] = (1,)
    view_direction: object = None
    up_direction: object = None
    dims_displayed: list[int] = field(default_factory=lambda: [1, 2])
    dims_point: tuple[float, ...] = (0, 0, 0)
    handled: bool = False
