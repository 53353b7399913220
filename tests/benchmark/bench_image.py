"""One image: the encoder, and the image predictor with 1 and 64 boxes, against the peers in turns.

``make bench NAME=bench_image.py``. The encoder is measured on an image that was prepared; the predictor from boxes in
pixels to masks at the size of the image, the image being encoded already.
"""

from __future__ import annotations

from benchmark.comparison import IMAGE_SIZE, MODEL, in_milliseconds, publish, repeats, seconds
from benchmark.sides import everyone_and_auto, open_sides


def test_image() -> None:
    with open_sides(everyone_and_auto(MODEL, IMAGE_SIZE)) as sides:
        rows = [in_milliseconds("image encoder", seconds(sides, repeats(7), "image_encoder"))]
        for count in (1, 64):
            found = seconds(sides, repeats(15 if count == 1 else 5), "image_prompts", count=count)
            rows.append(in_milliseconds(f"image predictor, boxes in one call: {count}", found))
        publish("image", rows, sides)
