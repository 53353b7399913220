"""Drift: how all of a picture moves from frame to frame, as when a stage jumps or a sheet of cells migrates.

Frames are laid on each other where they correlate best, without uneven light and with no pixel that outweighs many.
Only a step that is long, that explains the next frame much better than none, and does so in many places, is believed:
on a movie without any, nothing changes. Nothing here knows a model.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sam2_core.errors import StackError
from sam2_core.inference.frames.contrast import Frame, LimitPairs, frame_to_rgb, with_colour_channels

Floats = npt.NDArray[np.float32]
Step = tuple[int, int]
"""Pixels down and to the right."""

SIDE_PX = 128
"""The longer side of a frame when whole frames are laid on each other."""
LEAST_SHARE = 1 / 32
"""Shorter steps, in shares of the longer side, are none: the model follows those by itself."""
LEAST_GAIN = 0.2
"""How much better, as a correlation, a step must explain the next frame than none: where a stage jumps, about 1."""
FARTHEST = 256
"""Steps from frame to frame are added up; between frames farther apart nothing is said to drift."""
SMOOTH_PX = 12.0
"""What is wider than that is light, not picture, when whole frames are laid on each other."""
MOST = 4.0
"""Pixels differ from their surroundings by at most so many mean differences: no bright thing outweighs all others."""
PARTS, LEAST_NEARER = 16, 0.35
"""Parts along the longer side of a frame, and the share of them that a step must bring nearer to what is there. A
bright thing among cells that stay brings .1 to .3, a jump .8 to 1, a lone cell in the dark half of them."""
INVERTED = -0.5
"""Correlation below which frames show the same place, dark in place of bright."""


class Frames(Protocol):
    """Frames of one size as they are stored, and the contrast in which all of them are seen."""

    height: int
    width: int

    def __getitem__(self, index: int, /) -> Frame:
        """Return one frame, (H, W) or (H, W, C)."""
        ...

    @property
    def contrast_limits(self) -> LimitPairs | None:
        """Limits of the whole movie."""
        ...


class SmallFrames:
    """Frames in gray, `factor` times smaller, without what is smoother than `smooth_px`; the last four are kept.

    What is left of a frame behind the last whole pixel of it is left out: a border like no other would stand still.
    """

    def __init__(self, frames: Frames, factor: int, smooth_px: float) -> None:
        self.factor = max(1, min(factor, frames.height, frames.width))
        self._frames = frames
        self._smooth_px = smooth_px
        self._kept = lru_cache(4)(self._shrunk)

    def __getitem__(self, frame: int) -> Floats:
        """Return a frame (h, w)."""
        return self._kept(frame)

    def _shrunk(self, frame: int) -> Floats:
        from scipy.ndimage import gaussian_filter
        from skimage.transform import downscale_local_mean

        stored = with_colour_channels(self._frames[frame])
        rows, columns = (slice(0, length // self.factor * self.factor) for length in stored.shape[:2])
        block = self.factor, self.factor, *(1,) * (stored.ndim - 2)
        small: Frame = downscale_local_mean(stored[rows, columns], block)  # type: ignore[no-untyped-call]
        rgb = frame_to_rgb(small.astype(stored.dtype, copy=False), self._frames.contrast_limits)
        gray = rgb.mean(axis=2, dtype=np.float32)
        detail: Floats = gray - gaussian_filter(gray, self._smooth_px)
        return detail


def laid_on(there: Floats, here: Floats, reach: int, least: float, gain: float) -> Step:
    """Return the step by which one frame lies best on another, 0 where none of `least` pixels explains it much better.

    What is moved out of the frame explains nothing: of steps that fit alike the one is taken that keeps more of it.

    Parameters
    ----------
    there, here
        Frames (h, w) of one size.
    reach
        Longest step that is tried, in pixels.
    gain
        How much better the correlation, from -1 to 1, must be than without a step.
    """
    from scipy.signal import correlate

    rest = np.array(there.shape) - 1
    reaches = np.minimum(reach, rest)
    tried = tuple(slice(at - far, at + far + 1) for at, far in zip(rest, reaches, strict=True))
    there, here = _bounded(there), _bounded(here)
    spread = max(float(there.std() * here.std()), 1e-12)
    fits = correlate(here - here.mean(), there - there.mean(), method="fft")[tried] / (there.size * spread)
    best = np.unravel_index(np.argmax(fits), fits.shape)
    down, right = (int(at - far) for at, far in zip(best, reaches, strict=True))
    if max(abs(down), abs(right)) < least or fits[best] < explained(fits[tuple(reaches)]) + gain:
        return 0, 0
    return (down, right) if _share_nearer(there, here, (down, right)) >= LEAST_NEARER else (0, 0)


def explained(fit: float) -> float:
    """Return how much of what is there a correlation explains: nothing below 0, but for an inverted picture."""
    return float(-fit if fit < INVERTED else max(fit, 0))


def _bounded(plane: Floats) -> Floats:
    """Return a plane in which no pixel differs from the mean by much more than most do."""
    middle = float(plane.mean())
    most = MOST * float(np.abs(plane - middle).mean())
    return plane.clip(middle - most, middle + most)


def _share_nearer(there: Floats, here: Floats, step: Step) -> float:
    """Return the share of the parts of a frame that a step brings nearer to what is there."""
    from skimage.transform import downscale_local_mean

    rows, columns = (slice(max(way, 0), length + min(way, 0)) for way, length in zip(step, here.shape, strict=True))
    came = there[rows.start - step[0] : rows.stop - step[0], columns.start - step[1] : columns.stop - step[1]]
    side = max(1, max(here.shape) // PARTS)
    off = (abs(here[rows, columns] - before) for before in (came, there[rows, columns]))
    moved, stayed = (downscale_local_mean(one, (side, side)) for one in off)  # type: ignore[no-untyped-call]
    return float(np.mean(moved < stayed))


class Drift:
    """How far what frames show is moved against each other, in shares of their height and width."""

    def __init__(self, frames: Frames) -> None:
        self._size = frames.height, frames.width
        self._small = SmallFrames(frames, -(-max(self._size) // SIDE_PX), SMOOTH_PX)
        self._step: Callable[[int], Step] = lru_cache(16 * FARTHEST)(self._laid_on)

    def shift(self, frame: int, to_frame: int) -> tuple[float, float]:
        """Return by which shares of height and width what one frame shows is moved to lie upon another (`Shift`)."""
        first, last = sorted((frame, to_frame))
        steps = [self._known_step(at) for at in range(first, last)] if last - first <= FARTHEST else []
        sign = self._small.factor * (1 if to_frame > frame else -1)
        down, right = (sign * sum(way) for way in zip((0, 0), *steps, strict=True))
        return down / self._size[0], right / self._size[1]

    def _known_step(self, frame: int) -> Step:
        """Return the step from a frame to the next, none where one of them cannot be read: who needs it says so."""
        try:
            return self._step(frame)
        except StackError:
            return 0, 0

    def _laid_on(self, frame: int) -> Step:
        there, here = self._small[frame], self._small[frame + 1]
        side = max(there.shape)
        return laid_on(there, here, side // 2, LEAST_SHARE * side, LEAST_GAIN)
