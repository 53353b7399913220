"""What a person says about one object on one frame, checked at the door.

Lists, arrays, tensors or None come in; a `PointPrompt` (points with labels, a box, or both) or a `MaskPrompt` comes
out, or a `PromptError` that names the value seen. Points given later can be joined to earlier ones (`merge`), and
`to_model_points` writes a prompt down as the labelled points that the model reads: a box is two corners with the labels
2 and 3, before all points. Everything here is x before y. Nothing here knows frames, objects or what a predictor does
with a prompt.

Source: facebookresearch/sam2 at 2b90b9f, `sam2/sam2_video_predictor.py`, `add_new_points_or_box` and `add_new_mask`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sam2_core.errors import PromptError
from sam2_core.inference.transforms import Size, box_to_points, points_to_model_px

BOX_LABELS = (2, 3)
"""Labels of a box's top-left and bottom-right corner."""
PADDING_LABEL = -1
"""Label of what fills up a batch and is no point."""
TENSOR_THRESHOLD = 0.5
"""From which value on a tensor that is given as a mask is inside."""
_LABELS = (PADDING_LABEL, 0, 1, *BOX_LABELS)


@dataclass(frozen=True, slots=True, eq=False)
class PointPrompt:
    """Points, a box, or both, for one object on one frame.

    Attributes
    ----------
    points_xy
        (N, 2) float32, in image pixels, or in [0, 1] of the image when `normalized`.
    labels
        (N,) int32: 1 inside the object, 0 outside; as officially also 2 and 3 for the corners of a box, -1 for padding.
    box_xyxy
        (4,) float32 as (x0, y0, x1, y1) in the same unit, or None.
    normalized
        Whether the coordinates are fractions of the image's width and height.
    """

    points_xy: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    box_xyxy: npt.NDArray[np.float32] | None = None
    normalized: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class MaskPrompt:
    """A drawn mask for one object on one frame: (H, W) bool in image pixels, or float32 values that are cut at one half
    where they do not have the size of the model's input.
    """

    mask: npt.NDArray[np.bool_] | npt.NDArray[np.float32]


def point_prompt(
    points: object, labels: object, box: object, size: Size, *, normalized: bool = False, strict: bool = True
) -> PointPrompt:
    """Return the checked prompt of one object on one frame.

    Parameters
    ----------
    points, labels, box, normalized
        As `PointPrompt` has them, unchecked; points and labels are both None when only a box is given.
    size
        (height, width) of the image in pixels.
    strict
        Whether points and boxes outside the image are errors, and points of which there are none. A point on the very
        edge is inside.

    Raises
    ------
    PromptError
        Nothing given, points without labels or the reverse, another shape, an unknown label, NaN, an empty or inverted
        box, or (when strict) something outside the image or no point in a list of points.
    """
    if points is None and labels is None and box is None:
        raise PromptError("the prompt is empty; give at least one point with its label, or a box")
    limits = (1.0, 1.0) if normalized else (float(size[1]), float(size[0]))
    points_xy, point_labels = checked_points(points, labels, limits if strict else None)
    if points_xy.ndim == 3 and len(points_xy) == 1:
        points_xy, point_labels = points_xy[0], point_labels[0]
    if points_xy.ndim != 2:
        raise PromptError(f"points have the shape {points_xy.shape}; one object takes (N, 2): one (x, y) per point")
    box_xyxy = None if box is None else checked_boxes(box, limits if strict else None)
    if box_xyxy is not None and len(box_xyxy) != 1:
        raise PromptError(f"{len(box_xyxy)} boxes for one object on one frame; give one (x0, y0, x1, y1) per object")
    if strict and box_xyxy is None and len(points_xy) == 0:
        raise PromptError("the prompt has no points; give at least one point with its label, or a box")
    return PointPrompt(points_xy, point_labels, None if box_xyxy is None else box_xyxy[0], normalized)


def mask_prompt(mask: object, size: Size, *, keeps_values: bool = False) -> MaskPrompt:
    """Return the checked mask of one object on one frame: True wherever the given (H, W) array is not zero.

    A tensor is True from one half on: soft masks and logits can be given so. Officially it keeps its values (where
    `keeps_values`), and is cut only after it was brought to the size of the model's input.

    Raises
    ------
    PromptError
        Not two axes, another height or width than the image's `size`, NaN, or not numbers.
    """
    drawn = _array(mask, "the mask")
    if drawn.ndim != 2:
        raise PromptError(f"the mask has the shape {drawn.shape}; give one mask as (height, width) = {tuple(size)}")
    if drawn.shape != tuple(size):
        raise PromptError(
            f"the mask is {_by(drawn.shape)} (height x width), the image {_by(size)}; draw it on the image's pixels"
        )
    if drawn.dtype.kind not in "buif":
        raise PromptError(f"the mask has the type {drawn.dtype}; give booleans or numbers")
    if drawn.dtype.kind == "f" and not np.isfinite(drawn).all():
        raise PromptError("the mask holds NaN or infinite values; give booleans or finite numbers")
    if drawn.dtype == np.bool_ or not isinstance(mask, Tensor):
        return MaskPrompt(drawn != 0)
    return MaskPrompt(drawn.astype(np.float32) if keeps_values else drawn >= TENSOR_THRESHOLD)


def merge(old: PointPrompt | None, new: PointPrompt) -> PointPrompt:
    """Return one prompt of the old points followed by the new ones (what `clear_old_points=False` asks for).

    Raises
    ------
    PromptError
        The new prompt has a box: a box must be the first prompt of its object on that frame; or one prompt is in pixels
        and the other in fractions of the image.
    """
    if new.box_xyxy is not None:
        raise PromptError("a box must be the first prompt of an object on a frame; add it with clear_old_points=True")
    if old is None:
        return new
    if old.normalized != new.normalized:
        raise PromptError(
            "earlier points and new points differ in normalize_coords; use one of them for the whole frame"
        )
    points_xy = np.concatenate([old.points_xy, new.points_xy])
    return PointPrompt(points_xy, np.concatenate([old.labels, new.labels]), old.box_xyxy, old.normalized)


def said_plainly(prompt: PointPrompt) -> PointPrompt:
    """Return the same prompt of points inside and outside alone: padding left out, two labelled corners as its box.

    Raises
    ------
    PromptError
        Nothing is left, or the corners are not those of one box.
    """
    labels, points = prompt.labels, prompt.points_xy
    corners = [points[labels == label] for label in BOX_LABELS]
    plain = np.isin(labels, (0, 1))
    box = prompt.box_xyxy
    if any(len(corner) for corner in corners):
        if box is not None or any(len(corner) != 1 for corner in corners):
            raise PromptError("labels 2 and 3 are the two corners of one box; give each once, or the box as `box`")
        box = checked_boxes(np.concatenate(corners).reshape(1, 4))[0]
    if box is None and not plain.any():
        raise PromptError("the prompt has no points but padding (label -1); give at least one point, or a box")
    return PointPrompt(points[plain], labels[plain], box, prompt.normalized)


def to_model_points(prompt: PointPrompt, size: Size, image_size: int) -> tuple[Tensor, Tensor]:
    """Return the prompt as labelled points in model pixels: (1, N, 2) float32 and (1, N) int32, a box's corners first.

    `image_size` is S, the side of the model's input in pixels.
    """
    points_xy, labels = torch.from_numpy(prompt.points_xy), torch.from_numpy(prompt.labels)
    if prompt.box_xyxy is not None:
        points_xy = torch.cat([box_to_points(prompt.box_xyxy), points_xy])
        labels = torch.cat([torch.tensor(BOX_LABELS, dtype=torch.int32), labels])
    points_xy = points_to_model_px(points_xy, size, image_size, normalize=not prompt.normalized)
    return points_xy[None], labels[None]


def checked_points(
    points: object, labels: object, limits: tuple[float, float] | None = None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Return points (..., N, 2) float32 and their labels (..., N) int32; (0, 2) and (0,) when both are None.

    Parameters
    ----------
    points, labels
        Lists, arrays or tensors.
    limits
        The largest x and y that are still in the image, in the unit of the points; None leaves that unchecked.

    Raises
    ------
    PromptError
        One without the other, another shape, NaN, an unknown label, or a point outside the limits.
    """
    if (points is None) != (labels is None):
        missing = "labels" if labels is None else "points"
        raise PromptError(
            f"points and labels belong together, but {missing} are missing; give one label (1 or 0) per point"
        )
    if points is None:
        return np.zeros((0, 2), np.float32), np.zeros(0, np.int32)
    points_xy, point_labels = _numbers(points, "points"), _numbers(labels, "labels")
    if points_xy.shape == point_labels.shape == (0,):  # an empty list says nothing of its rows
        points_xy = points_xy.reshape(0, 2)
    if points_xy.ndim < 2 or points_xy.shape[-1] != 2:
        raise PromptError(f"points have the shape {points_xy.shape}; expected (N, 2): one (x, y) per point")
    if point_labels.shape != points_xy.shape[:-1]:
        raise PromptError(
            f"labels have the shape {point_labels.shape}, points {points_xy.shape}; give one label per point"
        )
    if not np.isin(point_labels, _LABELS).all():
        unknown = point_labels[~np.isin(point_labels, _LABELS)][0]
        raise PromptError(
            f"label {unknown:g} is unknown; use 1 for a point inside the object and 0 for one outside (2 and 3 are the "
            "corners of a box, -1 is padding)"
        )
    if limits is not None:
        _check_inside(points_xy[np.isin(point_labels, (0, 1))], limits)
    return points_xy.astype(np.float32), point_labels.astype(np.int32)


def checked_boxes(boxes: object, limits: tuple[float, float] | None = None) -> npt.NDArray[np.float32]:
    """Return boxes as (B, 4) float32, (x0, y0, x1, y1); they may come in more axes, or as corners (..., 2, 2).

    Parameters
    ----------
    boxes
        A list, array or tensor.
    limits
        As for `checked_points`; a box may reach over the edge but must touch the image.

    Raises
    ------
    PromptError
        Another shape, NaN, an empty or inverted box, or a box that lies outside the limits altogether.
    """
    boxes_xyxy = _numbers(boxes, "the box")
    if boxes_xyxy.size == 0 or (boxes_xyxy.shape[-1:] != (4,) and boxes_xyxy.shape[-2:] != (2, 2)):
        raise PromptError(f"the box has the shape {boxes_xyxy.shape}; expected four numbers (x0, y0, x1, y1)")
    boxes_xyxy = boxes_xyxy.reshape(-1, 4)
    for box in boxes_xyxy:
        _check_box(box, limits)
    return boxes_xyxy.astype(np.float32)


def _check_inside(points_xy: npt.NDArray[np.float64], limits: tuple[float, float]) -> None:
    outside = ((points_xy < 0) | (points_xy > limits)).any(axis=1)
    if outside.any():
        x, y = points_xy[outside.argmax()]
        raise PromptError(f"point (x={x:g}, y={y:g}) lies outside the image of {_extent(limits)}")


def _check_box(box: npt.NDArray[np.float64], limits: tuple[float, float] | None) -> None:
    x0, y0, x1, y1 = (float(value) for value in box)
    text = f"box (x0={x0:g}, y0={y0:g}, x1={x1:g}, y1={y1:g})"
    if x1 < x0 or y1 < y0:
        raise PromptError(f"{text} is inverted; give the top-left corner first, then the bottom-right one")
    if x1 == x0 or y1 == y0:
        raise PromptError(f"{text} is empty; it needs x0 < x1 and y0 < y1")
    if limits is not None and (x1 < 0 or y1 < 0 or x0 > limits[0] or y0 > limits[1]):
        raise PromptError(f"{text} lies outside the image of {_extent(limits)}")


def _extent(limits: tuple[float, float]) -> str:
    unit = "(normalised coordinates)" if limits == (1.0, 1.0) else "pixels"
    return f"width {limits[0]:g} and height {limits[1]:g} {unit}"


def _numbers(values: object, name: str) -> npt.NDArray[np.float64]:
    array = _array(values, name)
    if array.dtype.kind not in "buif":
        raise PromptError(f"{name}: expected numbers, got {values!r}")
    if not np.isfinite(array).all():
        raise PromptError(f"{name}: NaN or infinite values in {array.tolist()}")
    return array.astype(np.float64)


def _array(values: object, name: str) -> npt.NDArray[Any]:
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = values.float() if values.dtype in (torch.bfloat16, torch.float16) else values
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise PromptError(f"{name}: rows of differing lengths or not numbers: {values!r}") from error


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in shape)
