"""One call of a prompt on a video predictor as a value: checked on the frame, and moved into a window.

The predictor's own order holds here, (x, y) and (x0, y0, x1, y1), because these are its calls; `extent_yx` is (y, x).
A `PromptCall` can be made again on another state through another window: so an object is handed over.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sam2_core.windowed.following_window import Window

Array = np.ndarray[Any, Any]
BoxYX = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class PromptCall:
    """Points with labels and a box, or a mask, for one object on one frame, in pixels of the frame.

    Attributes
    ----------
    frame, object_id
        Where and for whom.
    points_xy, labels
        (N, 2) and (N,), 1 in the object and 0 outside.
    box_xyxy
        (4,), cut to the frame, or None.
    mask
        (H, W) bool, or None; then there are no points and no box.
    adds
        Whether the points are added to earlier ones on the frame (`clear_old_points=False`).
    """

    frame: int
    object_id: int
    points_xy: Array
    labels: Array
    box_xyxy: Array | None = None
    mask: Array | None = None
    adds: bool = False

    @classmethod
    def of_mask(cls, frame: int, object_id: int, mask: Any, size: tuple[int, int]) -> PromptCall:
        """Return the call for a mask (H, W) on a frame of `size` (height, width).

        Raises
        ------
        PromptError
            The mask has another shape or holds no numbers.
        """
        from sam2_core.inference.prompt_inputs import mask_prompt

        nothing = np.zeros((0, 2), np.float32), np.zeros(0, np.int32)
        return cls(frame, object_id, *nothing, mask=mask_prompt(mask, size).mask)

    @property
    def extent_yx(self) -> BoxYX | None:
        """Box around what was said to belong to the object; None where that is nothing (clicks outside it only)."""
        if self.mask is not None:
            rows, columns = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
            if rows.size == 0:
                return None
            return float(rows[0]), float(columns[0]), float(rows[-1] + 1), float(columns[-1] + 1)
        corners = self.points_xy[self.labels == 1]
        if self.box_xyxy is not None:
            corners = np.concatenate([corners, self.box_xyxy.reshape(2, 2)])
        return _around(corners)

    @property
    def clicked_yx(self) -> BoxYX | None:
        """Box around all points, those outside the object too; None without points."""
        return _around(self.points_xy)

    def make(self, predictor: Any, state: Any, window: Window, need_output: bool = True) -> Any:
        """Return the answer of a predictor to the call on a state whose frame is what the window shows.

        Clicks outside the object that lie beyond the window are moved to its edge: the object is not there either way.
        """
        given: dict[str, Any] = {"need_output": need_output}
        if self.mask is not None:
            mask = _mask_in(window, self.mask)
            return predictor.add_new_mask(state, frame_idx=self.frame, obj_id=self.object_id, mask=mask, **given)
        corner = np.array([window.x0, window.y0], np.float32)
        given |= {"clear_old_points": False} if self.adds else {}
        if len(self.points_xy):
            edge = np.array([window.width - 1, window.height - 1], np.float32)
            outside = (self.labels == 0)[:, None]
            moved = self.points_xy - corner
            given |= {"points": np.where(outside, moved.clip(0, edge), moved), "labels": self.labels}
        if self.box_xyxy is not None:
            given["box"] = self.box_xyxy - np.tile(corner, 2)
        return predictor.add_new_points_or_box(state, frame_idx=self.frame, obj_id=self.object_id, **given)


def point_call(frame: int, object_id: int, size: tuple[int, int], adds: bool = False, **given: Any) -> PromptCall:
    """Return the call for points, labels and a box as they are given to a predictor, for a frame of `size`.

    Parameters
    ----------
    frame, object_id
        Where and for whom.
    size
        (height, width) of the frame.
    adds
        See `PromptCall`.
    **given
        `points`, `labels`, `box`, and `normalized` for fractions of width and height instead of pixels.

    Raises
    ------
    PromptError
        The prompt cannot be used as it was given.
    """
    from sam2_core.inference.prompt_inputs import point_prompt

    normalized = given.pop("normalized", False)
    prompt = point_prompt(given["points"], given["labels"], given["box"], size, normalized=normalized)
    whole = np.array([size[1], size[0]], np.float32)
    unit = whole if normalized else np.float32(1)
    box = None
    if prompt.box_xyxy is not None:
        box = (prompt.box_xyxy.reshape(2, 2) * unit).clip(0, whole).reshape(4)
    return PromptCall(frame, object_id, prompt.points_xy * unit, prompt.labels, box, adds=adds)


def united(boxes: Iterable[BoxYX | None]) -> BoxYX | None:
    """Return the box around all boxes that there are, None around none."""
    known = [box for box in boxes if box is not None]
    if not known:
        return None
    low, high = np.min(known, axis=0), np.max(known, axis=0)
    return float(low[0]), float(low[1]), float(high[2]), float(high[3])


def _around(points_xy: Array) -> BoxYX | None:
    if len(points_xy) == 0:
        return None
    (x0, y0), (x1, y1) = points_xy.min(axis=0), points_xy.max(axis=0)
    return float(y0), float(x0), float(y1), float(x1)


def _mask_in(window: Window, mask: Array) -> Array:
    """Return a mask as the window shows it; beyond the border of the frame there is nothing."""
    seen = np.zeros((window.height, window.width), dtype=bool)
    seen[window.inside((mask.shape[0], mask.shape[1]))] = mask[window.region((mask.shape[0], mask.shape[1]))]
    return seen
