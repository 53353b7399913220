"""From stored values to the three channels in a fixed range that a model sees.

A stack gets its contrast limits once, so that brightness does not flicker from frame to frame: given by the caller, or
estimated from a few evenly spaced frames. Frames of type uint8 without given limits are passed on as they are;
everything else becomes float32 in [0, 1]. What is not finite (the border of a registered stack) is black, and counts
for nothing when limits are estimated. This room reads no files and knows no model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from sam2_core.errors import StackError

T = TypeVar("T", bound=np.generic)
Frame = npt.NDArray[Any]
Rgb = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
"""(H, W, 3): uint8 as stored, or float32 in [0, 1]."""
LimitPairs = tuple[tuple[float, float], ...]
"""One (low, high) per channel, or a single pair for all of them; low becomes 0, high becomes 1."""

MAX_CHANNELS = 4
LOW_PERCENT, HIGH_PERCENT = 0.1, 99.9
SAMPLED_PIXELS_PER_FRAME = 2**18


def frame_to_rgb(frame: Frame, contrast_limits: object = None) -> Rgb:
    """Return the frame with three channels, (H, W, 3): uint8 as stored, or float32 in [0, 1].

    Gray is repeated; of two channels the first becomes red, the second green, their mean blue; of four uint8 channels
    (RGBA) the alpha channel is dropped. Without limits a uint8 frame keeps its values and any other frame is stretched
    by its own percentiles: right for a single image, flickering for a movie, which should pass the limits of the whole
    stack.

    Parameters
    ----------
    frame
        (H, W) or (H, W, C), C from 1 to 4; any real number type.
    contrast_limits
        None, one pair (low, high), or one pair per channel.

    Raises
    ------
    StackError
        Another shape or type, more channels than can be shown, or unusable limits.
    """
    frame = with_colour_channels(check_frame(frame, "the image"))
    limits = parse_limits(contrast_limits)
    if limits is None:
        if frame.dtype == np.uint8:
            return _three_channels(frame)
        limits = estimate_limits([frame])
    return _three_channels(_stretch(frame, limits))


def check_frame(frame: Frame, name: str) -> Frame:
    """Return the frame as (H, W) or (H, W, C) of a real number type; `name` opens the text of an error.

    Raises
    ------
    StackError
        Another number of axes, no pixels, an unusable type, or a channel count other than 1 to 4.
    """
    if frame.ndim == 3 and frame.shape[2] == 1:
        frame = frame[:, :, 0]
    if frame.dtype.kind not in "buif":
        raise StackError(f"{name} has the type {frame.dtype}; expected whole or real numbers")
    if frame.ndim not in (2, 3) or frame.size == 0:
        raise StackError(f"{name} has the shape {frame.shape}; expected (H, W) or (H, W, C) with at least one pixel")
    if frame.ndim == 3 and frame.shape[2] > MAX_CHANNELS:
        hint = "; move the channels to the end, (H, W, C)" if frame.shape[0] <= MAX_CHANNELS else ""
        raise StackError(f"{name} has {frame.shape[2]} channels (shape {frame.shape}); choose up to three{hint}")
    return frame


def with_colour_channels(frame: Frame) -> Frame:
    """Return the checked frame with at most three channels, without the alpha channel of a uint8 RGBA frame.

    Raises
    ------
    StackError
        Four channels of another type than uint8: nothing says which of them to show.
    """
    if frame.ndim == 3 and frame.shape[2] == 4:
        if frame.dtype != np.uint8:
            raise StackError(f"a frame with 4 channels of type {frame.dtype} is not RGBA; choose three of them")
        return frame[:, :, :3]
    return frame


def parse_limits(contrast_limits: object) -> LimitPairs | None:
    """Return contrast limits as a tuple of pairs, or None when none were given.

    Raises
    ------
    StackError
        Not one pair or a list of pairs, not finite, or a low value that is not below the high one.
    """
    if contrast_limits is None:
        return None
    try:
        pairs = np.atleast_2d(np.asarray(contrast_limits, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise StackError(f"contrast limits {contrast_limits!r} are not one (low, high) or one per channel") from error
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not 1 <= len(pairs) <= MAX_CHANNELS:
        raise StackError(f"contrast limits {contrast_limits!r} are not one (low, high) or one per channel")
    if not np.isfinite(pairs).all() or (pairs[:, 0] >= pairs[:, 1]).any():
        raise StackError(f"contrast limits {contrast_limits!r} need finite values with low < high")
    return tuple((float(low), float(high)) for low, high in pairs)


def estimate_limits(frames: Iterable[Frame]) -> LimitPairs:
    """Return one (low, high) per channel: the 0.1 and 99.9 percentiles of all finite values of the given frames.

    Where these coincide (a nearly empty channel) the extremes are taken, and where even these coincide, (value, value +
    1). Boolean frames give (0, 1), as do channels without a finite value. Frames are looked at one by one; at most
    2**18 pixels of each are kept.
    """
    samples: dict[int, list[Frame]] = defaultdict(list)
    for frame in frames:
        if frame.dtype == np.bool_:
            return ((0.0, 1.0),)
        for channel, plane in enumerate(np.moveaxis(np.atleast_3d(frame), 2, 0)):
            samples[channel].append(_sample(plane))
    return tuple(_robust_range(np.concatenate(values)) for values in samples.values())


def sampled_indices(number_of_frames: int, at_most: int = 16) -> list[int]:
    """Return up to `at_most` evenly spaced frame indices, the first and the last among them."""
    return sorted({int(i) for i in np.linspace(0, number_of_frames - 1, min(number_of_frames, at_most)).round()})


def _sample(plane: Frame) -> Frame:
    """Return the finite pixels of every n-th row and column, and the plane's two extremes, as a copy."""
    step = int(np.ceil(np.sqrt(plane.size / SAMPLED_PIXELS_PER_FRAME)))
    kept = finite_values(plane[::step, ::step])
    all_finite = finite_values(plane)
    if all_finite.size == 0:
        return kept
    return np.concatenate([kept, [all_finite.min(), all_finite.max()]]).astype(plane.dtype, copy=False)


def finite_values(values: Frame) -> Frame:
    """Return the values that are neither NaN nor infinite, (N,)."""
    return values[np.isfinite(values)] if values.dtype.kind == "f" else values.ravel()


def blackened(frame: Frame, black: Frame) -> Frame:
    """Return the frame with black (one value, or one per channel) in place of all that is not finite."""
    return np.where(np.isfinite(frame), frame, black) if frame.dtype.kind == "f" else frame


def _robust_range(values: Frame) -> tuple[float, float]:
    if values.size == 0:
        return 0.0, 1.0
    numbers = values.astype(np.float64)
    low, high = np.percentile(numbers, [LOW_PERCENT, HIGH_PERCENT])
    if low == high:
        low, high = numbers.min(), numbers.max()
    return float(low), float(high if high > low else low + 1.0)


def _stretch(frame: Frame, limits: LimitPairs) -> npt.NDArray[np.float32]:
    """Return (value - low) / (high - low), cut to [0, 1], float32, in the shape of the frame."""
    channels = 1 if frame.ndim == 2 else frame.shape[2]
    if len(limits) not in (1, channels):
        raise StackError(
            f"{len(limits)} contrast limits for a frame with {channels} channels; give one pair, or {channels}"
        )
    precision = np.float32 if frame.dtype.itemsize <= 2 else np.float64
    low, high = np.array(limits, dtype=precision).T
    if frame.ndim == 2:
        low, high = low[0], high[0]
    return np.clip((blackened(frame, low).astype(precision) - low) / (high - low), 0.0, 1.0).astype(np.float32)


def _three_channels(frame: npt.NDArray[T]) -> npt.NDArray[T]:
    if frame.ndim == 2:
        return np.repeat(frame[:, :, None], 3, axis=2)
    if frame.shape[2] == 2:
        return np.concatenate([frame, frame.mean(axis=2, keepdims=True).astype(frame.dtype)], axis=2)
    return np.ascontiguousarray(frame)
