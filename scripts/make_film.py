"""Makes docs/images/film.webp, the moving picture of the start page: find, look, track, tree.

Everything in it is computed with the model that ships, on the synthetic sample: what is found on frame 0, what is sure
and what is left out, all cells linked over 30 frames, their divisions. No window is needed:
``python scripts/make_film.py``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage.segmentation import find_boundaries

from napari_sam2 import samples
from napari_sam2.io.contact_sheet import object_colour, outlined
from napari_sam2.lineage.forest import Forest
from napari_sam2.lineage.tracks import Track, tracks_of
from napari_sam2.session import Session

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "film.webp"
LINE, TREE_WIDTH, MARGIN = 56, 400, 28
GROUND, QUIET, BRIGHT = (18, 20, 24), (110, 116, 126), (240, 242, 245)
LEAST_SCORE = 0.4
STEPS = ("find", "look", "track", "tree")
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """All that the film shows: the movie as the model sees it, what was found on frame 0, what came of it."""

    frames: list[NDArray[np.uint8]]
    found: list[tuple[NDArray[np.bool_], float]]
    labels: list[NDArray[np.integer]]
    tracks: dict[int, Track]
    columns: dict[int, float]


def played() -> Scene:
    """Return the scene: find, link and fill the sample without a click."""
    with Session.open(samples.sample_movie().images, axes="TYX") as session:
        session.proposals.find(frames=None)
        found = [(one.mask.mask, one.score) for one in session.proposals.shown(0).values()]
        session.proposals.link()
        for _ in session.fill_gaps():
            pass
        frames = [np.asarray(session.movie[frame]) for frame in range(session.frame_count)]
        labels = [session.labels(frame) for frame in range(session.frame_count)]
        tracks = tracks_of(session.document, session.masks)
    return Scene(frames, sorted(found, key=lambda one: -one[1]), labels, tracks, columns_of(tracks))


def columns_of(tracks: dict[int, Track]) -> dict[int, float]:
    """Return the place of each track in the tree, 0 to 1: leaves beside each other, a mother amid her daughters."""
    forest = Forest.of({one: track.parent for one, track in tracks.items()})
    leaves = [one for one in forest.order if one not in forest.daughters]
    places = {one: (number + 0.5) / len(leaves) for number, one in enumerate(leaves)}
    for one in reversed(forest.order):
        if one in forest.daughters:
            places[one] = float(np.mean([places[daughter] for daughter in forest.daughters[one]]))
    return places


def film(scene: Scene) -> Iterator[tuple[Image.Image, int]]:
    """Yield picture after picture with the milliseconds that it stays."""
    nothing = np.zeros_like(scene.labels[0])
    yield drawn(scene, "find", seen(scene.frames[0], nothing), 0), 900
    for count in range(1, len(scene.found) + 1):
        yield drawn(scene, "find", with_found(scene, count), 0), 160
    yield drawn(scene, "look", with_found(scene, len(scene.found), scores=True), 0), 1800
    yield drawn(scene, "look", seen(scene.frames[0], scene.labels[0]), 0), 1000
    last = len(scene.frames) - 1
    for frame in range(1, last + 1):
        yield drawn(scene, "track", seen(scene.frames[frame], scene.labels[frame]), frame), 150
    yield drawn(scene, "tree", seen(scene.frames[last], scene.labels[last]), last), 3500


def seen(frame: NDArray[np.uint8], labels: NDArray[np.integer]) -> Image.Image:
    """Return a frame at twice its size with outlines of two pixels."""
    image = np.asarray(outlined(frame, labels))
    large = np.kron(
        labels, np.ones([side // small for side, small in zip(image.shape, labels.shape, strict=False)], labels.dtype)
    )
    inner = np.where(find_boundaries(large, mode="inner"), 0, large)
    return outlined(image, inner)


def with_found(scene: Scene, count: int, scores: bool = False) -> Image.Image:
    """Return frame 0 with the surest proposals, yellow, or with all scores: what is unsure in red."""
    image = seen(scene.frames[0], np.zeros_like(scene.labels[0]))
    draw, factor = ImageDraw.Draw(image), image.width / scene.labels[0].shape[1]
    for mask, score in scene.found[:count]:
        colour = (240, 228, 66) if score >= LEAST_SCORE else (213, 94, 0)
        ring = np.asarray(seen(np.zeros(mask.shape, np.uint8), mask.astype(np.uint8))).any(axis=2)
        image.paste(colour, mask=Image.fromarray(ring))
        if scores:
            y, x = (np.argwhere(mask).mean(axis=0) + 0.5) * factor
            draw.text((x, y), f"{score:.2f}", BRIGHT, font(17), anchor="mm", stroke_width=2, stroke_fill=(0, 0, 0))
    return image


def drawn(scene: Scene, step: str, image: Image.Image, frame: int) -> Image.Image:
    """Return one picture of the film: the steps above, the movie on the left, the tree so far on the right."""
    picture = Image.new("RGB", (image.width + TREE_WIDTH, image.height + LINE), GROUND)
    picture.paste(image, (0, LINE))
    draw = ImageDraw.Draw(picture)
    left = 18
    for one in STEPS:
        draw.text((left, LINE / 2), one, BRIGHT if one == step else QUIET, font(26), anchor="lm")
        left += draw.textlength(one, font(26)) + 34
    draw.text((picture.width - 18, LINE / 2), f"frame {frame}", QUIET, font(19), anchor="rm")
    if step in ("track", "tree"):
        draw_tree(
            draw, scene, frame, (image.width + MARGIN, LINE + MARGIN, picture.width - MARGIN, picture.height - MARGIN)
        )
    return picture


def draw_tree(draw: ImageDraw.ImageDraw, scene: Scene, frame: int, box: tuple[int, int, int, int]) -> None:
    """Draw the tracks up to a frame into a box (x0, y0, x1, y1): time goes down, mothers fork."""
    x0, y0, x1, y1 = box
    step = (y1 - y0) / (len(scene.frames) - 1)
    for one, track in scene.tracks.items():
        if track.begin > frame:
            continue
        x, top = x0 + scene.columns[one] * (x1 - x0), y0 + track.begin * step
        if track.parent is not None:
            mother = x0 + scene.columns[track.parent] * (x1 - x0)
            draw.line([(mother, top - step), (x, top)], object_colour(track.parent), 3)
        draw.line([(x, top), (x, y0 + min(track.end, frame) * step)], object_colour(one), 4)
    draw.line([(x0, y0 + frame * step), (x1, y0 + frame * step)], QUIET, 1)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font that ships with Pillow."""
    return ImageFont.load_default(size)


def make_film(path: Path) -> None:
    """Write the film."""
    pictures, stays = zip(*film(played()), strict=True)
    first, *others = pictures
    first.save(path, save_all=True, append_images=others, duration=list(stays), loop=0, quality=68, method=6)
    print(f"{path}: {len(pictures)} pictures of {first.width} x {first.height}, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, nargs="?", default=PICTURE)
    make_film(parser.parse_args().path)
