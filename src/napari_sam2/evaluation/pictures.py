"""A picture of the best, the median and the worst objects: truth in green, what was found in magenta, both in white.

Each row is one object; a movie shows it on a few frames. Writes PNG through Pillow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from napari_sam2.evaluation.movies import MovieRun, MovieTask
from napari_sam2.evaluation.stills import Still, StillResult
from napari_sam2.masks.stored_masks import Array
from sam2_core.scoring.ground_truth import Mask, bounding_box, evenly
from sam2_core.scoring.metrics import object_means

PANEL_PX = 200
FRAMES_SHOWN = 5
_MARGIN = 2.2
_LEAST_SIDE_PX = 24
_GAP, _CAPTION = 4, 16
_TRUTH, _FOUND, _BOTH = (60, 230, 90), (255, 70, 230), (255, 255, 255)

Key = TypeVar("Key", int, tuple[str, int])


@dataclass(frozen=True, slots=True)
class Panel:
    """One object on one image: (H, W) or (H, W, 3) uint8, truth and result (H, W), and what is written above."""

    image: Array
    truth: Mask
    found: Mask
    caption: str


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


def write_picture(path: Path, rows: Sequence[Sequence[Panel]]) -> None:
    """Write rows of panels to a PNG file, its folder too; each shows the object and as much around it."""
    width = max(len(row) for row in rows) * (PANEL_PX + _GAP) - _GAP
    sheet = Image.new("RGB", (width, len(rows) * (PANEL_PX + _CAPTION + _GAP) - _GAP), (24, 24, 24))
    draw = ImageDraw.Draw(sheet)
    for line, row in enumerate(rows):
        for column, panel in enumerate(row):
            corner = (column * (PANEL_PX + _GAP), line * (PANEL_PX + _CAPTION + _GAP))
            draw.text((corner[0] + 2, corner[1] + 2), panel.caption, fill=(230, 230, 230))
            sheet.paste(drawn(panel), (corner[0], corner[1] + _CAPTION))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def drawn(panel: Panel) -> Image.Image:
    """Return the surroundings of a panel's object with the outlines of truth and result, PANEL_PX wide and high."""
    y0, x0, y1, x1 = bounding_box(panel.truth)
    side = round(max(_LEAST_SIDE_PX, _MARGIN * (y1 - y0 + 1), _MARGIN * (x1 - x0 + 1)))
    top, left = (y0 + y1 - side) // 2, (x0 + x1 - side) // 2
    image = Image.fromarray(panel.image).convert("RGB").crop((left, top, left + side, top + side))
    pixels = np.array(image.resize((PANEL_PX, PANEL_PX), Image.Resampling.BICUBIC))
    truth, found = (_edge(_cut(mask, top, left, side)) for mask in (panel.truth, panel.found))
    pixels[truth], pixels[found], pixels[truth & found] = _TRUTH, _FOUND, _BOTH
    return Image.fromarray(pixels)


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


def _edge(mask: Mask) -> Mask:
    """Return the outermost pixels of a mask."""
    return mask & ~ndimage.binary_erosion(mask)
