"""What one would do without a network, as the protocol describes it, so that a model has something to beat.

In order, frame by frame: smooth (Gaussian, sigma 5 % of the typical diameter), threshold by Otsu or its negative,
whichever holds the click, split by watershed on the distance transform (one seed per peak, peaks at least 40 % of the
diameter apart). The region under the click is the object; in the next frame it is the region of most overlap, and once
there is none the object is lost. Where there is no click, all bright or all dark regions are the objects: whichever
agree better with the truth. Grey images only; colour is averaged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.segmentation import watershed

from napari_sam2.masks.stored_masks import Array
from sam2_core.scoring.detection import ap50
from sam2_core.scoring.ground_truth import Mask, Target

SMOOTHING = 0.05
LEAST_SIGMA_PX = 1.0
SEED_DISTANCE = 0.4


class ClassicalFrame:
    """One frame (H, W[, C]), smoothed, with its bright and its dark regions, found when they are asked for."""

    def __init__(self, frame: Array, diameter_px: float) -> None:
        grey = frame.mean(axis=-1) if frame.ndim == 3 else frame
        sigma = max(LEAST_SIGMA_PX, SMOOTHING * diameter_px)
        self._smooth: Array = gaussian(grey.astype(np.float64), sigma)  # type: ignore[no-untyped-call]
        self._diameter_px = diameter_px
        flat = self._smooth.min() == self._smooth.max()
        self._threshold = float(self._smooth.min() if flat else threshold_otsu(self._smooth))  # type: ignore[no-untyped-call]
        self._regions: dict[bool, Array] = {}

    def is_bright(self, yx: tuple[int, int]) -> bool:
        """Return whether the object under a click is what lies above the threshold."""
        return bool(self._smooth[yx] > self._threshold)

    def regions(self, bright: bool) -> Array:
        """Return the bright or the dark regions as labels (H, W)."""
        if bright not in self._regions:
            above = self._smooth > self._threshold
            self._regions[bright] = _split(above if bright else ~above, self._diameter_px)
        return self._regions[bright]


def region_under(frame: ClassicalFrame, click_yx: tuple[int, int]) -> Mask:
    """Return the region (H, W) under a click; empty where a piece got no seed."""
    regions = frame.regions(frame.is_bright(click_yx))
    return (regions == regions[click_yx]) & (regions > 0)


def next_region(regions: Array, before: Mask) -> Mask:
    """Return the region that overlaps most with a mask of the frame before; an empty mask where none does."""
    overlaps = np.bincount(regions[before], minlength=1)
    overlaps[0] = 0
    return regions == int(overlaps.argmax()) if overlaps.any() else np.zeros_like(before)


def track_classically(
    movie: Sequence[Array], targets: Sequence[Target], diameter_px: float
) -> Iterator[tuple[int, Target, Mask]]:
    """Yield frame index, object and its mask (H, W), in order of frames, from each click to the end of the object."""
    masks: dict[int, tuple[bool, Mask]] = {}
    for index in range(min(target.first_frame for target in targets), max(target.stop for target in targets)):
        here = [target for target in targets if target.first_frame <= index < target.stop]
        if not here:
            continue
        frame = ClassicalFrame(movie[index], diameter_px)
        for target in here:
            if index == target.first_frame:
                bright = frame.is_bright(target.click_yx)
                mask = region_under(frame, target.click_yx)
            else:
                bright, before = masks[target.object_id]
                mask = next_region(frame.regions(bright), before)
            masks[target.object_id] = (bright, mask)
            yield index, target, mask


def regions_of_frame(frame: Array, truth: Array, diameter_px: float) -> Array:
    """Return the bright or the dark regions of a frame as labels (H, W): those with the better AP at IoU 0.5."""
    classical = ClassicalFrame(frame, diameter_px)
    return max((classical.regions(bright) for bright in (True, False)), key=lambda found: ap50(truth, found))


def _split(foreground: Mask, diameter_px: float) -> Array:
    """Return the foreground (H, W) split into labelled regions, one per peak of its distance transform."""
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(foreground), LEAST_SIGMA_PX)
    pieces, _ = ndimage.label(foreground)
    spacing = max(1, round(SEED_DISTANCE * diameter_px))
    peaks = peak_local_max(depth, min_distance=spacing, labels=pieces, exclude_border=False)  # type: ignore[no-untyped-call]
    seeds = np.zeros(foreground.shape, dtype=np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-depth, seeds, mask=foreground)  # type: ignore[no-untyped-call]
