"""A box around one object, then a box and a click together around another, tracked through the movie.

Run it with ``python examples/video_box.py [FOLDER]``.
"""

import numpy as np
from drawing import output_folder, overlay, save_row
from skimage.measure import regionprops

from napari_sam2.samples import first_clicks, sample_movie
from sam2_core import build_sam2_video_predictor

folder = output_folder()
movie = sample_movie()
boxes = {cell.label: np.array(cell.bbox)[[1, 0, 3, 2]] for cell in regionprops(movie.labels[0])}  # id -> x0, y0, x1, y1
first, second = first_clicks(movie)[0], first_clicks(movie)[3]

predictor = build_sam2_video_predictor("configs/cells/cells_nano.yaml", "cells-nano")
inference_state = predictor.init_state(movie.images)
predictor.add_new_points_or_box(inference_state, frame_idx=0, obj_id=1, box=boxes[first.object_id])

points, labels = [[second.x, second.y]], [1]
_, obj_ids, logits = predictor.add_new_points_or_box(
    inference_state, frame_idx=0, obj_id=2, points=points, labels=labels, box=boxes[second.object_id]
)
first_masks = {obj_id: (logits[i, 0] > 0).cpu().numpy() for i, obj_id in enumerate(obj_ids)}

video_segments = {}
for frame_idx, obj_ids, logits in predictor.propagate_in_video(inference_state):
    video_segments[frame_idx] = {obj_id: (logits[i, 0] > 0).cpu().numpy() for i, obj_id in enumerate(obj_ids)}

pictures = [
    overlay(movie.images[0], {1: first_masks[1]}, box=boxes[first.object_id]),
    overlay(movie.images[0], first_masks, points, labels, box=boxes[second.object_id]),
    *(overlay(movie.images[frame], video_segments[frame]) for frame in (15, 29)),
]
save_row(folder / "video_box.png", pictures, ["a box", "a box and a click", "frame 15", "frame 29"])
