"""A cell divides: a positive and a negative click on a later frame say which daughter is meant, and a second run.

Run it with ``python examples/video_later_correction.py [FOLDER]``.
"""

from drawing import output_folder, overlay, save_row

from napari_sam2.samples import first_clicks, sample_movie
from sam2_core import build_sam2_video_predictor

folder = output_folder()
movie = sample_movie()
clicks = {click.object_id: click for click in first_clicks(movie, new_objects=True)}
daughter, sister = [row for row in movie.lineage if row.parent][-2:]  # of the last division
mother, keep, leave = clicks[daughter.parent], clicks[daughter.object_id], clicks[sister.object_id]

predictor = build_sam2_video_predictor("configs/cells/cells_nano.yaml", "cells-nano")
inference_state = predictor.init_state(movie.images)
predictor.add_new_points_or_box(
    inference_state, frame_idx=mother.frame, obj_id=1, points=[[mother.x, mother.y]], labels=[1]
)

video_segments = {}
for frame_idx, obj_ids, logits in predictor.propagate_in_video(inference_state):
    video_segments[frame_idx] = {obj_id: (logits[i, 0] > 0).cpu().numpy() for i, obj_id in enumerate(obj_ids)}

# On the first frame after the division: this daughter, not that one.
points, labels = [[keep.x, keep.y], [leave.x, leave.y]], [1, 0]
_, _, logits = predictor.add_new_points_or_box(
    inference_state, frame_idx=keep.frame, obj_id=1, points=points, labels=labels
)
answer = (logits[0, 0] > 0).cpu().numpy()

# The correction stays, and only the frames behind it are run again.
corrected_segments = dict(video_segments)
for frame_idx, obj_ids, logits in predictor.propagate_in_video(inference_state, start_frame_idx=keep.frame):
    corrected_segments[frame_idx] = {obj_id: (logits[i, 0] > 0).cpu().numpy() for i, obj_id in enumerate(obj_ids)}

last = len(movie.images) - 1
pictures = [
    overlay(movie.images[mother.frame], video_segments[mother.frame], [[mother.x, mother.y]], [1]),
    overlay(movie.images[keep.frame], video_segments[keep.frame]),
    overlay(movie.images[keep.frame], {1: answer}, points, labels),
    overlay(movie.images[last], video_segments[last]),
    overlay(movie.images[last], corrected_segments[last]),
]
captions = [f"frame {frame}" for frame in (mother.frame, keep.frame, keep.frame, last, last)]
for place, words in enumerate(("one click", "tracked", "corrected", "first run", "second run")):
    captions[place] += f", {words}"
save_row(folder / "video_later_correction.png", pictures, captions)
