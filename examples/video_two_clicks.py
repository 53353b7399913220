"""Two positive clicks on one object, then tracking it through the movie.

Run it with ``python examples/video_two_clicks.py [FOLDER]``.
"""

from drawing import output_folder, overlay, save_row

from napari_sam2.samples import first_clicks, sample_movie
from sam2_core import build_sam2_video_predictor

folder = output_folder()
movie = sample_movie()
click = first_clicks(movie)[0]

predictor = build_sam2_video_predictor("configs/cells/cells_nano.yaml", "cells-nano")
inference_state = predictor.init_state(movie.images)  # an array, a folder of JPEGs, a TIFF, a video file, ...

# The first click; the answer shows at once whether it was understood.
points, labels = [[click.x, click.y]], [1]
_, obj_ids, logits = predictor.add_new_points_or_box(
    inference_state, frame_idx=0, obj_id=1, points=points, labels=labels
)
after_one = logits[0, 0] > 0  # (H, W)

# The second: all clicks on this frame so far, the new one among them.
points, labels = [[click.x, click.y], [click.x + 8, click.y + 4]], [1, 1]
_, obj_ids, logits = predictor.add_new_points_or_box(
    inference_state, frame_idx=0, obj_id=1, points=points, labels=labels
)
after_two = logits[0, 0] > 0

video_segments = {}  # frame -> object -> mask
for frame_idx, obj_ids, logits in predictor.propagate_in_video(inference_state):
    video_segments[frame_idx] = {obj_id: (logits[i, 0] > 0).cpu().numpy() for i, obj_id in enumerate(obj_ids)}

pictures = [
    overlay(movie.images[0], {1: after_one.cpu().numpy()}, points[:1], labels[:1]),
    overlay(movie.images[0], {1: after_two.cpu().numpy()}, points, labels),
    *(overlay(movie.images[frame], video_segments[frame]) for frame in (10, 20, 29)),
]
captions = ["one click", "two clicks", "frame 10", "frame 20", "frame 29"]
save_row(folder / "video_two_clicks.png", pictures, captions)
