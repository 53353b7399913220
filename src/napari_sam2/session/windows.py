"""A video predictor that looks at each object through a window that follows it.

A model that sees 256 pixels sees a cell of 60 pixels in a field of 1024 as a dot. `WindowedPredictor` answers the calls
of a video predictor and gives every object its own state of the predictor that it was made with, over a movie of what
the object's window shows (`stacks.windows`). Order: a prompt chooses the size and place of the window and is moved into
it; a propagation runs all windows frame by frame in step, brings the logits back to where the window was, and places
each window for the next frame in the middle of the mask. The object stays in the middle, so its memories lie upon one
another. A prompt that the window on its frame cannot show hands the object over to another one: its prompts are made
again there. An object for which a window would be about as large as the frame is tracked on whole frames, and all such
objects share one state.

Not here: which pixel goes to which object (`patches`), and several objects in one window.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import Any

import numpy as np

from napari_sam2.session.patches import Patch, WindowedLogits, as_numpy
from napari_sam2.session.prompt_calls import BoxYX, PromptCall, point_call, united
from napari_sam2.stacks.windows import FollowingWindow, PointYX, RecentFrames, Window, usual_span, window_side
from sam2_core.errors import PromptError

ROOM = 1.6
"""A window is at least so many times as large as a box, a mask or the distance between clicks."""
WHOLE_FRAME_SHARE = 0.85
"""From this share of the longer side of the frame on, the whole frame is looked at."""
LONGEST_STEP = 0.35
"""A window moves by at most this share of its side from one frame to the next."""

Answer = tuple[int, list[int], WindowedLogits]
"""Frame index, object ids, and their logits (O, 1, H, W)."""


class View:
    """One state of a predictor over what one window shows; the window is `source`."""

    def __init__(self, predictor: Any, movie: RecentFrames, side: int | None, options: dict[str, Any]) -> None:
        self.source = FollowingWindow(movie, side)
        self.state = predictor.init_state(self.source, **options)

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
        self.views: dict[int, View] = {}
        self.calls: dict[int, list[PromptCall]] = {}

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

    def prompted_views(self) -> list[tuple[View, set[int]]]:
        """Return each view that has prompts, and the frames on which it has them."""
        frames: dict[int, set[int]] = {}
        by_key = {id(view): view for view in self.views.values()}
        for object_id, view in self.views.items():
            frames.setdefault(id(view), set()).update(call.frame for call in self.calls[object_id])
        return [(by_key[key], prompted) for key, prompted in frames.items() if prompted]


class WindowedPredictor:
    """The calls of a video predictor, answered through windows that follow the objects.

    Parameters
    ----------
    predictor
        A video predictor, for example `sam2_core.inference.SAM2VideoPredictor`.
    object_diameter_px
        Diameter of a typical object of the stack in pixels.
    span
        Share of the window's side that such an object takes; by the size of the model's input where None.
    """

    def __init__(self, predictor: Any, object_diameter_px: float, span: float | None = None) -> None:
        self.predictor = predictor
        self.side = window_side(object_diameter_px, span or usual_span(self.image_size))

    @property
    def image_size(self) -> int:
        """Side of the square model input in pixels."""
        return int(self.predictor.image_size)

    def shows_whole(self, frame_size: tuple[int, int]) -> bool:
        """Return whether objects of typical size are tracked on whole frames of (height, width)."""
        return self.side >= WHOLE_FRAME_SHARE * max(frame_size)

    def init_state(self, video_path: Any, **options: Any) -> WindowedState:
        """Return the state of a new run over frames; nothing is computed yet.

        Parameters
        ----------
        video_path
            Frames with `len`, `[i]`, `height` and `width`, or anything that the predictor opens.
        **options
            Passed on to the predictor for every window.
        """
        movie = video_path
        if not (hasattr(movie, "height") and hasattr(movie, "width")):
            from sam2_core.inference.frames import open_frames

            movie = open_frames(movie, contrast_limits=options.pop("contrast_limits", None))
        return WindowedState(RecentFrames(movie), options)

    def add_new_points_or_box(  # noqa: PLR0913 - the official signature
        self,
        inference_state: WindowedState,
        frame_idx: int,
        obj_id: int,
        points: Any = None,
        labels: Any = None,
        clear_old_points: bool = True,
        normalize_coords: bool = True,
        box: Any = None,
    ) -> Answer:
        """Return the mask after points (x, y) or a box in pixels of the frame, for the objects of one view.

        The objects that are returned are the prompted one and those that share its view; see
        `sam2_core.inference.SAM2VideoPredictor.add_new_points_or_box` for the parameters.

        Raises
        ------
        PromptError
            The prompt cannot be used as it was given.
        """
        given = {"points": points, "labels": labels, "box": box, "normalized": not normalize_coords}
        state = inference_state
        return self._take(state, point_call(frame_idx, obj_id, state.size, not clear_old_points, **given))

    def add_new_mask(self, inference_state: WindowedState, frame_idx: int, obj_id: int, mask: Any) -> Answer:
        """Return the mask after a person drew it (H, W), for the objects of one view.

        Raises
        ------
        PromptError
            The mask has another shape than the frames.
        """
        return self._take(inference_state, PromptCall.of_mask(frame_idx, obj_id, mask, inference_state.size))

    def propagate_in_video(
        self,
        inference_state: WindowedState,
        start_frame_idx: int | None = None,
        max_frame_num_to_track: int | None = None,
        reverse: bool = False,
    ) -> Iterator[Answer]:
        """Yield frame by frame the masks of all objects; it may be closed between any two frames and started again.

        The parameters are those of `sam2_core.inference.SAM2VideoPredictor.propagate_in_video`.

        Raises
        ------
        PromptError
            No object has a prompt.
        """
        state, views = inference_state, inference_state.prompted_views()
        if not views:
            raise PromptError("there is nothing to propagate; add a prompt with add_new_points_or_box or add_new_mask")
        start = start_frame_idx
        if start is None:
            start = min(frame for _, prompted in views for frame in prompted)
        with ExitStack() as open_runs:
            runs = [
                open_runs.enter_context(closing(self._followed(view, prompted, start, max_frame_num_to_track, reverse)))
                for view, prompted in views
            ]
            for answers in zip(*runs, strict=True):
                found = {object_id: patch for _, patches in answers for object_id, patch in patches.items()}
                patches = [found.get(object_id) for object_id in state.obj_ids]
                yield answers[0][0], state.obj_ids, WindowedLogits(patches, state.size)

    def clear_all_prompts_in_frame(
        self, inference_state: WindowedState, frame_idx: int, obj_id: int, need_output: bool = True
    ) -> Answer | None:
        """Take back all prompts of an object on a frame, and return the masks of its view there if they are needed.

        Raises
        ------
        PromptError
            No such frame or object.
        """
        state, view = inference_state, self._view_of(inference_state, obj_id)
        answer = self.predictor.clear_all_prompts_in_frame(view.state, frame_idx, obj_id, need_output)
        state.calls[obj_id] = [call for call in state.calls[obj_id] if call.frame != frame_idx]
        return None if answer is None else self._placed_back(state, view, answer)

    def remove_object(
        self, inference_state: WindowedState, obj_id: int, strict: bool = False, need_output: bool = True
    ) -> tuple[list[int], list[tuple[int, Any]]]:
        """Remove an object with its prompts, its memory and its window, and return the ids that are left.

        The second value, masks of frames in the official call, is always empty: those of the others do not change.

        Raises
        ------
        PromptError
            `strict` and no such object.
        """
        if obj_id in inference_state.views or strict:
            view = self._view_of(inference_state, obj_id)
            self.predictor.remove_object(view.state, obj_id, need_output=False)
            del inference_state.views[obj_id], inference_state.calls[obj_id]
        return inference_state.obj_ids, []

    def reset_state(self, inference_state: WindowedState) -> None:
        """Remove all objects and prompts; the movie stays."""
        inference_state.views.clear()
        inference_state.calls.clear()

    def _take(self, state: WindowedState, call: PromptCall) -> Answer:
        """Answer a prompt, and only then record it."""
        view = state.views.get(call.object_id)
        calls = [*state.calls.get(call.object_id, []), call]
        if view is not None and view.takes(call):
            view.prepare(call.frame, call.extent_yx or call.clicked_yx)
            answer = call.make(self.predictor, view.state, view.source.window(call.frame))
        else:
            view, answer = self._handed_over(state, calls)
        state.views[call.object_id] = view
        state.calls[call.object_id] = calls
        return self._placed_back(state, view, answer)

    def _handed_over(self, state: WindowedState, calls: Sequence[PromptCall]) -> tuple[View, Any]:
        """Return a view that shows all prompts of an object, and the answer to the last of them."""
        extents = {call.frame: united(one.extent_yx for one in calls if one.frame == call.frame) for call in calls}
        largest = max((needed_side(extent) for extent in extents.values() if extent is not None), default=0)
        view = self._view(state, max(self.side, largest))
        for frame, extent in extents.items():
            if extent is not None:
                view.prepare(frame, extent)
        answer = None
        for call in calls:
            view.prepare(call.frame, call.clicked_yx)
            answer = call.make(self.predictor, view.state, view.source.window(call.frame))
        return view, answer

    def _view(self, state: WindowedState, side: int) -> View:
        """Return a new view of that side, or the one of whole frames where a window would hardly be smaller."""
        if side < WHOLE_FRAME_SHARE * max(state.size):
            return View(self.predictor, state.movie, side, state.options)
        whole = (view for view in state.views.values() if view.source.shows_all)
        return next(whole, None) or View(self.predictor, state.movie, None, state.options)

    def _followed(
        self, view: View, prompted: set[int], start: int, count: int | None, reverse: bool
    ) -> Generator[tuple[int, dict[int, Patch]], None, None]:
        """Yield frame and patches of one view, and place its window before each frame is looked at."""

        def is_met(frame: int) -> bool:
            return frame <= max(prompted) if reverse else frame >= min(prompted)

        if is_met(start) and not view.source.is_placed(start):
            view.place(start, view.source.window(start).centre_yx)
        for frame, object_ids, logits in self.predictor.propagate_in_video(
            view.state, start_frame_idx=start, max_frame_num_to_track=count, reverse=reverse
        ):
            patches = view.patches(frame, object_ids, logits)
            yield frame, patches
            following = frame + (-1 if reverse else 1)
            if is_met(following) and following not in prompted and not view.source.shows_all:
                view.place(following, followed_centre(view.source.window(frame), as_numpy(logits)))

    def _placed_back(self, state: WindowedState, view: View, answer: Any) -> Answer:
        """Return the answer of a view's state in terms of the frame."""
        frame, object_ids, logits = answer
        patches = view.patches(frame, object_ids, logits)
        return frame, list(object_ids), WindowedLogits(list(patches.values()), state.size)

    def _view_of(self, state: WindowedState, object_id: int) -> View:
        if object_id not in state.views:
            raise PromptError(
                f"object {object_id} does not exist; there are {state.obj_ids or 'none yet'}: add a prompt for it first"
            )
        return state.views[object_id]


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
