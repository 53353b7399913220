"""Motion, told by the images alone: where what is seen at a place of one frame lies on the next (block matching).

Cells of a sheet that migrates all move alike, often farther than to their neighbour's place. So the frames are first
laid on each other as a whole (`drift`); from there the surroundings of the place are sought. Only a step that is long,
and that explains the next frame much better than none, is believed. Nothing here knows a model.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from sam2_core.errors import StackError
from sam2_core.inference.frames.drift import Floats, Frames, SmallFrames, Step, explained, laid_on
from sam2_core.windowed.window import PointXY

SEEN_PX, COARSE_PX = 16, 8
"""Diameter in pixels of an object on the frames that are compared: around a place, and as a whole."""
BLOCK, REACH, FARTHEST = 1.4, 0.8, 4.0
"""Diameters: how far what surrounds a place reaches from it, how far it is sought around where all of the frame went,
and how far that may be."""
SMOOTH, SMOOTH_COARSE = 2.0, 1.0
"""Diameters: what is wider is light, not picture."""
LEAST_STEP = 0.3
"""Shorter steps, in diameters, are none: the model follows those by itself."""
LEAST_GAIN, LEAST_COMMON_GAIN = 0.2, 0.05
"""How much better, as a correlation, a step must explain the next frame than none: around a place (in movies that jump
.5 to .7, in others mostly less than .05), and on the whole frame, where a step around a place is still to be found."""

MIDDLE, STILL_FIT, STILL_GAIN = 0.6, 0.7, 0.2
"""Diameters that the middle of a place reaches from it; where that alone fits so well as it is, and so much better than
after the step, it stays while its surroundings move."""


class Motion:
    """How far what is seen at a place moves from a frame to the next, where that is a long step.

    Parameters
    ----------
    frames
        The movie.
    diameter_px
        Diameter of a typical object in pixels.
    """

    def __init__(self, frames: Frames, diameter_px: float) -> None:
        self._diameter = diameter_px
        self._near = SmallFrames(frames, round(diameter_px / SEEN_PX), SMOOTH * SEEN_PX)
        self._all = SmallFrames(frames, round(diameter_px / COARSE_PX), SMOOTH_COARSE * COARSE_PX)
        self._common: Callable[[int, int], Step] = lru_cache(16)(self._of_all)

    def step(self, frame: int, to_frame: int, place_xy: PointXY) -> PointXY | None:
        """Return by how many pixels (right, down) what is at a place (x, y) moves, None where that is no long step.

        None, too, where a frame cannot be read: who needs it says so.
        """
        try:
            there, here = self._near[frame], self._near[to_frame]
        except StackError:
            return None
        factor = self._near.factor
        diameter = self._diameter / factor
        half, reach = round(BLOCK * diameter), round(REACH * diameter)
        x, y = (round(value / factor) for value in place_xy)
        block = _around(there, (y, x), half)
        least_fit = explained(_fits(_around(here, (y, x), half), block)[0, 0]) + LEAST_GAIN
        if least_fit > 1:
            return None
        common = self._common(frame, to_frame)
        fits = _fits(_around(here, (y + common[0], x + common[1]), half + reach), block)
        best = np.unravel_index(np.argmax(fits), fits.shape)
        down, right = (int(at) - reach + way for at, way in zip(best, common, strict=True))
        if max(abs(down), abs(right)) < LEAST_STEP * diameter or fits[best] < least_fit:
            return None
        middle, far = round(MIDDLE * diameter), (y + down, x + right)
        stays, goes = (_fits(_around(here, at, middle), _around(there, (y, x), middle))[0, 0] for at in ((y, x), far))
        if stays > max(STILL_FIT, goes + STILL_GAIN):
            return None
        return float(right * factor), float(down * factor)

    def _of_all(self, frame: int, to_frame: int) -> Step:
        """Return by how many pixels of the larger ones of the small frames all of it moves."""
        diameter = self._diameter / self._all.factor
        reach, least = round(FARTHEST * diameter), LEAST_STEP * diameter
        down, right = laid_on(self._all[frame], self._all[to_frame], reach, least, LEAST_COMMON_GAIN)
        scale = self._all.factor / self._near.factor
        return round(down * scale), round(right * scale)


def _around(plane: Floats, place: Step, far: int) -> Floats:
    """Return what surrounds a place up to `far`, border pixels repeated where the plane ends."""
    rows, columns = (
        np.arange(at - far, at + far + 1).clip(0, length - 1) for at, length in zip(place, plane.shape, strict=True)
    )
    return plane[np.ix_(rows, columns)]


def _fits(field: Floats, block: Floats) -> Floats:
    """Return how well a block fits at each place of a field where it lies inside: the normalized cross-correlation."""
    from skimage.feature import match_template

    fits: Floats = match_template(field, block)  # type: ignore[no-untyped-call]
    return fits
