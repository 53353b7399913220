"""What windowed tracking knows: through which window each object is looked at, and what was said of it.

Nothing here asks the model anything: that is done in `windowed_predictor`.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass

from sam2_core.errors import TooEarlyError
from sam2_core.inference.features import LruFeatures
from sam2_core.inference.memory.inference_state import TrackedObject, Visit
from sam2_core.inference.memory.selection import Selected, check_selected
from sam2_core.inference.video_calls import Answer, RenamesObjects, WholeFramePredictor, WholeFrameState
from sam2_core.windowed.following_window import FollowingWindow, RecentFrames
from sam2_core.windowed.motion import Motion
from sam2_core.windowed.prompt_calls import PromptCall
from sam2_core.windowed.tiles import Tiling
from sam2_core.windowed.window_features import SPARE_FEATURES, SeenFeatures
from sam2_core.windowed.window_view import WindowView


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """A first click that nobody made yet, the view through which it was answered, and the answer."""

    call: PromptCall
    view: WindowView
    answer: Answer


class WindowedState:
    """A movie, how things move in it, and for each object its view and its prompts, in the order in which they came."""

    def __init__(self, movie: RecentFrames, motion: Motion, offload_state_to_cpu: bool = False) -> None:
        self.movie = movie
        self.motion = motion
        self.offload_state_to_cpu = offload_state_to_cpu
        self.views: MutableMapping[int, WindowView] = {}
        self.features = LruFeatures(SPARE_FEATURES)
        self.calls: MutableMapping[int, list[PromptCall]] = {}
        self._all_views = self.views
        self._tried: list[Tried] = []

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
        chosen = tuple(object_ids)
        part = WindowedState(self.movie, self.motion, self.offload_state_to_cpu)
        part.views, part.calls = Selected(self.views, chosen), Selected(self.calls, chosen)
        part._all_views, part.features, part._tried = self._all_views, self.features, self._tried
        return part

    def keep_tried(self, tried: Tried) -> None:
        """Keep what a click would be answered with, instead of what was kept before."""
        self._tried[:] = [tried]

    def take_tried(self, call: PromptCall) -> tuple[WindowView, Answer] | None:
        """Return view and answer of a new object whose first click is the one that was tried; else None. Only once."""
        kept = self._tried.pop() if self._tried else None
        if kept is None or not kept.call.says_the_same(call) or not isinstance(kept.view.state, RenamesObjects):
            return None
        kept.view.state.rename_object(kept.call.object_id, call.object_id)
        return kept.view, (call.frame, [call.object_id], kept.answer[2])

    def memory_of(self, object_id: int) -> TrackedObject | None:
        """Return what is remembered of an object where it is looked at now, None where there is no such object."""
        return self.views[object_id].state.memory_of(object_id) if object_id in self.views else None

    def put_back(self, object_id: int, frame: int, visit: Visit | None) -> None:
        """Let a frame whose prompts were taken back be tracked as a run had left it, see `Visit`; where none had, the
        next prompt there places the window anew, if no other object looks through it.
        """
        view = self.views.get(object_id)
        if view is None:
            return
        if visit is not None:
            view.state.put_back(object_id, frame, visit)
        elif len(view.state.obj_ids) == 1:
            view.source.leave(frame)

    def sort_objects(self) -> None:
        """Have the objects that share a view by ascending id; see `InferenceState.sort_objects`."""
        for view in set(self.views.values()):
            view.state.sort_objects()

    def new_view(self, predictor: WholeFramePredictor, side: int | None, tiled: bool) -> WindowView:
        """Return a new view through a window of that side, on tiles or not; None shows whole frames."""
        source = FollowingWindow(self.movie, side)
        state = predictor.init_state(source, offload_state_to_cpu=self.offload_state_to_cpu)
        return self.view_of(source, state, tiled)

    def view_of(self, source: FollowingWindow, state: WholeFrameState, tiled: bool) -> WindowView:
        """Return a view of a window and the predictor's state over it, which from now on shares image features."""
        state.features = SeenFeatures(self.features, self._all_views, source, state.features)
        if not source.shows_all:
            state.shift = source.shift
        return WindowView(source, state, Tiling(source.frame_hw, source.height) if tiled else None)

    def view_for(self, object_id: int) -> WindowView | None:
        """Return the view of an object, None for an object that is new.

        Raises
        ------
        PromptError
            The object exists, but this state is a selection without it.
        """
        check_selected(object_id, self.views, self._all_views)
        return self.views.get(object_id)

    def existing_view(self, object_id: int) -> WindowView:
        """Return the view of an object; one that does not exist is a TooEarlyError."""
        if object_id not in self.views:
            raise TooEarlyError(
                f"object {object_id} does not exist; there are {self.obj_ids or 'none yet'}: add a prompt for it first"
            )
        return self.views[object_id]

    def narrowed(self, view: WindowView, new_object: int | None = None) -> WindowView:
        """Return a view with only those of its objects that this state sees, and one that is new on it."""
        on_it = [object_id for object_id, other in self._all_views.items() if other is view]
        mine = [object_id for object_id in on_it if object_id in self.views]
        if mine == on_it:
            return view
        return view.select(mine if new_object is None else [*mine, new_object])

    def whole_frames(self) -> WindowView | None:
        """Return the view of whole frames, where some object has it, selected or not."""
        return next((view for view in self._all_views.values() if view.source.shows_all), None)

    def prompted_views(self) -> list[tuple[WindowView, set[int]]]:
        """Return each view that has prompts, and the frames on which it has them."""
        frames: dict[WindowView, set[int]] = {}
        for object_id, view in self.views.items():
            frames.setdefault(view, set()).update(call.frame for call in self.calls[object_id])
        return [(self.narrowed(view), prompted) for view, prompted in frames.items() if prompted]
