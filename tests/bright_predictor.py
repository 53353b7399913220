"""A movie of bright discs, and a predictor that finds the pixels as bright as the one that was clicked."""

from __future__ import annotations

import numpy as np

HEIGHT, WIDTH, RADIUS = 200, 260, 6


class Movie:
    """Discs on a dark field: object id -> its centre yx on every frame; the disc of object n is as bright as n."""

    def __init__(self, *paths):
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        self.height, self.width = HEIGHT, WIDTH
        self.frames = np.zeros((len(paths[0]), HEIGHT, WIDTH), np.uint8)
        for value, path in enumerate(paths, start=1):
            for frame, (y, x) in zip(self.frames, path, strict=True):
                frame[np.hypot(rows - y, columns - x) <= RADIUS] = value

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, index):
        return self.frames[index]


class State:
    def __init__(self, frames):
        self.frames = frames
        self.values = {}  # object -> brightness under its prompt
        self.prompted = {}  # object -> frames
        self.features = None  # a place for a store

    def select(self, object_ids):
        """Return a state with some of the objects, the very same ones."""
        part = State(self.frames)
        part.values = {one: value for one, value in self.values.items() if one in object_ids}
        part.prompted = self.prompted
        return part


class BrightPredictor:
    """Finds, of every object, the pixels that are as bright as the one that was clicked, where it is shown them."""

    image_size = 64

    def __init__(self):
        self.states = []
        self.points = []
        self.closed = 0

    def init_state(self, video_path):
        self.states.append(State(video_path))
        return self.states[-1]

    def add_new_points_or_box(
        self, inference_state, frame_idx, obj_id, points=None, labels=None, box=None, need_output=True
    ):
        state = inference_state
        self.points.append((frame_idx, None if points is None else np.asarray(points).tolist()))
        x, y = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) if points is None else np.asarray(points)[0]
        if labels is None or labels[0] == 1:
            state.values[obj_id] = int(state.frames[frame_idx][int(y), int(x)])
        state.prompted.setdefault(obj_id, set()).add(frame_idx)
        return frame_idx, list(state.values), self.logits(state, frame_idx)

    def add_new_mask(self, inference_state, frame_idx, obj_id, mask, need_output=True):
        state = inference_state
        state.values[obj_id] = int(np.median(state.frames[frame_idx][mask]))
        state.prompted.setdefault(obj_id, set()).add(frame_idx)
        return frame_idx, list(state.values), self.logits(state, frame_idx)

    def propagate_in_video(self, inference_state, start_frame_idx, max_frame_num_to_track, reverse=False):
        state, step = inference_state, -1 if reverse else 1
        count = len(state.frames) if max_frame_num_to_track is None else max_frame_num_to_track
        last = start_frame_idx + step * count
        try:
            for frame in range(start_frame_idx, max(last, -1) if reverse else min(last, len(state.frames)), step):
                yield frame, list(state.values), self.logits(state, frame, reverse)
        finally:
            self.closed += 1

    def clear_all_prompts_in_frame(self, inference_state, frame_idx, obj_id, need_output=True):
        inference_state.prompted[obj_id].discard(frame_idx)

    def remove_object(self, inference_state, obj_id, strict=False, need_output=True):
        del inference_state.values[obj_id], inference_state.prompted[obj_id]
        return list(inference_state.values), []

    @staticmethod
    def logits(state, frame, reverse=None):
        plane = np.asarray(state.frames[frame]).astype(np.float32)
        found = []
        for object_id, value in state.values.items():
            prompted = state.prompted[object_id]
            met = reverse is None or (frame <= max(prompted) if reverse else frame >= min(prompted))
            found.append(np.where((plane == value) & met, 1.0, -1.0))
        return np.stack(found)[:, None]  # (O, 1, h, w)


def straight(start, step, count):
    return [(start[0] + step[0] * index, start[1] + step[1] * index) for index in range(count)]


def masks(run):
    """Return frame -> {object id -> (H, W) bool}."""
    return {
        frame: {object_id: plane[0] > 0 for object_id, plane in zip(object_ids, logits, strict=True)}
        for frame, object_ids, logits in run
    }


def click(windowed, state, frame, object_id, y, x, label=1):
    return windowed.add_new_points_or_box(state, frame, object_id, points=[[x, y]], labels=[label])
