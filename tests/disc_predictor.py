"""A video predictor without a model: every object is a disc that moves one pixel to the right per frame.

It answers the calls that a tracking job makes, with logits that are positive inside the disc and highest in its centre.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

RADIUS = 5.5


@dataclass
class DiscState:
    movie: object
    anchors: dict[int, dict[int, tuple[float, float]]] = field(default_factory=dict)  # object -> frame -> centre yx


class DiscPredictor:
    image_size = 256

    def __init__(self, on_frame=None):
        self.calls = []
        self.on_frame = on_frame or (lambda frame: None)

    def init_state(self, video_path):
        self.calls.append(("init_state", video_path))
        return DiscState(video_path)

    def add_new_points_or_box(self, inference_state, frame_idx, obj_id, points=None, labels=None, box=None):
        self.calls.append(("points", frame_idx, obj_id, points, labels, box))
        if points is not None:
            x, y = np.asarray(points)[np.asarray(labels) == 1].mean(axis=0)
        else:
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        return self._anchor(inference_state, frame_idx, obj_id, y, x)

    def add_new_mask(self, inference_state, frame_idx, obj_id, mask):
        self.calls.append(("mask", frame_idx, obj_id, mask))
        y, x = np.argwhere(mask).mean(axis=0)
        return self._anchor(inference_state, frame_idx, obj_id, y, x)

    def propagate_in_video(self, inference_state, start_frame_idx, max_frame_num_to_track, reverse=False):
        self.calls.append(("propagate", start_frame_idx, max_frame_num_to_track, reverse))
        step = -1 if reverse else 1
        last = start_frame_idx + step * max_frame_num_to_track
        for frame in range(start_frame_idx, max(last, -1) if reverse else min(last, len(inference_state.movie)), step):
            self.on_frame(frame)
            yield self._answer(inference_state, frame)

    def _anchor(self, state, frame, object_id, y, x):
        state.anchors.setdefault(object_id, {})[frame] = (float(y), float(x))
        return self._answer(state, frame)

    def _answer(self, state, frame):
        logits = [self._disc(state, object_id, frame) for object_id in state.anchors]
        return frame, list(state.anchors), np.stack(logits)[:, None]  # (O, 1, H, W)

    @staticmethod
    def _disc(state, object_id, frame):
        anchors = state.anchors[object_id]
        nearest = min(anchors, key=lambda known: abs(known - frame))
        y, x = anchors[nearest]
        rows, columns = np.mgrid[: state.movie.height, : state.movie.width]
        return (RADIUS - np.hypot(rows - y, columns - (x + frame - nearest))).astype(np.float32)
