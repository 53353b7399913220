"""What windowed tracking knows: through which window each object is looked at, and what was said of it.

A `View` is one state of a predictor over the movie that one window shows; a `WindowedState` holds the movie, the view
of every object and its prompts. `needed_side` and `followed_centre` say how large a window must be and where it goes
next. Nothing here asks the model anything: that is done in `windows`.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping, Sequence
from typing import Any

import numpy as np

from napari_sam2.session.patches import Patch, as_numpy
from napari_sam2.session.prompt_calls import BoxYX, PromptCall
from napari_sam2.stacks.windows import FollowingWindow, PointYX, RecentFrames, Window
from sam2_core.errors import PromptError
from sam2_core.inference.selection import Selected, check_selected

ROOM = 1.6
"""A window is at least so many times as large as a box, a mask or the distance between clicks."""
LONGEST_STEP = 0.35
"""A window moves by at most this share of its side from one frame to the next."""


class View:
    """One state of a predictor over what one window shows; the window is `source`."""

    def __init__(self, source: FollowingWindow, state: Any) -> None:
        self.source = source
        self.state = state

    @classmethod
    def open(cls, predictor: Any, movie: RecentFrames, side: int | None, options: dict[str, Any]) -> View:
        """Return a new view through a window of that side; None shows whole frames."""
        source = FollowingWindow(movie, side)
        return cls(source, predictor.init_state(source, **options))

    def select(self, object_ids: Iterable[int]) -> View:
        """Return the same view with only these objects in it."""
        return View(self.source, self.state.select(object_ids))

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
            self.source.place(frame, self.source.window(frame).centre_yx)
        else:
            self.source.place(frame, ((extent_yx[0] + extent_yx[2]) / 2, (extent_yx[1] + extent_yx[3]) / 2))

    def place(self, frame: int, centre_yx: PointYX) -> None:
        """Place the window on a frame, and forget image features of what it showed there before."""
        moved = self.source.place(frame, centre_yx)
        features = getattr(self.state, "features", None)
        if moved and features is not None:
            features.clear()

    def leave(self, frame: int) -> None:
        """Let the window have no place on a frame, as before anything was prompted or tracked there."""
        self.source.leave(frame)
        features = getattr(self.state, "features", None)
        if features is not None:
            features.clear()

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
        part._all_views = self._all_views
        return part

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


def followed_centre(window: Window, logits: np.ndarray[Any, Any]) -> PointYX:
    """Return where the window goes next: to the middle of the mask, not too far; it stays where there is no mask.

    The middle is the median of rows and columns, which stray specks do not move.

    Parameters
    ----------
    window
        Where it is now.
    logits
        (O, 1, h, w), > 0 in the mask.
    """
    _, _, rows, columns = np.nonzero(logits > 0)
    if rows.size == 0:
        return window.centre_yx
    step = np.array([np.median(rows) - (window.height - 1) / 2, np.median(columns) - (window.width - 1) / 2])
    longest = LONGEST_STEP * max(window.height, window.width)
    y, x = np.asarray(window.centre_yx) + step.clip(-longest, longest)
    return float(y), float(x)
