"""A picture of the best, the median and the worst objects: truth in green, what was found in magenta, both in white.

Each row is one object; a movie shows it on a few frames. Where everything in a frame was sought, whole frames are
shown: hits in green, misses in red, extras in orange. Writes PNG through Pillow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from napari_sam2.evaluation.movies import MovieRun, MovieTask
from napari_sam2.evaluation.stills import Still, StillResult
from napari_sam2.masks.stored_masks import Array
from sam2_core.scoring.detection import matched_pairs, pair_ious
from sam2_core.scoring.ground_truth import Mask, bounding_box, evenly
from sam2_core.scoring.metrics import GOOD_IOU, object_means

PANEL_PX = 200
FRAME_PX = 640
FRAMES_SHOWN = 5
_MARGIN = 2.2
_LEAST_SIDE_PX = 24
_GAP, _CAPTION = 4, 16
_TRUTH, _FOUND, _BOTH = (60, 230, 90), (255, 70, 230), (255, 255, 255)
_HIT, _MISS, _EXTRA = (60, 230, 90), (255, 50, 50), (255, 165, 0)

Key = TypeVar("Key", int, tuple[str, int])


class Drawn(Protocol):
    """A part of a picture."""

    @property
    def caption(self) -> str:
        """What is written above it."""

    def drawn(self) -> Image.Image:
        """Return it as an image."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One object on one image: (H, W) or (H, W, 3) uint8, truth and result (H, W), and what is written above."""

    image: Array
    truth: Mask
    found: Mask
    caption: str

    def drawn(self) -> Image.Image:
        """Return the surroundings of the object with the outlines of truth and result, PANEL_PX wide and high."""
        y0, x0, y1, x1 = bounding_box(self.truth)
        side = round(max(_LEAST_SIDE_PX, _MARGIN * (y1 - y0 + 1), _MARGIN * (x1 - x0 + 1)))
        top, left = (y0 + y1 - side) // 2, (x0 + x1 - side) // 2
        image = Image.fromarray(self.image).convert("RGB").crop((left, top, left + side, top + side))
        pixels = np.array(image.resize((PANEL_PX, PANEL_PX), Image.Resampling.BICUBIC))
        truth, found = (_edge(_cut(mask, top, left, side)) for mask in (self.truth, self.found))
        pixels[truth], pixels[found], pixels[truth & found] = _TRUTH, _FOUND, _BOTH
        return Image.fromarray(pixels)


@dataclass(frozen=True, slots=True)
class FramePanel:
    """A whole image: (H, W) or (H, W, 3) uint8, labels (H, W) of truth and result, and what is written above."""

    image: Array
    truth: Array
    found: Array
    caption: str

    def drawn(self) -> Image.Image:
        """Return the image, FRAME_PX high or wide, with the outlines of hits and extras as found, and of misses."""
        height, width = self.truth.shape
        scale = FRAME_PX / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        pixels = np.array(Image.fromarray(self.image).convert("RGB").resize(size, Image.Resampling.BICUBIC))
        pairs = pair_ious(self.truth, self.found)
        rows, columns = matched_pairs(pairs.ious, GOOD_IOU).T
        missed = np.isin(self.truth, np.delete(pairs.truth_ids, rows))
        extra = np.isin(self.found, np.delete(pairs.found_ids, columns))
        drawn = ((self.found * ~extra, _HIT), (self.truth * missed, _MISS), (self.found * extra, _EXTRA))
        for labels, colour in drawn:
            sized = Image.fromarray(labels.astype(np.int32)).resize(size, Image.Resampling.NEAREST)
            pixels[_outlines(np.asarray(sized))] = colour
        return Image.fromarray(pixels)


def picked_objects(means: Mapping[Key, float], each: int = 2) -> list[tuple[str, Key]]:
    """Return ("best" | "median" | "worst", object), so many of each where there are enough objects."""
    order = sorted(means, key=lambda key: (-means[key], key))
    if len(order) < 3 * each:
        each = 1
    middle = max(0, (len(order) - each) // 2)
    parts = {"best": order[:each], "median": order[middle : middle + each], "worst": order[-each:]}
    chosen: dict[Key, str] = {}
    for name, ids in parts.items():
        for object_id in ids:
            chosen.setdefault(object_id, name)
    return [(name, object_id) for object_id, name in chosen.items()]


def movie_panels(task: MovieTask, run: MovieRun) -> list[list[Panel]]:
    """Return a row of panels for each of the best, median and worst objects of a run."""
    means = object_means(run.scores.values())
    targets = {target.object_id: target for target in task.targets}
    rows = []
    for name, object_id in picked_objects(means):
        target = targets[object_id]
        seen = range(target.first_frame, target.last_frame + 1)
        shown = [frame for frame in seen if frame not in target.gone and (object_id, frame) in run.masks]
        frames = evenly(shown, FRAMES_SHOWN)
        rows.append([_panel(task, run, object_id, frame, f"{name}: {object_id}") for frame in frames])
    return rows


def still_panels(stills: Iterable[Still], results: Sequence[StillResult], prompt: str) -> list[list[Panel]]:
    """Return one row of panels each for the best, the median and the worst objects of stills."""
    found = {(result.still, result.object_id): result for result in results}
    picked = picked_objects({key: result.ious[prompt] for key, result in found.items()}, each=FRAMES_SHOWN)
    panels: dict[str, list[Panel]] = {"best": [], "median": [], "worst": []}
    for still in stills:
        size = (still.labels.shape[0], still.labels.shape[1])
        for name, key in picked:
            if key[0] == still.name:
                caption = f"{name}: {key[1]}, {found[key].ious[prompt]:.2f}"
                truth = still.labels == key[1]
                panels[name].append(Panel(still.image, truth, found[key].mask.placed(size), caption))
    return [row for row in panels.values() if row]


def write_picture(path: Path, rows: Sequence[Sequence[Drawn]]) -> None:
    """Write rows of panels to a PNG file, its folder too; each under its caption."""
    pictures = [[panel.drawn() for panel in row] for row in rows]
    widths = [
        [max(picture.width, _caption_width(panel)) + _GAP for panel, picture in zip(row, shown, strict=True)]
        for row, shown in zip(rows, pictures, strict=True)
    ]
    heights = [max(picture.height for picture in row) + _CAPTION + _GAP for row in pictures]
    sheet = Image.new("RGB", (max(map(sum, widths)) - _GAP, sum(heights) - _GAP), (24, 24, 24))
    draw, y = ImageDraw.Draw(sheet), 0
    for row, shown, steps, height in zip(rows, pictures, widths, heights, strict=True):
        x = 0
        for panel, picture, step in zip(row, shown, steps, strict=True):
            draw.text((x + 2, y + 2), panel.caption, fill=(230, 230, 230))
            sheet.paste(picture, (x, y + _CAPTION))
            x += step
        y += height
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _caption_width(panel: Drawn) -> int:
    return math.ceil(ImageFont.load_default().getlength(panel.caption)) + 4


def _panel(task: MovieTask, run: MovieRun, object_id: int, frame: int, caption: str) -> Panel:
    truth = task.truth[frame] == object_id
    score = run.scores[object_id, frame].iou
    said = "gone" if score is None else f"{score:.2f}"
    found = run.masks[object_id, frame].placed((truth.shape[0], truth.shape[1]))
    return Panel(task.movie[frame], truth, found, f"{caption}, frame {frame}: {said}")


def _cut(mask: Mask, top: int, left: int, side: int) -> Mask:
    """Return a square of a mask, enlarged to a panel; outside the image nothing."""
    image = Image.fromarray(mask.astype(np.uint8) * 255).crop((left, top, left + side, top + side))
    return np.asarray(image.resize((PANEL_PX, PANEL_PX), Image.Resampling.NEAREST)) > 0


def _outlines(labels: Array) -> Mask:
    """Return the pixels of objects that have another label to the right, below, left or above."""
    edges = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        differs = np.diff(labels, axis=axis) != 0
        first, second = [slice(None)] * 2, [slice(None)] * 2
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        edges[tuple(first)] |= differs
        edges[tuple(second)] |= differs
    return edges & (labels > 0)


def _edge(mask: Mask) -> Mask:
    """Return the outermost pixels of a mask."""
    return mask & ~ndimage.binary_erosion(mask)
