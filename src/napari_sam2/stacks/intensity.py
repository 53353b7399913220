"""From stored intensities to what the model sees: contrast limits that are fixed for the whole stack, then 8 bit.

`estimate_contrast` looks at a few evenly spaced frames once; `normalise` maps a frame through the limits;
`ModelMovie` does that for every frame of a movie when it is read. Limits never change from frame to frame, so a cell
that fades stays a cell that fades; where bleaching or flicker of the whole image is in the way, a movie can be evened
out on request, which brings every frame to the brightness of the stack. What is not finite is black and counts for
nothing. How limits are estimated is the business of `sam2_core.inference.frames.contrast`, which needs no torch; no
model is known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_sam2.stacks.stack import Movie
from sam2_core.errors import StackError
from sam2_core.inference.frames.contrast import blackened, estimate_limits, sampled_indices

SAMPLED_FRAMES = 16
LARGEST_GAIN = 8.0
"""A frame is made brighter or darker by at most this factor."""


@dataclass(frozen=True, slots=True)
class ContrastLimits:
    """Stored intensity shown as black and as white, per channel; a single pair serves every channel."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high) or not self.low:
            raise StackError(f"Contrast limits need one low and one high per channel, got {self.low} and {self.high}.")
        for low, high in zip(self.low, self.high, strict=True):
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise StackError(f"Contrast limits {low} to {high} cannot be used; the first must be below the second.")


def estimate_contrast(movie: Movie, frames: int = SAMPLED_FRAMES) -> ContrastLimits:
    """Return the 0.1 and 99.9 percentile of each channel over evenly spaced frames; 8-bit colour is left as it is.

    Parameters
    ----------
    frames
        How many frames to look at, > 0; they include the first and the last.
    """
    if movie.is_colour and movie.dtype == np.uint8:
        return ContrastLimits((0.0,), (255.0,))
    chosen = (movie[index] for index in sampled_indices(len(movie), frames))
    if movie.is_colour:
        chosen = (frame.reshape(frame.shape[0], -1) for frame in chosen)  # one pair for all colours
    low, high = zip(*estimate_limits(chosen), strict=True)
    return ContrastLimits(low, high)


def normalise(frame: np.ndarray, limits: ContrastLimits) -> np.ndarray:
    """Return a frame (H, W) or (H, W, C) as uint8 (H, W) for one channel, or (H, W, 3) for two or three.

    Two channels become red and green, with their mean as blue. NaN and infinity become black.
    """
    precision = np.dtype(np.float64 if frame.dtype == np.float64 else np.float32)
    low: np.ndarray[Any, Any] = np.asarray(limits.low, dtype=precision)
    span = np.asarray(limits.high, dtype=precision) - low
    planes = frame[..., None] if frame.ndim == 2 else frame  # (H, W, C)
    if len(low) not in (1, planes.shape[-1]):
        raise StackError(f"There are contrast limits for {len(low)} channels, but a frame has {planes.shape[-1]}.")
    planes = np.clip((blackened(planes, low).astype(precision) - low) / span, 0, 1)
    if planes.shape[-1] == 2:
        planes = np.concatenate([planes, planes.mean(axis=-1, keepdims=True)], axis=-1)  # (H, W, 3)
    mapped = (planes * 255 + 0.5).astype(np.uint8)
    return mapped[..., 0] if mapped.shape[-1] == 1 else mapped


def brightness(frame: np.ndarray, limits: ContrastLimits) -> np.ndarray:
    """Return the mean of a frame (H, W) or (H, W, C) above black, (C,) float64, at least a thousandth of the span.

    The mean is taken over what is finite.
    """
    low, high = np.asarray(limits.low), np.asarray(limits.high)
    planes = frame.reshape(*frame.shape[:2], -1)  # (H, W, C)
    above = np.clip(blackened(planes, low) - low, 0, None).sum(axis=(0, 1))
    counted = np.maximum(np.isfinite(planes).sum(axis=(0, 1)), 1)
    return np.maximum(above / counted, 1e-3 * (high - low))


def reference_brightness(movie: Movie, limits: ContrastLimits) -> np.ndarray:
    """Return the median brightness of evenly spaced frames, (C,); frames in which nothing is finite are left out."""
    frames = (movie[index] for index in sampled_indices(len(movie), SAMPLED_FRAMES))
    sampled = [brightness(frame, limits) for frame in frames if np.isfinite(frame).any()]
    return np.median(sampled, axis=0) if sampled else brightness(movie[0], limits)


def evened(frame: np.ndarray, limits: ContrastLimits, reference: np.ndarray) -> ContrastLimits:
    """Return the limits that show a frame (H, W) or (H, W, C) as bright as the reference (C,): only white moves."""
    gain = np.clip(reference / brightness(frame, limits), 1 / LARGEST_GAIN, LARGEST_GAIN)
    low = np.broadcast_to(limits.low, gain.shape)
    high = low + (np.asarray(limits.high) - low) / gain
    return ContrastLimits(tuple(low.tolist()), tuple(high.tolist()))


class ModelMovie:
    """The frames of a movie as the model sees them: `len` and `[i]` -> uint8 (H, W) or (H, W, 3).

    Parameters
    ----------
    limits
        Estimated when they are first needed, if None.
    even_out
        Bring every frame to the brightness of the stack, against bleaching and flicker.
    """

    def __init__(self, movie: Movie, limits: ContrastLimits | None = None, even_out: bool = False) -> None:
        self.movie = movie
        self.even_out = even_out
        self._limits = limits
        self._reference: np.ndarray | None = None

    @property
    def limits(self) -> ContrastLimits:
        """Limits of the whole stack."""
        if self._limits is None:
            self._limits = estimate_contrast(self.movie)
        return self._limits

    @property
    def height(self) -> int:
        """Rows of a frame."""
        return self.movie.height

    @property
    def width(self) -> int:
        """Columns of a frame."""
        return self.movie.width

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W) or (T, H, W, 3)."""
        tail = (3,) if self.movie.channel_count > 1 else ()
        return (len(self), self.height, self.width, *tail)

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """Always uint8."""
        return np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.movie)

    def __getitem__(self, frame_index: int) -> np.ndarray:
        frame = self.movie[frame_index]
        if not self.even_out:
            return normalise(frame, self.limits)
        if self._reference is None:
            self._reference = reference_brightness(self.movie, self.limits)
        return normalise(frame, evened(frame, self.limits, self._reference))
