"""Drift: how all of a picture moves from frame to frame, as when a stage jumps or a sheet of cells migrates.

Frames are laid on each other where they correlate best. Only a step that is long, and that explains the next frame much
better than none, is believed: on a movie without any, nothing changes. Nothing here knows a model.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sam2_core.inference.frames.contrast import Frame, LimitPairs, frame_to_rgb, with_colour_channels

Floats = npt.NDArray[np.float32]
Step = tuple[int, int]
"""Pixels down and to the right."""

SIDE_PX = 128
"""The longer side of a frame when whole frames are laid on each other."""
LEAST_SHARE = 1 / 20
"""Shorter steps, in shares of the longer side, are none: the model follows those by itself."""
LEAST_GAIN = 0.1
"""How much better, as a correlation, a step must explain the next frame than none: where a stage jumps, about 1."""
SUMMED = 64
"""Up to so many frames apart the steps from frame to frame are added up; others are laid on each other."""


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
    """Frames in gray, `factor` times smaller; the last ones are kept."""

    def __init__(self, frames: Frames, factor: int, keep: int = 4) -> None:
        self.factor = max(1, factor)
        self._frames = frames
        self._kept = lru_cache(keep)(self._shrunk)

    def __getitem__(self, frame: int) -> Floats:
        """Return a frame (h, w)."""
        return self._kept(frame)

    def _shrunk(self, frame: int) -> Floats:
        from skimage.transform import downscale_local_mean

        stored = with_colour_channels(self._frames[frame])
        block = self.factor, self.factor, *(1,) * (stored.ndim - 2)
        small: Frame = downscale_local_mean(stored, block)  # type: ignore[no-untyped-call]
        rgb = frame_to_rgb(small.astype(stored.dtype, copy=False), self._frames.contrast_limits)
        return rgb.mean(axis=2, dtype=np.float32)


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
    spread = max(float(there.std() * here.std()), 1e-12)
    fits = correlate(here - here.mean(), there - there.mean(), method="fft")[tried] / (there.size * spread)
    best = np.unravel_index(np.argmax(fits), fits.shape)
    down, right = (int(at - far) for at, far in zip(best, reaches, strict=True))
    if max(abs(down), abs(right)) < least or fits[best] < max(fits[tuple(reaches)], 0) + gain:
        return 0, 0
    return down, right


class Drift:
    """How far what frames show is moved against each other, in shares of their height and width."""

    def __init__(self, frames: Frames) -> None:
        self._size = frames.height, frames.width
        self._small = SmallFrames(frames, -(-max(self._size) // SIDE_PX), SUMMED)
        self._step: Callable[[int, int], Step] = lru_cache(16 * SUMMED)(self._laid_on)

    def shift(self, frame: int, to_frame: int) -> tuple[float, float]:
        """Return by which shares of height and width what one frame shows is moved to lie upon another (`Shift`)."""
        first, last = sorted((frame, to_frame))
        apart = last - first <= SUMMED
        ends = [(at, at + 1) for at in range(first, last)] if apart else [(first, last)]
        down, right = (sum(way) for way in zip((0, 0), *(self._step(*pair) for pair in ends), strict=True))
        sign = self._small.factor * (1 if to_frame > frame else -1)
        return sign * down / self._size[0], sign * right / self._size[1]

    def _laid_on(self, frame: int, to_frame: int) -> Step:
        there, here = self._small[frame], self._small[to_frame]
        side = max(there.shape)
        return laid_on(there, here, side // 2, LEAST_SHARE * side, LEAST_GAIN)
