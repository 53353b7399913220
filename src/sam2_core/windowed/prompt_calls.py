"""One call of a prompt on a video predictor as a value: checked on the frame, and moved into a window.

A `PromptCall` can be made again on another state through another window: so an object is handed over.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sam2_core.inference.prompt_inputs import MaskPrompt, PointPrompt
from sam2_core.inference.video_calls import Answer, VideoPredictor, WholeFrameState
from sam2_core.windowed.window import BoxXYXY, SizeHW, Window


@dataclass(frozen=True, slots=True, eq=False)
class PromptCall:
    """A prompt for one object on one frame, in pixels of the frame.

    Attributes
    ----------
    prompt
        Points and a box that is cut to the frame, or a mask (H, W).
    adds
        Whether the points are added to earlier ones on the frame (`clear_old_points=False`).
    """

    frame: int
    object_id: int
    prompt: PointPrompt | MaskPrompt
    adds: bool = False

    @property
    def extent_xyxy(self) -> BoxXYXY | None:
        """Box around what was said to belong to the object; None where that is nothing (clicks outside it only)."""
        if isinstance(self.prompt, MaskPrompt):
            rows, columns = (np.flatnonzero(self.prompt.mask.any(axis=axis)) for axis in (1, 0))
            if rows.size == 0:
                return None
            return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
        corners = self.prompt.points_xy[self.prompt.labels == 1]
        if self.prompt.box_xyxy is not None:
            corners = np.concatenate([corners, self.prompt.box_xyxy.reshape(2, 2)])
        return _around(corners)

    @property
    def is_of_clicks(self) -> bool:
        """Whether nothing but clicks says where the object is, at least one of them in it; they tell no size."""
        return isinstance(self.prompt, PointPrompt) and self.prompt.box_xyxy is None and 1 in self.prompt.labels

    @property
    def clicked_xyxy(self) -> BoxXYXY | None:
        """Box around all points, those outside the object too; None without points."""
        return None if isinstance(self.prompt, MaskPrompt) else _around(self.prompt.points_xy)

    def says_the_same(self, other: PromptCall) -> bool:
        """Return whether another call says the same by points alone, of whatever object."""
        mine, its = self.prompt, other.prompt
        if isinstance(mine, MaskPrompt) or isinstance(its, MaskPrompt) or self.frame != other.frame:
            return False
        has_box = mine.box_xyxy is not None or its.box_xyxy is not None
        return not has_box and np.array_equal(mine.points_xy, its.points_xy) and np.array_equal(mine.labels, its.labels)

    def make(
        self, predictor: VideoPredictor, state: WholeFrameState, window: Window, need_output: bool = True
    ) -> Answer | None:
        """Return the answer of a predictor to the call on a state whose frame is what the window shows.

        Clicks outside the object that lie beyond the window are moved to its edge: the object is not there either way.
        """
        if isinstance(self.prompt, MaskPrompt):
            mask = _mask_in(window, self.prompt.mask)
            return predictor.add_new_mask(state, self.frame, self.object_id, mask, need_output=need_output)
        corner = np.array([window.x0, window.y0], np.float32)
        points = labels = box = None
        if len(self.prompt.points_xy):
            edge = np.array([window.width - 1, window.height - 1], np.float32)
            moved, labels = self.prompt.points_xy - corner, self.prompt.labels
            points = np.where((labels == 0)[:, None], moved.clip(0, edge), moved)
        if self.prompt.box_xyxy is not None:
            box = self.prompt.box_xyxy - np.tile(corner, 2)
        return predictor.add_new_points_or_box(
            state,
            self.frame,
            self.object_id,
            points=points,
            labels=labels,
            clear_old_points=not self.adds,
            box=box,
            need_output=need_output,
        )


def in_pixels(prompt: PointPrompt, frame_hw: SizeHW) -> PointPrompt:
    """Return a checked prompt in pixels of the frame, its box cut to it."""
    whole = np.array([frame_hw[1], frame_hw[0]], np.float32)
    unit = whole if prompt.normalized else np.float32(1)
    box = None
    if prompt.box_xyxy is not None:
        box = (prompt.box_xyxy.reshape(2, 2) * unit).clip(0, whole).reshape(4)
    return replace(prompt, points_xy=prompt.points_xy * unit, box_xyxy=box, normalized=False)


def united(boxes: Iterable[BoxXYXY | None]) -> BoxXYXY | None:
    """Return the box around all boxes that there are, None around none."""
    known = [box for box in boxes if box is not None]
    if not known:
        return None
    low, high = np.min(known, axis=0), np.max(known, axis=0)
    return float(low[0]), float(low[1]), float(high[2]), float(high[3])


def _around(points_xy: npt.NDArray[np.float32]) -> BoxXYXY | None:
    if len(points_xy) == 0:
        return None
    (x0, y0), (x1, y1) = points_xy.min(axis=0), points_xy.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def _mask_in(window: Window, mask: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Return a mask as the window shows it; beyond the border of the frame there is nothing."""
    frame_hw = (mask.shape[0], mask.shape[1])
    seen = np.zeros((window.height, window.width), dtype=bool)
    seen[window.inside(frame_hw)] = mask[window.region(frame_hw)]
    return seen
