"""Makes the icon, for the documentation and for napari: a cell that divides, as a tree."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[1]
PICTURES = (ROOT / "docs" / "images" / "icon.png", ROOT / "src" / "napari_sam2" / "icon.png")
SIDE, TIMES = 256, 4
GROUND, MOTHER, LEFT, RIGHT = (0, 121, 107), (240, 242, 245), (240, 228, 66), (230, 159, 0)
PLACES = {"mother": (128, 70), "left": (72, 186), "right": (184, 186)}


def make_icon(path: Path) -> None:
    """Write the icon, drawn four times as large and made smaller."""
    image = Image.new("RGBA", (SIDE * TIMES, SIDE * TIMES))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, SIDE * TIMES - 1, SIDE * TIMES - 1), 52 * TIMES, GROUND)
    for name in ("left", "right"):
        line = [(x * TIMES, y * TIMES) for x, y in (PLACES["mother"], PLACES[name])]
        draw.line(line, MOTHER, 13 * TIMES)
    for (x, y), radius, colour in zip(PLACES.values(), (42, 36, 36), (MOTHER, LEFT, RIGHT), strict=True):
        draw.ellipse([side * TIMES for side in (x - radius, y - radius, x + radius, y + radius)], colour)
    image.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(path, optimize=True)


if __name__ == "__main__":
    for picture in PICTURES:
        make_icon(picture)
