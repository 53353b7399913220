"""What a prompt can be made of: clicks, a box or a mask, as values that compare, join, check and write themselves.

A new type of prompt is one more class here, its field in `Prompt` and in the prompt file (`io.prompt_schema`), and what
it means to a predictor (`engine.give_prompt`). Whatever else handles prompts goes by `Prompt.parts`.
"""

from __future__ import annotations

import math
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from sam2_core.errors import PromptError

PointYX = tuple[float, float]
BoxYX = tuple[float, float, float, float]
BoolArray = NDArray[np.bool_]
HALF = 0.5
"""Of a pixel: whole numbers are the middles of pixels, so the first one begins half a pixel before 0."""


def pixel_yx(point_yx: PointYX, frame_hw: tuple[int, int]) -> PointYX:
    """Return a click brought between the middles of the outermost pixels; the half pixel around them counts to them.

    So a click from -0.5 to below n - 0.5 of an axis of n pixels lies in the image, as napari shows it.

    Raises
    ------
    PromptError
        If it lies outside.
    """
    (y, x), (height, width) = point_yx, frame_hw
    if not (-HALF <= y < height - HALF and -HALF <= x < width - HALF):
        raise PromptError(
            f"the point y={y:g}, x={x:g} lies outside the image, which is {height} high and {width} wide (y comes "
            "first)."
        )
    return min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)


def box_around(places_yx: NDArray[np.float64], frame_hw: tuple[int, int] | None) -> BoxYX:
    """Return the box (y0, x0, y1, x1) around places (N, 2), cut to the frame where one is given.

    Raises
    ------
    PromptError
        If it holds nothing of the frame.
    """
    ends = np.stack([places_yx.min(axis=0), places_yx.max(axis=0)])
    if frame_hw is not None:
        ends = ends.clip(0, frame_hw)
        if not (ends[0] < ends[1]).all():
            raise PromptError(f"it holds nothing of the image, which is {frame_hw[0]} high and {frame_hw[1]} wide")
    (y0, x0), (y1, x1) = ends.tolist()
    return y0, x0, y1, x1


class PromptPart(ABC):
    """One type of prompt, of which an object has at most one on a frame.

    Attributes
    ----------
    kind
        Tells the types apart; the word for messages.
    in_pieces
        Whether it may be given piece by piece, as clicks are.
    """

    __slots__ = ()
    kind: ClassVar[str]
    in_pieces: ClassVar[bool] = False

    @abstractmethod
    def fields(self) -> dict[str, Any]:
        """Return what it is as fields of a `Prompt`, which are those of an entry in a file; pixels as a `Mask`."""

    @abstractmethod
    def joined(self, other: Self) -> Self:
        """Return both as one."""

    @abstractmethod
    def within(self, height: int, width: int) -> Self:
        """Return it as it lies in a frame; see `pixel_yx`.

        Raises
        ------
        PromptError
            If it does not, or says nothing.
        """

    def diameter(self) -> float | None:
        """Return the diameter in pixels of the object that it outlines; None where it outlines none."""
        return None


@dataclass(frozen=True, slots=True)
class Clicks(PromptPart):
    """Points (y, x), each with a label: 1 in the object, 0 outside."""

    kind = "clicks"
    in_pieces = True
    points_yx: tuple[PointYX, ...]
    labels: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.points_yx) != len(self.labels):
            raise PromptError(
                f"{len(self.points_yx)} points and {len(self.labels)} labels; give one label per point, 1 in the "
                "object or 0 outside."
            )
        if set(self.labels) - {0, 1}:
            raise PromptError(f"labels {list(self.labels)}; a label is 1 (in the object) or 0 (outside).")

    def fields(self) -> dict[str, Any]:
        """Return points and labels."""
        return {"points_yx": self.points_yx, "labels": tuple(map(int, self.labels))}

    def joined(self, other: Self) -> Self:
        """Return the points of both in turn."""
        return type(self)(self.points_yx + other.points_yx, self.labels + other.labels)

    def within(self, height: int, width: int) -> Self:
        """Return the points brought to the pixels that they lie in; raise `PromptError` if one lies in none."""
        return type(self)(tuple(pixel_yx(point, (height, width)) for point in self.points_yx), self.labels)


@dataclass(frozen=True, slots=True)
class Box(PromptPart):
    """A box (y0, x0, y1, x1) around the object."""

    kind = "box"
    box_yx: BoxYX

    def fields(self) -> dict[str, Any]:
        """Return the box."""
        return {"box_yx": self.box_yx}

    def joined(self, other: Self) -> Self:
        """Return one box around both."""
        first, second = self.box_yx, other.box_yx
        low, high = map(min, first[:2], second[:2]), map(max, first[2:], second[2:])
        return type(self)((*low, *high))  # type: ignore[arg-type]  # two and two

    def within(self, height: int, width: int) -> Self:
        """Return the box from 0 on, where it began half a pixel before; raise `PromptError` if it reaches farther."""
        y0, x0, y1, x1 = self.box_yx
        if y0 < -HALF or x0 < -HALF or y1 > height or x1 > width:
            raise PromptError(
                f"the box {self.box_yx} (y0, x0, y1, x1) reaches out of the image, which is {height} high and {width} "
                "wide."
            )
        brought = (max(y0, 0.0), max(x0, 0.0), y1, x1)
        if not (brought[0] < y1 and brought[1] < x1):
            raise PromptError(f"the box {self.box_yx} is empty; it is written y0, x0, y1, x1 with y0 < y1, x0 < x1.")
        return type(self)(brought)

    def diameter(self) -> float:
        """Return the diameter of the disc with the area of the ellipse in the box."""
        y0, x0, y1, x1 = self.box_yx
        return math.sqrt((y1 - y0) * (x1 - x0))


@dataclass(frozen=True, slots=True, init=False)
class Mask(PromptPart):
    """The pixels of the object in a frame, kept as the bits of their box; masks of equal pixels are equal.

    Parameters
    ----------
    pixels
        (H, W), not 0 where the object is.

    Attributes
    ----------
    size
        (H, W) of the frame.
    y0, x0
        Upper left corner of the box.
    shape
        (h, w) of the box; (0, 0) where no pixel is set.
    packed
        zlib of the bits in the box, row by row.
    """

    kind = "mask"
    size: tuple[int, int]
    y0: int
    x0: int
    shape: tuple[int, int]
    packed: bytes

    def __init__(self, pixels: ArrayLike) -> None:
        values = np.asarray(pixels)
        if values.dtype.kind not in "biuf" or (values.dtype.kind == "f" and np.isnan(values).any()):
            raise PromptError(f"a mask of type {values.dtype} that is no numbers cannot be used; give true and false.")
        inside = values.astype(bool, copy=False)
        if inside.ndim != 2:
            raise PromptError(f"a mask of shape {inside.shape} cannot be used; give a plane (H, W).")
        self._keep((inside.shape[0], inside.shape[1]), 0, 0, inside)

    @classmethod
    def in_box(cls, size: tuple[int, int], y0: int, x0: int, inside: BoolArray) -> Self:
        """Return the mask of pixels (h, w) whose upper left one is (y0, x0) of a frame of a size (H, W)."""
        made = cls.__new__(cls)
        made._keep(size, y0, x0, inside)
        return made

    def _keep(self, size: tuple[int, int], y0: int, x0: int, inside: BoolArray) -> None:
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        if rows.size:
            y0, x0 = y0 + int(rows[0]), x0 + int(columns[0])
            inside = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        else:
            y0, x0, inside = 0, 0, inside[:0, :0]
        packed = zlib.compress(np.packbits(inside).tobytes(), level=1)
        kept = {"size": size, "y0": y0, "x0": x0, "shape": inside.shape, "packed": packed}
        for name, value in kept.items():
            object.__setattr__(self, name, value)

    @property
    def inside(self) -> BoolArray:
        """Which pixels of the box are set, (h, w)."""
        count = self.shape[0] * self.shape[1]
        bits = np.unpackbits(np.frombuffer(zlib.decompress(self.packed), np.uint8), count=count)
        return bits.view(bool).reshape(self.shape)

    @property
    def rows(self) -> slice:
        """Rows of the frame that the box covers."""
        return slice(self.y0, self.y0 + self.shape[0])

    @property
    def columns(self) -> slice:
        """Columns of the frame that the box covers."""
        return slice(self.x0, self.x0 + self.shape[1])

    def holds(self, y: float, x: float) -> bool:
        """Return whether the pixel nearest to a place is set."""
        row, column = round(y) - self.y0, round(x) - self.x0
        in_box = 0 <= row < self.shape[0] and 0 <= column < self.shape[1]
        return in_box and bool(self.inside[row, column])

    @property
    def mask(self) -> BoolArray:
        """The pixels in their frame, (H, W); made anew each time."""
        frame = np.zeros(self.size, dtype=bool)
        frame[self.rows, self.columns] = self.inside
        return frame

    @property
    def is_empty(self) -> bool:
        """Whether no pixel is set."""
        return 0 in self.shape

    def fields(self) -> dict[str, Any]:
        """Return the mask."""
        return {"mask": self}

    def joined(self, other: Self) -> Self:
        """Return the pixels of both."""
        if self.size != other.size:
            raise PromptError(f"masks of frames of {self.size} and {other.size} pixels cannot be joined.")
        return type(self)(self.mask | other.mask)

    def within(self, height: int, width: int) -> Self:
        """Return the mask if it is one of the frame and holds something; else raise `PromptError`."""
        if self.size != (height, width):
            raise PromptError(f"the mask has shape {self.size}, but a frame has {(height, width)}.")
        if self.is_empty:
            raise PromptError("the mask is empty; give one that holds at least one pixel.")
        return self

    def diameter(self) -> float:
        """Return the diameter of the disc of equal area."""
        return math.sqrt(4 * np.count_nonzero(self.inside) / math.pi)


def checked_labels(labels: ArrayLike, size: tuple[int, int]) -> NDArray[Any]:
    """Return a label image as an array, if it holds whole numbers and has the size (height, width) of a frame.

    Raises
    ------
    PromptError
        If not.
    """
    values = np.asarray(labels)
    if values.shape != size or values.dtype.kind not in "bui":
        raise PromptError(
            f"labels of shape {values.shape} and type {values.dtype} cannot be used; give whole numbers of shape "
            f"{size}."
        )
    return values


def cut_labels(labels: NDArray[Any]) -> dict[int, Mask]:
    """Return the mask of each object in a label image (H, W) of whole numbers, by its label, ascending; 0 is none."""
    values = np.unique(labels[labels > 0])
    places = np.zeros(labels.shape, dtype=np.intp)
    shown = labels > 0
    places[shown] = np.searchsorted(values, labels[shown]) + 1  # as large as their number, however large the labels
    size = (labels.shape[0], labels.shape[1])
    boxes = ndimage.find_objects(places, max_label=len(values))
    return {
        int(value): Mask.in_box(size, rows.start, columns.start, places[rows, columns] == place)
        for place, (value, (rows, columns)) in enumerate(zip(values, boxes, strict=True), start=1)
    }
