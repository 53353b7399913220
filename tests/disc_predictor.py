"""A video predictor without a model: every object is a disc that moves one pixel to the right per frame.

It answers the calls that a tracking job and a session make, with logits that are positive inside the disc and highest
in its centre. A disc sits at the mean of the clicks on its frame, in the middle of its box or of its mask, and every
click outside the object makes it a pixel smaller.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

RADIUS = 5.5


@dataclass
class DiscState:
    movie: object
    anchors: dict[int, dict[int, tuple[float, float, float]]] = field(default_factory=dict)
    """Object -> frame -> centre y, x and radius."""
    clicks: dict[tuple[int, int], list[tuple[float, float, int]]] = field(default_factory=dict)
    """(object, frame) -> x, y, label of the clicks given there."""
    chosen: frozenset[int] | None = None

    def select(self, object_ids):
        return DiscState(self.movie, self.anchors, self.clicks, frozenset(object_ids))

    @property
    def obj_ids(self):
        return [one for one in self.anchors if self.chosen is None or one in self.chosen]


class DiscPredictor:
    image_size = 256

    def __init__(self, on_frame=None):
        self.calls = []
        self.on_frame = on_frame or (lambda frame: None)

    def init_state(self, video_path):
        self.calls.append(("init_state", video_path))
        return DiscState(video_path)

    def add_new_points_or_box(
        self,
        inference_state,
        frame_idx,
        obj_id,
        points=None,
        labels=None,
        box=None,
        clear_old_points=True,
        need_output=True,
    ):
        self.calls.append(("points", frame_idx, obj_id, points, labels, box))
        clicks = inference_state.clicks.setdefault((obj_id, frame_idx), [])
        if clear_old_points:
            clicks.clear()
        if points is not None:
            clicks += [(x, y, label) for (x, y), label in zip(np.asarray(points), labels, strict=True)]
        inside = [(x, y) for x, y, label in clicks if label == 1]
        if inside:
            x, y = np.mean(inside, axis=0)
        elif box is not None:
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        else:
            y, x = self._place(inference_state, obj_id, frame_idx)[:2]
        outside = len(clicks) - len(inside)
        return self._anchor(inference_state, frame_idx, obj_id, (y, x, RADIUS - outside))

    def add_new_mask(self, inference_state, frame_idx, obj_id, mask, need_output=True):
        self.calls.append(("mask", frame_idx, obj_id, mask))
        y, x = np.argwhere(mask).mean(axis=0)
        return self._anchor(inference_state, frame_idx, obj_id, (y, x, RADIUS))

    def clear_all_prompts_in_frame(self, inference_state, frame_idx, obj_id, need_output=True):
        self.calls.append(("clear", frame_idx, obj_id))
        inference_state.anchors[obj_id].pop(frame_idx, None)
        inference_state.clicks.pop((obj_id, frame_idx), None)

    def remove_object(self, inference_state, obj_id, strict=False, need_output=True):
        self.calls.append(("remove", obj_id))
        inference_state.anchors.pop(obj_id, None)
        for key in [key for key in inference_state.clicks if key[0] == obj_id]:
            del inference_state.clicks[key]
        return inference_state.obj_ids, []

    def propagate_in_video(self, inference_state, start_frame_idx, max_frame_num_to_track, reverse=False):
        self.calls.append(("propagate", start_frame_idx, max_frame_num_to_track, reverse))
        step = -1 if reverse else 1
        last = start_frame_idx + step * max_frame_num_to_track
        for frame in range(start_frame_idx, max(last, -1) if reverse else min(last, len(inference_state.movie)), step):
            self.on_frame(frame)
            yield self._answer(inference_state, frame)

    def snapshot(self, inference_state, whole_frames=None):
        anchors = [
            [one, frame, *map(float, place)]
            for one, places in inference_state.anchors.items()
            for frame, place in places.items()
        ]
        return SimpleNamespace(tensors={"count": np.array([len(anchors)])}, meta={"anchors": anchors})

    def restore(self, movie, snapshot, **options):
        self.calls.append(("restore", movie))
        state = DiscState(movie)
        for one, frame, *place in snapshot.meta["anchors"]:
            state.anchors.setdefault(one, {})[frame] = tuple(place)
        return state

    def _anchor(self, state, frame, object_id, place):
        state.anchors.setdefault(object_id, {})[frame] = tuple(map(float, place))
        return self._answer(state, frame)

    def _answer(self, state, frame):
        logits = [self._disc(state, object_id, frame) for object_id in state.obj_ids]
        return frame, state.obj_ids, np.stack(logits)[:, None]  # (O, 1, H, W)

    @staticmethod
    def _place(state, object_id, frame):
        """Return where the disc is on a frame: as its nearest anchor says, 1 pixel further per frame."""
        anchors = state.anchors.get(object_id)
        if not anchors:
            return state.movie.height / 2, state.movie.width / 2, RADIUS
        nearest = min(anchors, key=lambda known: abs(known - frame))
        y, x, radius = anchors[nearest]
        return y, x + frame - nearest, radius

    def _disc(self, state, object_id, frame):
        y, x, radius = self._place(state, object_id, frame)
        rows, columns = np.mgrid[: state.movie.height, : state.movie.width]
        return (radius - np.hypot(rows - y, columns - x)).astype(np.float32)
