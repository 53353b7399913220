"""A box, and a box together with a click, on an image; then several boxes at once.

Run it with ``python examples/image_box_and_click.py [FOLDER]``.
"""

import numpy as np
from drawing import output_folder, overlay, save_row
from skimage.measure import regionprops

from napari_sam2.samples import first_clicks, sample_movie
from sam2_core import SAM2ImagePredictor, build_sam2

folder = output_folder()
movie = sample_movie()
image = movie.images[0]
cells = regionprops(movie.labels[0])[:4]
boxes = np.array([[x0, y0, x1, y1] for y0, x0, y1, x1 in (cell.bbox for cell in cells)])  # (4, 4) xyxy
click = first_clicks(movie)[0]
points, labels = [[click.x, click.y]], [1]

predictor = SAM2ImagePredictor(build_sam2("configs/cells/cells_nano.yaml", "cells-nano"))
predictor.set_image(image)
masks, _, _ = predictor.predict(box=boxes[0], multimask_output=False)
clicked, _, _ = predictor.predict(point_coords=points, point_labels=labels, box=boxes[0], multimask_output=False)
several, _, _ = predictor.predict(box=boxes, multimask_output=False)  # (4, 1, H, W): one mask for each box

pictures = [
    overlay(image, {1: masks[0]}, box=boxes[0]),
    overlay(image, {1: clicked[0]}, points, labels, box=boxes[0]),
    overlay(image, {i + 1: mask[0] for i, mask in enumerate(several)}),
]
save_row(folder / "image_box_and_click.png", pictures, ["a box", "a box and a click", "four boxes at once"])
