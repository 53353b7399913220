"""What was found in a frame: one value an object, and all of them together. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
BoxXYXY = tuple[int, int, int, int]


def cut_to_pixels(mask: Mask, corner_xy: tuple[int, int]) -> tuple[BoxXYXY, Mask] | None:
    """Return the box and the part of a mask that its pixels take up; None where it has none.

    corner_xy: place on the frame of the upper left pixel of the mask.
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        return None
    x, y = corner_xy
    box = (x + int(columns[0]), y + int(rows[0]), x + int(columns[-1]) + 1, y + int(rows[-1]) + 1)
    return box, np.ascontiguousarray(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def region_of(box_xyxy: BoxXYXY) -> tuple[slice, slice]:
    """Return the rows and columns of the frame that a box covers."""
    x0, y0, x1, y1 = box_xyxy
    return slice(y0, y1), slice(x0, x1)


@dataclass(frozen=True, slots=True, eq=False)
class FoundObject:
    """One object of a frame.

    Attributes
    ----------
    box_xyxy
        (x0, y0, x1, y1) in whole pixels of the frame: the columns x0 to x1 - 1 and the rows y0 to y1 - 1.
    mask
        (y1 - y0, x1 - x0), what of the box is the object.
    seed_xy
        Where it was clicked, in pixels of the frame, whose centres are whole numbers; of an object that is handed out
        it lies on a pixel of the mask (`seeded`).
    score
        From 0 to 1, how likely it is right: of many objects with a score of 0.8 about 80 % are (an IoU of at least 0.5
        with the truth; `scores` says on what that was measured).
    """

    box_xyxy: BoxXYXY
    mask: Mask
    seed_xy: tuple[float, float]
    score: float

    @property
    def area(self) -> int:
        """Number of its pixels."""
        return int(np.count_nonzero(self.mask))

    @property
    def region(self) -> tuple[slice, slice]:
        """Rows and columns of the frame that its box covers."""
        return region_of(self.box_xyxy)

    def seeded(self) -> FoundObject:
        """Return the object with its seed on one of its pixels: the nearest one, where it lies beside them."""
        x, y = self.seed_xy[0] - self.box_xyxy[0], self.seed_xy[1] - self.box_xyxy[1]
        rows, columns = np.nonzero(self.mask)
        nearest = int(np.argmin(np.hypot(rows - y, columns - x)))
        if max(abs(rows[nearest] - y), abs(columns[nearest] - x)) <= 0.5:
            return self
        place = float(self.box_xyxy[0] + columns[nearest]), float(self.box_xyxy[1] + rows[nearest])
        return replace(self, seed_xy=place)

    def on_frame(self, frame_hw: tuple[int, int]) -> Mask:
        """Return its mask (H, W) on a frame of that height and width."""
        whole = np.zeros(frame_hw, dtype=bool)
        whole[self.region] = self.mask
        return whole


def labels_of(objects: Sequence[FoundObject], frame_hw: tuple[int, int]) -> npt.NDArray[np.int32]:
    """Return (H, W): 1 for the pixels of the first object, 2 for those of the second, 0 for the background."""
    labels = np.zeros(frame_hw, dtype=np.int32)
    for label, found in enumerate(objects, start=1):
        labels[found.region][found.mask] = label
    return labels


@dataclass(frozen=True, slots=True)
class FoundObjects:
    """All objects of a frame, the best score first; no two of them share a pixel.

    Attributes
    ----------
    frame_hw
        Height and width of the frame in pixels.
    diameter_px
        Of a typical object, with which they were sought; None where that could not be told, and nothing was sought.
    is_told
        Whether the caller gave that diameter; else it was found.
    method
        ``seeds`` of the dense head, or ``grid`` of points.
    remark
        A word to the person where there is something to say, such as why nothing was sought.
    """

    objects: tuple[FoundObject, ...]
    frame_hw: tuple[int, int]
    diameter_px: float | None
    is_told: bool
    method: str
    remark: str = ""

    def __len__(self) -> int:
        return len(self.objects)

    def labels(self) -> npt.NDArray[np.int32]:
        """Return (H, W): 1 for the pixels of the first object, 2 for those of the second, 0 for the background."""
        return labels_of(self.objects, self.frame_hw)
