"""The frame in which objects are sought, shown to the model part by part, as tracking shows it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from sam2_core.finding.found import BoxXYXY
from sam2_core.inference.frames.contrast import (
    Frame,
    check_frame,
    estimate_limits,
    frame_to_rgb,
    parse_limits,
    with_colour_channels,
)
from sam2_core.inference.frames.opened_frames import as_array
from sam2_core.inference.transforms import prepare_video_frame
from sam2_core.windowed.window import SizeHW, Window, cut


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A frame (H, W) or (H, W, C), and its contrast limits; None for a uint8 frame shown as it is."""

    pixels: Frame
    limits: object

    @classmethod
    def of(cls, image: object, contrast_limits: object = None) -> Picture:
        """Return the picture of an image; limits are those of the stack, percentiles of the image where None.

        Raises
        ------
        StackError
            The image is of no usable shape or type, or the limits are unusable.
        """
        pixels = with_colour_channels(check_frame(as_array(image), "the image"))
        limits: object = parse_limits(contrast_limits)
        if limits is None and pixels.dtype.name != "uint8":
            limits = estimate_limits([pixels])
        return cls(pixels, limits)

    @property
    def frame_hw(self) -> SizeHW:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def around(self, box_xyxy: BoxXYXY, margin_px: int) -> Window:
        """Return what lies so far around a box, within the frame."""
        x0, y0, x1, y1 = box_xyxy
        height, width = self.frame_hw
        x0, y0 = max(0, x0 - margin_px), max(0, y0 - margin_px)
        return Window(x0, y0, min(width, x1 + margin_px) - x0, min(height, y1 + margin_px) - y0)

    def shown(self, window: Window, image_size: int) -> Tensor:
        """Return what a window shows as the model sees it, (1, 3, S, S)."""
        return prepare_video_frame(frame_to_rgb(cut(self.pixels, window), self.limits), image_size)[None]

    def grey(self, window: Window) -> npt.NDArray[np.float32]:
        """Return how bright what a window shows is, (h, w), 0 to 1."""
        shown = frame_to_rgb(cut(self.pixels, window), self.limits)
        grey: npt.NDArray[np.float32] = shown.mean(axis=2, dtype=np.float32)
        return grey / np.float32(255 if shown.dtype == np.uint8 else 1)
