"""Pictures of masks and prompts for the examples: Pillow only, nothing of the package.

`overlay` paints masks, clicks and a box over one image; `save_row` puts such pictures side by side into a PNG.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COLORS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
INSIDE, OUTSIDE, WHITE = (40, 200, 60), (225, 40, 40), (255, 255, 255)
ZOOM = 2


def output_folder() -> Path:
    """Return the folder named on the command line, else ./demo/examples; it is made if it is not there."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo/examples")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def overlay(
    image: np.ndarray,
    masks: Mapping[int, np.ndarray],
    points: Sequence[Sequence[float]] = (),
    labels: Sequence[int] = (),
    box: Sequence[float] | None = None,
) -> Image.Image:
    """Return a gray image (H, W) with masks by object id, points (x, y) with labels, and a box (x0, y0, x1, y1)."""
    low, high = np.percentile(image, (0.5, 99.8))
    gray = np.clip((image - low) / max(high - low, 1), 0, 1) * 255
    picture = np.repeat(gray[:, :, None], 3, axis=2)
    for object_id, mask in masks.items():
        color = COLORS[(object_id - 1) % len(COLORS)]
        picture[mask > 0] = 0.5 * picture[mask > 0] + 0.5 * np.array(color)
    height, width = image.shape
    drawn = Image.fromarray(picture.astype(np.uint8)).resize((width * ZOOM, height * ZOOM), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(drawn)
    for (x, y), label in zip(points, labels, strict=True):
        cx, cy = (x + 0.5) * ZOOM, (y + 0.5) * ZOOM
        pen.ellipse((cx - 6, cy - 6, cx + 6, cy + 6), fill=INSIDE if label else OUTSIDE, outline=WHITE, width=2)
    if box is not None:
        pen.rectangle([value * ZOOM for value in box], outline=INSIDE, width=2)
    return drawn


def save_row(path: Path, pictures: Sequence[Image.Image], captions: Sequence[str]) -> None:
    """Write pictures of one height side by side as a PNG, each under its caption, and say where it is."""
    header, gap = 24, 6
    width = sum(picture.width + gap for picture in pictures) - gap
    row = Image.new("RGB", (width, pictures[0].height + header), WHITE)
    pen, left = ImageDraw.Draw(row), 0
    for picture, caption in zip(pictures, captions, strict=True):
        pen.text((left + 4, 4), caption, fill=(0, 0, 0), font_size=15)
        row.paste(picture, (left, header))
        left += picture.width + gap
    row.save(path)
    print(f"wrote {path}")
