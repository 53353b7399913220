"""A video predictor that looks at objects through windows: on tiles that neighbours share, or one that follows each.

A model that sees 256 pixels sees a cell of 60 pixels in a field of 1024 as a dot. Order: a prompt chooses the size and
place of its object's window and is moved into it; a propagation runs all windows frame by frame as one batch, brings
the logits back to where the window was, and places each window for the next frame by the mask.

Shared windows are tiles, a fixed plan (`tiles`): the frame costs one pass of the encoder for each tile in use. An
object that comes near the border of its tile is handed over to another, its memories moved to where it is expected
there. So what an object is seen in, and its mask within rounding, depends on that object alone. A prompt that the
window on its frame cannot show hands the object over too: its prompts are made again. Objects for which a window would
be about as large as the frame share one state over whole frames.

With `second_look` the typical diameter may be wrong, or wrong for some: an object whose first click is answered by a
mask of quite another size is looked at again through a window for that size (`rescaled`). Steps of size are few, so
that objects which are looked at again still share tiles.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from math import pi, sqrt
from typing import Any

from sam2_core.errors import TooEarlyError
from sam2_core.inference.frames.opened_frames import open_frames
from sam2_core.inference.mask_logits import LogitPatch, WindowedLogits, as_numpy
from sam2_core.inference.memory.inference_state import checked_frame, checked_place
from sam2_core.inference.memory.snapshots import Snapshot
from sam2_core.inference.prompt_inputs import mask_prompt, point_prompt, said_plainly
from sam2_core.inference.video_calls import Answer, EncodesFrames, WholeFramePredictor
from sam2_core.whole_numbers import plain_id
from sam2_core.windowed.following_window import RecentFrames
from sam2_core.windowed.motion import Motion
from sam2_core.windowed.prompt_calls import PromptCall, in_pixels, united
from sam2_core.windowed.window import SMALLEST_SIDE, SizeHW, rescaled, usual_span, window_side
from sam2_core.windowed.window_view import Followed, WindowView, needed_side
from sam2_core.windowed.windowed_snapshots import restore_snapshot, take_snapshot
from sam2_core.windowed.windowed_state import Tried, WindowedState

WHOLE_FRAME_SHARE = 0.85
"""From this share of the longer side of the frame on, the whole frame is looked at."""
SHARED_ROOM = 1.2
"""Tiles, which neighbours share, are larger than a window around a single object by this factor."""
WindowedAnswer = tuple[int, list[int], WindowedLogits]
"""Frame index, object ids, and their logits (O, 1, H, W)."""


class WindowedPredictor:
    """The calls of a video predictor, answered through windows: for objects that are small in a large frame.

    Parameters
    ----------
    predictor
        A video predictor, for example `SAM2VideoPredictor`.
    object_diameter_px
        Diameter of a typical object of the stack in pixels.
    span
        Share of the side that such an object takes in a window of its own; by the size of the model's input where None.
    shared
        Whether neighbours are seen in the same window where they fit, on tiles; else each object has its own, which
        keeps it in the middle.
    second_look
        Whether the mask that answers an object's first click may choose another size of window.

    Examples
    --------
    >>> windowed = WindowedPredictor(predictor, object_diameter_px=12)
    >>> state = windowed.init_state("movie.tif")
    >>> windowed.add_new_points_or_box(state, frame_idx=0, obj_id=1, points=[[210, 350]], labels=[1])
    >>> for frame_idx, obj_ids, logits in windowed.propagate_in_video(state):
    ...     masks = np.asarray(logits) > 0  # (O, 1, H, W)
    """

    def __init__(
        self,
        predictor: WholeFramePredictor,
        object_diameter_px: float,
        span: float | None = None,
        shared: bool = True,
        second_look: bool = False,
    ) -> None:
        self.predictor = predictor
        self.shared = shared
        self.second_look = second_look
        self.object_diameter_px = object_diameter_px
        self.side = window_side(object_diameter_px, span or usual_span(self.image_size))

    @property
    def image_size(self) -> int:
        """Side of the square model input in pixels."""
        return self.predictor.image_size

    def shows_whole(self, frame_hw: SizeHW) -> bool:
        """Return whether objects of typical size are tracked on whole frames of (height, width)."""
        return self.side >= WHOLE_FRAME_SHARE * max(frame_hw)

    def side_on(self, frame_hw: SizeHW) -> int:
        """Return the side of the window in which an object of typical size is seen on frames of (height, width)."""
        return self._tile_side(frame_hw, self.side) or self.side

    def init_state(
        self,
        video_path: object,
        offload_video_to_cpu: bool = False,
        offload_state_to_cpu: bool = False,
        async_loading_frames: bool = False,
        contrast_limits: object = None,
    ) -> WindowedState:
        """Return a fresh state over a stack; see `SAM2VideoPredictor.init_state`."""
        frames = open_frames(video_path, contrast_limits=contrast_limits)
        movie = RecentFrames(frames)
        return WindowedState(movie, Motion(movie, self.object_diameter_px), offload_state_to_cpu)

    def add_new_points_or_box(  # noqa: PLR0913 - the official signature
        self,
        inference_state: WindowedState,
        frame_idx: int,
        obj_id: int,
        points: object = None,
        labels: object = None,
        clear_old_points: bool = True,
        normalize_coords: bool = True,
        box: object = None,
        need_output: bool = True,
    ) -> WindowedAnswer | None:
        """Return the mask after points (x, y) or a box in pixels of the frame, for the objects of one view.

        These are the prompted one and those that share its view; see `SAM2VideoPredictor.add_new_points_or_box`.
        """
        size, place = inference_state.size, checked_place(frame_idx, obj_id, inference_state.num_frames)
        given = point_prompt(points, labels, box, size, normalized=not normalize_coords)
        prompt = in_pixels(said_plainly(given), size)
        return self._take(inference_state, PromptCall(*place, prompt, not clear_old_points), need_output)

    def add_new_points(self, *args: Any, **kwargs: Any) -> WindowedAnswer | None:
        """Return the mask after points; the official older name of `add_new_points_or_box`."""
        return self.add_new_points_or_box(*args, **kwargs)

    def add_new_mask(
        self, inference_state: WindowedState, frame_idx: int, obj_id: int, mask: object, need_output: bool = True
    ) -> WindowedAnswer | None:
        """Return the mask after a person drew it (H, W), for the objects of one view; see `SAM2VideoPredictor`."""
        place = checked_place(frame_idx, obj_id, inference_state.num_frames)
        return self._take(inference_state, PromptCall(*place, mask_prompt(mask, inference_state.size)), need_output)

    def look_at(self, inference_state: WindowedState, frame_idx: int, point_xy: tuple[float, float]) -> Iterator[None]:
        """Have at hand what a first click at a place (x, y) of a frame would be answered from, and yield at each step.

        In the end the answer itself is at hand, too, for a new object that is clicked on just there. The click is
        answered as it is without, but sooner. No object comes of it; it may be left half done. Nothing happens where
        the predictor is none of ours.
        """
        state, inner = inference_state, self.predictor
        if not isinstance(inner, EncodesFrames):
            return
        given = point_prompt([point_xy], [1], None, state.size, normalized=False)
        call = PromptCall(frame_idx, 0, in_pixels(said_plainly(given), state.size))
        view = self._roomy_view(state, [call], self.side)
        yield from _encoded(inner, view, frame_idx)
        if view.source.shows_all:
            return
        answer = self._made(view, [call], need_output=True)
        yield
        side = self._fitting_side(view, call, answer) if self.second_look else self.side
        if side != self.side:
            view = self._roomy_view(state, [call], side)
            yield from _encoded(inner, view, frame_idx)
            answer = None if view.source.shows_all else self._made(view, [call], need_output=True)
        if answer is not None:
            state.keep_tried(Tried(call, view, answer))

    def propagate_in_video(
        self,
        inference_state: WindowedState,
        start_frame_idx: int | None = None,
        max_frame_num_to_track: int | None = None,
        reverse: bool = False,
    ) -> Generator[WindowedAnswer, None, None]:
        """Yield frame by frame the masks of all objects; see `SAM2VideoPredictor.propagate_in_video`."""
        state, views = inference_state, inference_state.prompted_views()
        if not views:
            raise TooEarlyError(
                "there is nothing to propagate; add a prompt with add_new_points_or_box or a mask first"
            )
        first = min(frame for _, prompted in views for frame in prompted)
        start = first if start_frame_idx is None else checked_frame(start_frame_idx, state.num_frames)
        runs = [Followed(view, prompted, state.motion, start, reverse) for view, prompted in views]
        inner = [view.state for view, _ in views]
        with closing(self.predictor.propagate_together(inner, start, max_frame_num_to_track, reverse)) as frames:
            for frame, answers in frames:
                found: dict[int, LogitPatch] = {}
                for run, logits in zip(runs, answers, strict=True):
                    found |= run.seen(frame, logits)
                patches = [found.get(object_id) for object_id in state.obj_ids]
                yield frame, state.obj_ids, WindowedLogits(patches, state.size)

    def clear_all_prompts_in_frame(
        self, inference_state: WindowedState, frame_idx: int, obj_id: int, need_output: bool = True
    ) -> WindowedAnswer | None:
        """Take back all prompts of an object on a frame, and return the masks of its view there if they are needed."""
        state = inference_state
        frame_idx, obj_id = checked_place(frame_idx, obj_id, state.num_frames)
        view = state.narrowed(state.existing_view(obj_id))
        answer = self.predictor.clear_all_prompts_in_frame(view.state, frame_idx, obj_id, need_output)
        state.calls[obj_id] = [call for call in state.calls[obj_id] if call.frame != frame_idx]
        return None if answer is None else _placed_back(state, view, answer)

    def remove_object(
        self, inference_state: WindowedState, obj_id: int, strict: bool = False, need_output: bool = True
    ) -> tuple[list[int], list[tuple[int, WindowedLogits]]]:
        """Remove an object with its prompts, its memory and its window, and return the ids that are left.

        The second value, masks of frames in the official call, is always empty: those of the others do not change.
        """
        obj_id = plain_id(obj_id)
        if obj_id in inference_state.views or strict:
            view = inference_state.existing_view(obj_id)
            self.predictor.remove_object(view.state, obj_id, need_output=False)
            del inference_state.views[obj_id], inference_state.calls[obj_id]
        return inference_state.obj_ids, []

    def reset_state(self, inference_state: WindowedState) -> None:
        """Remove all objects and prompts; the movie stays."""
        for object_id in inference_state.obj_ids:
            self.remove_object(inference_state, object_id)

    def snapshot(self, inference_state: WindowedState, whole_frames: int | None = None) -> Snapshot:
        """Return what a state knows as arrays and a few words; `SAM2VideoPredictor.snapshot` says how much."""
        return take_snapshot(self.predictor, inference_state, whole_frames)

    def restore(self, video_path: object, snapshot: Snapshot, **options: Any) -> WindowedState:
        """Return a state over the same frames that knows what a snapshot says; see `SAM2VideoPredictor.restore`."""
        state = self.init_state(video_path, **options)
        restore_snapshot(self.predictor, state, snapshot)
        return state

    def _take(self, state: WindowedState, call: PromptCall, need_output: bool) -> WindowedAnswer | None:
        """Answer a prompt, and only then record it; where it takes another view, the earlier ones are made again."""
        view, before = state.view_for(call.object_id), state.calls.get(call.object_id, [])
        calls = [*before, call]
        is_unsure = self.second_look and not before and call.is_of_clicks
        answer: Answer | None
        tried = state.take_tried(call) if view is None else None
        if tried is not None:
            view, answer = tried
            seen = view
        elif view is not None and view.takes(call) and (view.source.shows_all or not is_unsure):
            seen = state.narrowed(view)
            answer = self._made(seen, [call], need_output)
        else:
            view = self._roomy_view(state, calls, self.side)
            seen = state.narrowed(view, call.object_id)
            answer = self._made(seen, calls, need_output or is_unsure)
            side = self._fitting_side(seen, call, answer) if is_unsure and not view.source.shows_all else self.side
            if side != self.side:
                view = self._roomy_view(state, calls, side)
                seen = state.narrowed(view, call.object_id)
                answer = self._made(seen, calls, need_output)
        state.views[call.object_id] = view
        state.calls[call.object_id] = calls
        return _placed_back(state, seen, answer) if need_output and answer is not None else None

    def _made(self, seen: WindowView, calls: Sequence[PromptCall], need_output: bool) -> Answer | None:
        """Make calls through a view, placed where it is not yet, and return the answer to the last."""
        answer: Answer | None = None
        for one in calls:
            seen.prepare(one.frame, one.extent_xyxy or one.clicked_xyxy)
            answer = one.make(self.predictor, seen.state, seen.source.window(one.frame), need_output)
        return answer

    def _fitting_side(self, seen: WindowView, call: PromptCall, answer: Answer | None) -> int:
        """Return the side of a window for what answers an object's first click; that of a typical one where it fits."""
        if answer is None:
            return self.side
        _, object_ids, logits = answer
        patch = seen.patches(call.frame, object_ids, as_numpy(logits))[call.object_id]
        diameter_px = 2 * sqrt(int((patch.logits > 0).sum()) / pi)
        return max(SMALLEST_SIDE, round(self.side * rescaled(diameter_px / self.object_diameter_px)))

    def _roomy_view(self, state: WindowedState, calls: Sequence[PromptCall], own_side: int) -> WindowView:
        """Return a view, placed on their frames, that shows all prompts of an object: the one of whole frames where a
        window would hardly be smaller, else a new one; its side is the object's own, or more where that is needed.
        """
        extents = {call.frame: united(one.extent_xyxy for one in calls if one.frame == call.frame) for call in calls}
        largest = max((needed_side(extent) for extent in extents.values() if extent is not None), default=0)
        side = max(own_side, largest)
        shows_whole = side >= WHOLE_FRAME_SHARE * max(state.size)
        known = state.whole_frames() if shows_whole else None
        tile = self._tile_side(state.size, own_side) if side == own_side else None
        view = known or state.new_view(self.predictor, None if shows_whole else tile or side, tile is not None)
        for frame, extent in extents.items():
            if extent is not None:
                view.prepare(frame, extent)
        return view

    def _tile_side(self, frame_hw: SizeHW, own_side: int) -> int | None:
        """Return the side of the tiles on a frame for windows of a side, None where objects are not to share any."""
        side = round(SHARED_ROOM * own_side)
        return side if self.shared and side < WHOLE_FRAME_SHARE * max(frame_hw) else None


def _encoded(predictor: EncodesFrames, view: WindowView, frame: int) -> Iterator[None]:
    """Have the features of what a view shows on a frame, as it is and in all views of the model; yield after each."""
    for in_all_views in (False, True):
        for _ in predictor.encode_frames(view.state, [frame], in_all_views):
            yield


def _placed_back(state: WindowedState, view: WindowView, answer: Answer) -> WindowedAnswer:
    """Return the answer of a view's state in terms of the frame."""
    frame, object_ids, logits = answer
    patches = view.patches(frame, object_ids, as_numpy(logits))
    return frame, list(object_ids), WindowedLogits(list(patches.values()), state.size)
