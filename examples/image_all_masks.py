"""All masks of one image without a prompt: the model is asked at a grid of points.

Run it with ``python examples/image_all_masks.py [FOLDER]``.
"""

import numpy as np
from drawing import output_folder, overlay, save_row

from napari_sam2.samples import sample_movie
from sam2_core import SAM2AutomaticMaskGenerator, build_sam2

folder = output_folder()
image = sample_movie("fluorescence").images[0]

model = build_sam2("configs/cells/cells_nano.yaml", "cells-nano")
generator = SAM2AutomaticMaskGenerator(model, points_per_side=16)
found = generator.generate(image)  # one dict a mask, the surest first

masks = {i + 1: one["segmentation"] for i, one in enumerate(found)}
points = np.array([one["point_coords"][0] for one in found])
pictures = [overlay(image, {}), overlay(image, masks, points, [1] * len(points))]
captions = ["fluorescence", f"{len(found)} masks, and the points that found them"]
save_row(folder / "image_all_masks.png", pictures, captions)
