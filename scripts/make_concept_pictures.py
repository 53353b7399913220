"""Makes docs/images/prompts.png and memory.png, the pictures of the page on concepts.

The first shows what the model that ships answers to a click, to a box, and to a click outside that follows a click, on
the synthetic sample; the second is drawn: what a frame looks back at. ``python scripts/make_concept_pictures.py``
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from make_film import BRIGHT, GROUND, QUIET, font, seen
from PIL import Image, ImageDraw

from napari_sam2 import samples
from napari_sam2.io.contact_sheet import contact_sheet
from napari_sam2.session import Prompt, Session

IMAGES = Path(__file__).parents[1] / "docs" / "images"
INSIDE, OUTSIDE, BOX = (0, 158, 115), (213, 94, 0), (86, 180, 233)
REGION = (slice(0, 160), slice(40, 200))
LATER = 12
PROMPTED, FRAMES, NOW, KEPT = 2, 20, 16, 6
STEP, FRAME_SIDE = 46, 34


def make_prompts(path: Path) -> None:
    """Write what comes of a click, a box, two clicks, and of tracking."""
    movie = samples.sample_movie()
    truth = movie.labels[0] == samples.first_clicks(movie)[0].object_id
    click = samples.first_clicks(movie)[0]
    edges = np.argwhere(truth)
    box = (*edges.min(axis=0).tolist(), *(edges.max(axis=0) + 1).tolist())
    neighbour = nearest_other(movie.labels[0], click)
    panels = []
    with Session.open(movie.images, axes="TYX") as session:
        said = {
            "a click inside": Prompt(1, 0, points_yx=((click.y, click.x),), labels=(1,)),
            "a box": Prompt(1, 0, box_yx=box),
            "and a click outside": Prompt(1, 0, points_yx=((click.y, click.x), neighbour), labels=(1, 0)),
        }
        for caption, prompt in said.items():
            session.set_prompts({(1, 0): prompt})
            list(session.preview())
            panels.append((caption, answered(session, prompt, 0)))
        list(session.propagate(direction="forward"))
        panels.append((f"followed, frame {LATER}", answered(session, None, LATER)))
    contact_sheet(panels, columns=4).save(path)


def nearest_other(labels: np.ndarray, click: samples.Click) -> tuple[float, float]:
    """Return a pixel (y, x) in the middle of the nearest other cell."""
    others = [one for one in np.unique(labels).tolist() if one not in (0, click.object_id)]
    middles = [np.argwhere(labels == one).mean(axis=0) for one in others]
    y, x = min(middles, key=lambda middle: float(np.hypot(middle[0] - click.y, middle[1] - click.x)))
    return float(round(y)), float(round(x))


def answered(session: Session, prompt: Prompt | None, frame: int) -> Image.Image:
    """Return a part of a frame with the mask of object 1 and what was said about it."""
    image = seen(np.asarray(session.movie[frame]), (session.labels(frame) == 1).astype(np.uint16))
    draw, factor = ImageDraw.Draw(image), image.width / session.size[1]
    if prompt is not None and prompt.box_yx is not None:
        y0, x0, y1, x1 = (side * factor for side in prompt.box_yx)
        draw.rectangle((x0, y0, x1, y1), outline=BOX, width=3)
    for (y, x), label in zip(prompt.points_yx, prompt.labels, strict=True) if prompt is not None else ():
        mark(draw, ((x + 0.5) * factor, (y + 0.5) * factor), label == 1)
    rows, columns = REGION
    return image.crop([round(side * factor) for side in (columns.start, rows.start, columns.stop, rows.stop)])


def mark(draw: ImageDraw.ImageDraw, place: tuple[float, float], is_inside: bool) -> None:
    """Draw a click: a disc inside, a cross outside; shape and colour say the same."""
    x, y = place
    if is_inside:
        draw.ellipse((x - 9, y - 9, x + 9, y + 9), INSIDE, BRIGHT, 3)
        return
    strokes = [[(x - 9, y - 9), (x + 9, y + 9)], [(x - 9, y + 9), (x + 9, y - 9)]]
    for colour, width in ((BRIGHT, 9), (OUTSIDE, 5)):
        for stroke in strokes:
            draw.line(stroke, colour, width)


def make_memory(path: Path) -> None:
    """Write what the frame in work looks back at: prompted frames, the last six, summaries of earlier ones."""
    picture = Image.new("RGB", (FRAMES * STEP + 40, 236), GROUND)
    draw = ImageDraw.Draw(picture)
    for frame in range(FRAMES):
        is_seen = NOW - KEPT <= frame < NOW
        colour = INSIDE if frame == PROMPTED else BOX if is_seen else OUTSIDE if frame == NOW else None
        box = frame_box(frame)
        draw.rectangle(box, colour, QUIET if colour is None else colour, 2)
        if colour is None and frame < NOW:
            draw.ellipse((box[0] + 12, box[1] + 12, box[2] - 12, box[3] - 12), QUIET)
        draw.text(((box[0] + box[2]) / 2, box[3] + 14), str(frame), QUIET, font(15), anchor="mm")
    arcs = [(PROMPTED, INSIDE), *((frame, BOX) for frame in range(NOW - KEPT, NOW))]
    for frame, colour in arcs:
        left, right = (np.mean(frame_box(one)[::2]) for one in (frame, NOW))
        height = min(64, 12 + (right - left) / 8)
        draw.arc((left, 104 - height, right, 104 + height), 180, 360, colour, 2)
    legend(draw, [("prompted", INSIDE), ("the last six", BOX), ("the frame in work", OUTSIDE), ("summaries", QUIET)])
    picture.save(path, optimize=True)


def frame_box(frame: int) -> tuple[int, int, int, int]:
    """Return where a frame of the drawing is (x0, y0, x1, y1)."""
    left = 20 + frame * STEP
    return (left, 106, left + FRAME_SIDE, 106 + FRAME_SIDE)


def legend(draw: ImageDraw.ImageDraw, entries: Sequence[tuple[str, tuple[int, int, int]]]) -> None:
    """Draw what the colours mean, below."""
    left = 20.0
    for text, colour in entries:
        draw.ellipse((left, 198, left + 16, 214), colour)
        draw.text((left + 24, 206), text, BRIGHT, font(18), anchor="lm")
        left += 24 + draw.textlength(text, font(18)) + 36


if __name__ == "__main__":
    make_memory(IMAGES / "memory.png")
    make_prompts(IMAGES / "prompts.png")
