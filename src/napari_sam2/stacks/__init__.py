"""Images in: stacks of any source with named axes, their frames one at a time, and the contrast the model sees.

`open_stack` -> `Stack.movie` -> `Movie` (stored intensities) -> `ModelMovie` (uint8 within fixed contrast limits).
Headless and without torch: what leaves this room is numpy.
"""

from __future__ import annotations

from napari_sam2.stacks.intensity import ContrastLimits, ModelMovie, estimate_contrast, normalise
from napari_sam2.stacks.labels import open_labels
from napari_sam2.stacks.metadata import Calibration
from napari_sam2.stacks.stack import Movie, Stack, open_stack

__all__ = [
    "Calibration",
    "ContrastLimits",
    "ModelMovie",
    "Movie",
    "Stack",
    "estimate_contrast",
    "normalise",
    "open_labels",
    "open_stack",
]
