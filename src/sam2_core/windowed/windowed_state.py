"""What windowed tracking knows: through which window each object is looked at, and what was said of it.

A `View` is one state of a predictor over the movie that one window shows; a `WindowedState` holds the movie, the view
of every object and its prompts. Views show an object on tiles that its neighbours are seen in too, or in a window that
keeps it in the middle. Nothing here asks the model anything: that is done in `windows`.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping, Sequence
from typing import Any

import numpy as np

from sam2_core.errors import PromptError
from sam2_core.inference.memory.selection import Selected, check_selected
from sam2_core.windowed.following_window import FollowingWindow, PointYX, RecentFrames, Window
from sam2_core.windowed.patches import Patch, as_numpy
from sam2_core.windowed.prompt_calls import BoxYX, PromptCall, united
from sam2_core.windowed.tiles import Tiling
from sam2_core.windowed.window_features import SeenFeatures, SharedFeatures

ROOM = 1.6
"""A window is at least so many times as large as a box, a mask or the distance between clicks."""
LONGEST_STEP = 0.35
"""Where an object is expected moves by at most this share of the window's side from one frame to the next."""
EXTENT_PERCENTILES = (2, 50, 98)
"""Of the rows and columns of a mask: from where to where it counts, and its middle, which stray specks do not move."""


class View:
    """One state of a predictor over what one window shows.

    Attributes
    ----------
    source
        The window.
    state
        Of the predictor.
    tiling
        The tiles on which the window is placed, so that neighbours see the same; None for a window that keeps its
        object in the middle.
    """

    def __init__(self, source: FollowingWindow, state: Any, tiling: Tiling | None = None) -> None:
        self.source = source
        self.state = state
        self.tiling = tiling

    def select(self, object_ids: Iterable[int]) -> View:
        """Return the same view with only these objects in it."""
        return View(self.source, self.state.select(object_ids), self.tiling)

    def takes(self, call: PromptCall) -> bool:
        """Return whether the window can show what a prompt says, where it was placed on the frame if it was."""
        extent = call.extent_yx
        if self.source.shows_all or extent is None:
            return True
        if needed_side(extent) > self.source.height:
            return False
        return not self.source.is_placed(call.frame) or self.source.window(call.frame).holds(extent)

    def prepare(self, frame: int, extent_yx: BoxYX | None) -> None:
        """Place the window on a frame, if it is not yet, around what was prompted there."""
        if self.source.is_placed(frame):
            return
        if extent_yx is None:
            self.source.put(frame, self.source.placed(frame))
        else:
            self.place(frame, middle(extent_yx), extent_yx)

    def place(self, frame: int, aim_yx: PointYX, box_yx: BoxYX, before: Window | None = None) -> None:
        """Place the window on a frame for what is expected at `aim_yx` and takes up a box; see `Tiling.place`."""
        if self.tiling is None:
            self.source.place(frame, aim_yx)
        else:
            self.source.put(frame, self.tiling.place(aim_yx, box_yx, before))

    def leave(self, frame: int) -> None:
        """Let the window have no place on a frame, as before anything was prompted or tracked there."""
        self.source.leave(frame)

    def follow(self, frame: int, to_frame: int, logits: np.ndarray[Any, Any]) -> None:
        """Place the window on a frame by the mask logits (O, 1, h, w) seen on the one before."""
        now = self.source.placed(frame)
        seen = seen_box(now.window, logits)
        if seen is None:
            self.source.put(to_frame, now)
            return
        (y, x), box = not_too_far(now.aim_yx, seen[0], self.source.height), seen[1]
        down, right = y - now.aim_yx[0], x - now.aim_yx[1]  # it may go on so
        ahead = united([box, (box[0] + down, box[1] + right, box[2] + down, box[3] + right)])
        assert ahead is not None
        self.place(to_frame, (y, x), ahead, now.window)

    def patches(self, frame: int, object_ids: Sequence[int], logits: Any) -> dict[int, Patch]:
        """Return the logits (O, 1, h, w) of a frame as patches by object id."""
        window, size = self.source.window(frame), self.source.frame_size
        planes = as_numpy(logits)[:, 0]  # (O, h, w)
        return {
            object_id: Patch.of_window(window, plane, size) for object_id, plane in zip(object_ids, planes, strict=True)
        }


class WindowedState:
    """A movie, and for each object its view and the prompts that were made, in the order in which objects came."""

    def __init__(self, movie: RecentFrames, options: dict[str, Any]) -> None:
        self.movie = movie
        self.options = options
        self.views: MutableMapping[int, View] = {}
        self.features = SharedFeatures(self.views)
        self.calls: MutableMapping[int, list[PromptCall]] = {}
        self._all_views = self.views

    @property
    def num_frames(self) -> int:
        """Length of the movie."""
        return len(self.movie)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of a frame."""
        return self.movie.height, self.movie.width

    @property
    def obj_ids(self) -> list[int]:
        """Object ids in the order in which they were added; a new list each time."""
        return list(self.views)

    def select(self, object_ids: Iterable[int]) -> WindowedState:
        """Return a state that sees only these objects, through the same windows; see `InferenceState.select`."""
        chosen = set(object_ids)
        part = WindowedState(self.movie, self.options)
        part.views, part.calls = Selected(self.views, chosen), Selected(self.calls, chosen)
        part._all_views, part.features = self._all_views, self.features
        return part

    def new_view(self, predictor: Any, side: int | None, tiled: bool) -> View:
        """Return a new view through a window of that side, on tiles or not; None shows whole frames."""
        source = FollowingWindow(self.movie, side)
        return self.view_of(source, predictor.init_state(source, **self.options), tiled)

    def view_of(self, source: FollowingWindow, state: Any, tiled: bool) -> View:
        """Return a view of a window and the predictor's state over it, which from now on shares image features."""
        if hasattr(state, "features"):
            state.features = SeenFeatures(self.features, source, state.features)
        if tiled:
            state.shift = source.shift
        return View(source, state, Tiling(source.frame_size, source.height) if tiled else None)

    def view_for(self, object_id: int) -> View | None:
        """Return the view of an object, None for an object that is new.

        Raises
        ------
        PromptError
            The object exists, but this state is a selection without it.
        """
        check_selected(object_id, self.views, self._all_views)
        return self.views.get(object_id)

    def existing_view(self, object_id: int) -> View:
        """Return the view of an object.

        Raises
        ------
        PromptError
            There is no such object.
        """
        if object_id not in self.views:
            raise PromptError(
                f"object {object_id} does not exist; there are {self.obj_ids or 'none yet'}: add a prompt for it first"
            )
        return self.views[object_id]

    def narrowed(self, view: View, new_object: int | None = None) -> View:
        """Return a view with only those of its objects that this state sees, and one that is new on it."""
        on_it = [object_id for object_id, other in self._all_views.items() if other is view]
        mine = [object_id for object_id in on_it if object_id in self.views]
        if mine == on_it:
            return view
        return view.select(mine if new_object is None else [*mine, new_object])

    def whole_frames(self) -> View | None:
        """Return the view of whole frames, where some object has it, selected or not."""
        return next((view for view in self._all_views.values() if view.source.shows_all), None)

    def prompted_views(self) -> list[tuple[View, set[int]]]:
        """Return each view that has prompts, and the frames on which it has them."""
        frames: dict[int, set[int]] = {}
        by_key = {id(view): view for view in self.views.values()}
        for object_id, view in self.views.items():
            frames.setdefault(id(view), set()).update(call.frame for call in self.calls[object_id])
        return [(self.narrowed(by_key[key]), prompted) for key, prompted in frames.items() if prompted]


def needed_side(extent_yx: BoxYX) -> int:
    """Return the smallest side of a window that shows (y0, x0, y1, x1) with room around it."""
    y0, x0, y1, x1 = extent_yx
    return round(ROOM * max(y1 - y0, x1 - x0))


def middle(box_yx: BoxYX) -> PointYX:
    """Return the middle of a box."""
    return (box_yx[0] + box_yx[2]) / 2, (box_yx[1] + box_yx[3]) / 2


def seen_box(window: Window, logits: np.ndarray[Any, Any]) -> tuple[PointYX, BoxYX] | None:
    """Return middle and extent, in pixels of the frame, of masks seen in a window; None where there are none.

    Parameters
    ----------
    window
        Where it is.
    logits
        (O, 1, h, w), > 0 in the mask.
    """
    _, _, rows, columns = np.nonzero(logits > 0)
    if rows.size == 0:
        return None
    y0, y, y1 = (float(value) + window.y0 for value in np.percentile(rows, EXTENT_PERCENTILES))
    x0, x, x1 = (float(value) + window.x0 for value in np.percentile(columns, EXTENT_PERCENTILES))
    return (y, x), (y0, x0, y1 + 1, x1 + 1)


def not_too_far(from_yx: PointYX, to_yx: PointYX, side: int) -> PointYX:
    """Return where a step from one place towards another ends: there, or after the longest step on each axis."""
    longest = LONGEST_STEP * side
    y, x = (start + min(max(end - start, -longest), longest) for start, end in zip(from_yx, to_yx, strict=True))
    return y, x
