"""One state of a predictor over the movie that one window shows, and how the window goes along with what is seen in it.

`Followed` places the window for the next frame of a run before the caller gets to see this one. So a run that is
stopped between two frames goes on as if it had not been. Nothing here asks the model anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from sam2_core.inference.mask_logits import LogitPatch, Logits, MaskLogits, as_numpy
from sam2_core.inference.video_calls import WholeFrameState
from sam2_core.windowed.following_window import FollowingWindow, Place
from sam2_core.windowed.motion import Motion
from sam2_core.windowed.prompt_calls import PromptCall, united
from sam2_core.windowed.tiles import Tiling
from sam2_core.windowed.window import BoxXYXY, PointXY, Window

ROOM = 1.6
"""A window is at least so many times as large as a box, a mask or the distance between clicks."""
LONGEST_STEP = 0.35
"""Where an object is expected moves by at most this share of the window's side from one frame to the next."""
EXTENT_PERCENTILES = (2, 50, 98)
"""Of the columns and rows of a mask: from where to where it counts, and its middle, which stray specks do not move."""


class WindowView:
    """One state of a predictor over what one window shows.

    The window is placed on the tiles of a `tiling`, so that neighbours see the same; without, it keeps its object in
    the middle.
    """

    def __init__(self, source: FollowingWindow, state: WholeFrameState, tiling: Tiling | None = None) -> None:
        self.source = source
        self.state = state
        self.tiling = tiling

    def select(self, object_ids: Iterable[int]) -> WindowView:
        """Return the same view with only these objects in it."""
        return WindowView(self.source, self.state.select(object_ids), self.tiling)

    def takes(self, call: PromptCall) -> bool:
        """Return whether the window can show what a prompt says, where it was placed on the frame if it was."""
        extent = call.extent_xyxy
        if self.source.shows_all or extent is None:
            return True
        if needed_side(extent) > self.source.height:
            return False
        return not self.source.is_placed(call.frame) or self.source.window(call.frame).holds(extent)

    def prepare(self, frame: int, extent_xyxy: BoxXYXY | None) -> None:
        """Place the window on a frame, if it is not yet, around what was prompted there."""
        if self.source.is_placed(frame):
            return
        nearest = self.source.placed(frame)
        if extent_xyxy is None:
            self.source.put(frame, nearest)
        else:
            x0, y0, x1, y1 = extent_xyxy
            self.source.put(frame, self._place(((x0 + x1) / 2, (y0 + y1) / 2), extent_xyxy, nearest.steps))

    def follow(self, frame: int, to_frame: int, logits: Logits, motion: Motion) -> None:
        """Place the window on a frame by the mask logits (O, 1, h, w) on the one before, and by what moves there."""
        now = self.source.placed(frame)
        middle, box = seen_box(now.window, logits) or (now.aim_xy, None)
        step = motion.step(frame, to_frame, middle)
        if step is not None:
            steps = now.steps + (1 if to_frame > frame else -1)
            extent = moved(box or (*middle, *middle), step)
            place = self._place((middle[0] + step[0], middle[1] + step[1]), extent, steps, now.window)
        elif box is not None:
            x, y = not_too_far(now.aim_xy, middle, self.source.height)
            goes_on = moved(box, (x - now.aim_xy[0], y - now.aim_xy[1]))
            place = self._place((x, y), united([box, goes_on]) or box, now.steps, now.window)
        else:
            place = now
        self.source.put(to_frame, place)

    def _place(self, aim_xy: PointXY, box_xyxy: BoxXYXY, steps: int, before: Window | None = None) -> Place:
        """Return where to look for what is expected at `aim_xy` and takes up a box; see `Tiling.place`."""
        if self.tiling is None:
            return self.source.around(aim_xy)._replace(steps=steps)
        return self.tiling.place(aim_xy, box_xyxy, before)._replace(steps=steps)

    def patches(self, frame: int, object_ids: Sequence[int], logits: Logits) -> dict[int, LogitPatch]:
        """Return the logits (O, 1, h, w) of a frame as patches by object id."""
        window, frame_hw = self.source.window(frame), self.source.frame_hw
        region, inside = window.region(frame_hw), window.inside(frame_hw)
        planes = zip(object_ids, logits[:, 0], strict=True)
        return {object_id: LogitPatch(*region, plane[inside]) for object_id, plane in planes}


class Followed:
    """One view during one run; on `prompted` frames its window stays where the prompt was answered."""

    def __init__(self, view: WindowView, prompted: Collection[int], motion: Motion, start: int, reverse: bool) -> None:
        self.view = view
        self._motion = motion
        self._prompted = prompted
        self._reverse = reverse
        if self._meets(start) and not view.source.is_placed(start):
            view.source.put(start, view.source.placed(start))

    def seen(self, frame: int, logits: MaskLogits) -> dict[int, LogitPatch]:
        """Return patches by object id for a frame's logits (O, 1, h, w), and place the window behind it."""
        planes = as_numpy(logits)
        patches = self.view.patches(frame, self.view.state.obj_ids, planes)
        following = frame + (-1 if self._reverse else 1)
        source = self.view.source
        is_free = self._meets(following) and following not in self._prompted and not source.shows_all
        if is_free and 0 <= following < len(source):
            self.view.follow(frame, following, planes, self._motion)
        return patches

    def _meets(self, frame: int) -> bool:
        """Return whether the run has come to a prompt by that frame."""
        return frame <= max(self._prompted) if self._reverse else frame >= min(self._prompted)


def needed_side(extent_xyxy: BoxXYXY) -> int:
    """Return the smallest side of a window that shows a box with room around it."""
    x0, y0, x1, y1 = extent_xyxy
    return round(ROOM * max(y1 - y0, x1 - x0))


def seen_box(window: Window, logits: Logits) -> tuple[PointXY, BoxXYXY] | None:
    """Return middle and extent, in pixels of the frame, of masks (O, 1, h, w) seen in a window; None without any."""
    _, _, rows, columns = np.nonzero(logits > 0)
    if rows.size == 0:
        return None
    x0, x, x1 = (float(value) + window.x0 for value in np.percentile(columns, EXTENT_PERCENTILES))
    y0, y, y1 = (float(value) + window.y0 for value in np.percentile(rows, EXTENT_PERCENTILES))
    return (x, y), (x0, y0, x1 + 1, y1 + 1)


def moved(box_xyxy: BoxXYXY, step_xy: PointXY) -> BoxXYXY:
    """Return a box after a step to the right and down."""
    (x0, y0, x1, y1), (right, down) = box_xyxy, step_xy
    return x0 + right, y0 + down, x1 + right, y1 + down


def not_too_far(from_xy: PointXY, to_xy: PointXY, side: int) -> PointXY:
    """Return where a step from one place towards another ends: there, or after the longest step on each axis."""
    longest = LONGEST_STEP * side
    x, y = (start + min(max(end - start, -longest), longest) for start, end in zip(from_xy, to_xy, strict=True))
    return x, y
