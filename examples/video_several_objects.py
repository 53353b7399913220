"""Several objects tracked at once, each with one click; another is added later, and one is removed.

Run it with ``python examples/video_several_objects.py [FOLDER]``.
"""

from drawing import output_folder, overlay, save_row

from napari_sam2.samples import first_clicks, sample_movie
from sam2_core import build_sam2_video_predictor

folder = output_folder()
movie = sample_movie()
clicks = first_clicks(movie)[:5]
points, labels = [[click.x, click.y] for click in clicks], [1] * len(clicks)

predictor = build_sam2_video_predictor("configs/cells/cells_nano.yaml", "cells-nano")
inference_state = predictor.init_state(movie.images)
for click in clicks[:-1]:
    predictor.add_new_points_or_box(
        inference_state, frame_idx=click.frame, obj_id=click.object_id, points=[[click.x, click.y]], labels=[1]
    )

# A propagation can be left at any frame, and goes on where it is started again.
for frame_idx, _, _ in predictor.propagate_in_video(inference_state):
    if frame_idx == 3:
        break

late = clicks[-1]  # objects can be added at any time, and removed
_, obj_ids, logits = predictor.add_new_points_or_box(
    inference_state, frame_idx=0, obj_id=late.object_id, points=[[late.x, late.y]], labels=[1]
)
first_masks = {obj_id: (logits[i, 0] > 0).cpu().numpy() for i, obj_id in enumerate(obj_ids)}
removed = obj_ids[1]
remaining, _ = predictor.remove_object(inference_state, removed)

video_segments = {}
for frame_idx, obj_ids, logits in predictor.propagate_in_video(inference_state, start_frame_idx=0):
    video_segments[frame_idx] = {obj_id: (logits[i, 0] > 0).cpu().numpy() for i, obj_id in enumerate(obj_ids)}

pictures = [
    overlay(movie.images[0], first_masks, points, labels),
    *(overlay(movie.images[frame], video_segments[frame]) for frame in (0, 15, 29)),
]
captions = ["clicks over their masks", f"frame 0, without object {removed}", "frame 15", "frame 29"]
save_row(folder / "video_several_objects.png", pictures, captions)
