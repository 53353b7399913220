"""A batch of images, each with its own clicks: one mask for each object.

Run it with ``python examples/image_batch.py [FOLDER]``.
"""

import numpy as np
from drawing import output_folder, overlay, save_row

from napari_sam2.samples import first_clicks, sample_movie
from sam2_core import SAM2ImagePredictor, build_sam2

folder = output_folder()
movies = [sample_movie("fluorescence"), sample_movie("dic")]
images = [movie.images[0] for movie in movies]  # they may differ in size

# Per image: four objects with one point each, (4, 1, 2) in x, y, and their labels (4, 1).
points = [np.array([[[click.x, click.y]] for click in first_clicks(movie)[:4]]) for movie in movies]
labels = [np.ones((4, 1), dtype=int) for _ in movies]

predictor = SAM2ImagePredictor(build_sam2("configs/cells/cells_nano.yaml", "cells-nano"))
predictor.set_image_batch(images)
masks, scores, _ = predictor.predict_batch(points, labels, multimask_output=True)  # per image (4, 3, H, W) and (4, 3)

pictures, best = [], []
for image, image_masks, image_scores, image_points in zip(images, masks, scores, points, strict=True):
    best.append(image_masks[np.arange(4), image_scores.argmax(axis=1)])  # (4, H, W)
    found = {i + 1: mask for i, mask in enumerate(best[-1])}
    pictures.append(overlay(image, found, image_points[:, 0], [1] * 4))
save_row(folder / "image_batch.png", pictures, ["fluorescence, one click per nucleus", "DIC, one click per cell"])
