"""Predictors that know the truth, so that what an evaluation must say is known without a model.

`TruthPredictor` answers the calls of a video predictor: it finds the object under the first prompt and draws `draw` of
its truth. `TruthImagePredictor` does the same for stills, in whatever window it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from whole_frames import StandInPredictor, StandInState


def perfect(truth, frames_since_prompt):
    return truth


def nothing(truth, frames_since_prompt):
    return np.zeros_like(truth)


def drifting(truth, frames_since_prompt):
    """One pixel too far to the right per frame since the last prompt."""
    return np.roll(truth, frames_since_prompt, axis=-1)


@dataclass
class TruthState(StandInState):
    movie: object
    values: dict[int, int] = field(default_factory=dict)  # object id -> label value under its first prompt
    prompted: dict[int, set[int]] = field(default_factory=dict)  # object id -> frames

    def __post_init__(self):
        super().__init__()

    @property
    def obj_ids(self):
        return list(self.prompted)

    def select(self, object_ids):
        return self  # nothing is read out when it is prompted


class TruthPredictor(StandInPredictor):
    image_size = 256

    def __init__(self, labels, draw=perfect):
        self.labels = np.asarray(labels)
        self.draw = draw
        self.calls = []

    def init_state(self, video_path, *, offload_state_to_cpu=False):
        assert len(video_path) == len(self.labels)
        return TruthState(video_path)

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
        self.calls.append((frame_idx, obj_id, points, labels, box, clear_old_points))
        if obj_id not in inference_state.values:
            inference_state.values[obj_id] = self._value(frame_idx, points, box)
        inference_state.prompted.setdefault(obj_id, set()).add(frame_idx)
        return frame_idx, [], np.zeros((0, 1, *self.labels.shape[1:]), np.float32)

    def add_new_mask(self, inference_state, frame_idx, obj_id, mask, need_output=True):
        raise AssertionError("the protocol gives no masks")

    def propagate_in_video(self, inference_state, start_frame_idx, max_frame_num_to_track, reverse=False):
        assert not reverse
        state = inference_state
        for frame in range(start_frame_idx, min(start_frame_idx + max_frame_num_to_track, len(self.labels))):
            met = {obj_id: max(f for f in frames if f <= frame) for obj_id, frames in state.prompted.items()}
            drawn = [
                self.draw(self.labels[frame] == state.values[obj_id], frame - since) for obj_id, since in met.items()
            ]
            yield frame, list(met), np.where(np.stack(drawn), 4.0, -4.0)[:, None]  # (O, 1, H, W)

    def _value(self, frame, points, box):
        if points is not None:
            x, y = (int(value) for value in points[0])
            return int(self.labels[frame, y, x])
        x0, y0, x1, y1 = (int(value) for value in box)
        inside = self.labels[frame, y0 : y1 + 1, x0 : x1 + 1]
        return int(np.bincount(inside[inside > 0]).argmax())


class TruthImagePredictor:
    """Finds the window it is shown in an image whose grey values say where a pixel comes from: see `coordinates`."""

    image_size = 240

    def __init__(self, labels, draw=lambda truth, asked: truth):
        self.labels = labels
        self.draw = draw
        self.asked = []

    def set_image(self, image):
        rows, columns = image[..., 0].astype(int), image[..., 1].astype(int)
        self.window = self.labels[rows, columns]

    def predict(self, point_coords=None, point_labels=None, box=None, mask_input=None, multimask_output=True):
        self.asked.append((point_coords, point_labels, box, mask_input, multimask_output))
        if box is None:
            x, y = (int(value) for value in point_coords[0])
            value = self.window[y, x]
        else:
            x0, y0, x1, y1 = (int(corner) for corner in box)
            inside = self.window[y0 : y1 + 1, x0 : x1 + 1]
            value = np.bincount(inside[inside > 0]).argmax()
        good = self.draw(self.window == value, self.asked[-1])
        if not multimask_output:
            return good[None].astype(np.float32), np.array([0.9]), np.ones((1, 4, 4), np.float32)
        masks = np.stack([~good, good, np.zeros_like(good)]).astype(np.float32)  # the second one is ranked first
        return masks, np.array([0.1, 0.9, 0.2]), np.stack([np.full((4, 4), k, np.float32) for k in range(3)])


def coordinates(height, width):
    """An image (H, W, 3) uint8 whose first two channels are its row and its column."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, np.zeros_like(rows)], axis=-1).astype(np.uint8)
