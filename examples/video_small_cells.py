"""Cells that are small in a large field: the same calls, answered through windows that follow them.

Run it with ``python examples/video_small_cells.py [FOLDER]``.
"""

import numpy as np
from drawing import output_folder, overlay, save_row

from napari_sam2.samples import first_clicks, sample_movie
from sam2_core import WindowedPredictor, build_sam2_video_predictor

folder = output_folder()
movie = sample_movie()
field = np.tile(movie.images[:10], (1, 3, 3))  # (T, 768, 768): the model sees it as 256 pixels
clicks = first_clicks(movie)[:3]

whole = build_sam2_video_predictor("configs/cells/cells_nano.yaml", "cells-nano")
predictor = WindowedPredictor(whole, object_diameter_px=26)
inference_state = predictor.init_state(field)
for click in clicks:
    predictor.add_new_points_or_box(
        inference_state, frame_idx=click.frame, obj_id=click.object_id, points=[[click.x, click.y]], labels=[1]
    )

video_segments = {}
for frame_idx, obj_ids, logits in predictor.propagate_in_video(inference_state):
    masks = np.asarray(logits)[:, 0] > 0  # (O, H, W)
    video_segments[frame_idx] = dict(zip(obj_ids, masks, strict=True))

# Whole frames, to compare
inference_state = whole.init_state(field)
click = clicks[0]
_, _, logits = whole.add_new_points_or_box(
    inference_state, frame_idx=click.frame, obj_id=click.object_id, points=[[click.x, click.y]], labels=[1]
)
coarse = {click.object_id: (logits[0, 0] > 0).cpu().numpy()}

part = np.s_[:256, :256]
shown = [(0, coarse), *((frame, video_segments[frame]) for frame in (0, 5, 9))]
pictures = [overlay(field[frame][part], {one: mask[part] for one, mask in masks.items()}) for frame, masks in shown]
captions = ["one cell on the whole frame", "through windows", "frame 5", "frame 9"]
save_row(folder / "video_small_cells.png", pictures, captions)
