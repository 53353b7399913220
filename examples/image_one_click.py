"""One click on an image: three masks, the best first.

Run it with ``python examples/image_one_click.py [FOLDER]``.
"""

from drawing import output_folder, overlay, save_row

from napari_sam2.samples import first_clicks, sample_movie
from sam2_core import SAM2ImagePredictor, build_sam2

folder = output_folder()
movie = sample_movie()
image = movie.images[0]  # (H, W), 16 bit

predictor = SAM2ImagePredictor(build_sam2("configs/cells/cells_nano.yaml", "cells-nano"))
predictor.set_image(image)

click = first_clicks(movie)[0]
points, labels = [[click.x, click.y]], [1]  # x before y; 1 is inside, 0 is outside
masks, scores, logits = predictor.predict(point_coords=points, point_labels=labels, multimask_output=True)

best_first = scores.argsort()[::-1]
masks, scores, logits = masks[best_first], scores[best_first], logits[best_first]

# The logits of an answer can be handed back: the next answer refines it instead of starting again.
refined, refined_scores, _ = predictor.predict(
    point_coords=points, point_labels=labels, mask_input=logits[:1], multimask_output=False
)

pictures = [overlay(image, {1: mask}, points, labels) for mask in (*masks, refined[0])]
captions = [f"mask {i + 1}, predicted IoU {score:.2f}" for i, score in enumerate(scores)]
save_row(folder / "image_one_click.png", pictures, [*captions, f"best one refined, {refined_scores[0]:.2f}"])
