"""A model at work on one picture, tile by tile; what the border of a tile cuts is looked at once more, whole.

Tiles overlap by a typical object and a little. What is longer, a rod or a cell that spreads, may lie across the border
of the tile in which its seed is: then a window of the same scale is laid around the place where it was cut, and what is
seen whole there takes the place of its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from sam2_core.finding.candidates import Candidate, PatchMaker, Seed, candidates
from sam2_core.finding.conflicts import without_spare
from sam2_core.finding.grid import grid_points
from sam2_core.finding.picture import Picture
from sam2_core.finding.scores import rank, score
from sam2_core.finding.splitting import split
from sam2_core.finding.steps import Steps
from sam2_core.finding.votes import STRIDE, DenseInstance, as_arrays, dense_instances
from sam2_core.inference.network.precision import running
from sam2_core.inference.tracker import PIXELS_AT_ONCE
from sam2_core.modeling.dense_head import DenseMaps
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.sam2 import Sam2Model
from sam2_core.windowed.tiles import Tiling
from sam2_core.windowed.window import PointXY, Window, window_at

Encode = Callable[[Sequence[Window], Callable[[Window], Tensor]], Sequence[ImageFeatures]]
"""Gives the features of what each of some windows of the frame shows: kept ones, or those made of the images
(1, 3, S, S) that the second argument returns."""
SEEDS_AT_ONCE = 16
"""Clicks that go through the decoder together."""
WORTH_A_LOOK = 0.1
"""Score from which on what is cut is looked at once more."""
MIDDLE = 0.15
"""What should be in the middle of a window may lie off it by this share of its side."""
SHARED = 0.1
"""Of the smaller of two parts that are of one object."""
SPARE = 0.15
"""Diameters beyond where two tiles meet up to which the one looks for what is the other's. Each sees the middle of an
object a little elsewhere, and may leave it to the other."""


class Finder:
    """A model at work on one picture, tile by tile."""

    def __init__(
        self, model: Sam2Model, picture: Picture, tiles: Tiling, encode: Encode | None, dtype: torch.dtype | None
    ) -> None:
        self.model = model
        self.picture = picture
        self.tiles = tiles
        self._encode = encode or self._encoded
        self._dtype = dtype

    def windows(self, region: npt.NDArray[np.bool_] | None) -> list[Window]:
        """Return the tiles that are looked at for a region (H, W)."""
        hw = self.picture.frame_hw
        return [window for window in self.tiles if region is None or region[window.region(hw)].any()]

    def search(self, region: npt.NDArray[np.bool_] | None, whole: bool = True) -> Steps[list[Candidate]]:
        """Yield (done, total) tile by tile, and return the candidates of all of them.

        whole: whether what the border of a tile cuts is looked at once more.
        """

        def seeds(window: Window, features: ImageFeatures) -> Iterator[Seed]:
            return (seed for seed in self.seeds(window, features) if _lies_in(seed, region, self.model.image_size))

        found = yield from self._candidates(self.windows(region), seeds)
        found = without_spare(found, self.picture.frame_hw, WORTH_A_LOOK)
        if not whole:
            return found
        looks = self._looks_around(found)

        def seeds_there(window: Window, features: ImageFeatures) -> list[Seed]:
            return self._seeds_at(looks[window], window, features)

        again = yield from self._candidates(list(looks), seeds_there)
        uncut = [each for each in again if each.cut_at is None and not _is_several(each, found)]
        return uncut + [each for each in found if each.cut_at is None or not any(_covers(one, each) for one in uncut)]

    def _candidates(
        self, windows: Sequence[Window], seeds: Callable[[Window, ImageFeatures], Iterable[Seed]]
    ) -> Steps[list[Candidate]]:
        """Yield (done, total) window by window, and return the candidates for the seeds of all of them."""
        patches = PatchMaker(self.model.config.low_res_size, self.tiles.side)
        waiting: list[Seed] = []
        found: list[Candidate] = []
        for done, (window, features) in enumerate(self._looks(windows), start=1):
            with running(self.model.device, self._dtype):
                waiting += seeds(window, features)
                while len(waiting) >= SEEDS_AT_ONCE or (waiting and done == len(windows)):
                    now, waiting = waiting[:SEEDS_AT_ONCE], waiting[SEEDS_AT_ONCE:]
                    found += candidates(self.model, now, patches, self.picture.frame_hw)
            yield done, len(windows)
        return found

    def _looks_around(self, found: Sequence[Candidate]) -> dict[Window, list[PointXY]]:
        """Return windows around what was cut, each with a place in every part that it is meant for.

        Its middle is that of an object's parts, which share what both of their tiles show, or the cut of a single one.
        """
        looks: dict[Window, list[PointXY]] = {}
        parts = [each for each in sorted(found, key=rank, reverse=True) if score(each) >= WORTH_A_LOOK]
        cut = {each: each.cut_at for each in parts if each.cut_at is not None}
        for each, place in cut.items():
            others = [one for one in cut if one is not each and _share(one, each)]
            centre = _middle([each, *others]) if others else place
            window = next((one for one in looks if self._is_near(one, centre)), None) or self._around(centre)
            looks.setdefault(window, []).append(each.seed_xy if window.holds((*each.seed_xy,) * 2) else place)
        return looks

    def _around(self, centre: PointXY) -> Window:
        return window_at(centre, (self.tiles.side, self.tiles.side), self.picture.frame_hw)

    def _is_near(self, window: Window, centre: PointXY) -> bool:
        return bool(np.abs(np.subtract(window.centre_xy, centre)).max() <= MIDDLE * self.tiles.side)

    def _looks(self, windows: Sequence[Window]) -> Iterator[tuple[Window, ImageFeatures]]:
        """Yield each tile with its features; small ones go through the encoder together, which is faster."""
        size, device = self.model.image_size, self.model.device
        count = max(1, PIXELS_AT_ONCE // size**2)
        for some in (windows[start : start + count] for start in range(0, len(windows), count)):
            with running(device, self._dtype):
                encoded = self._encode(some, lambda window: self.picture.shown(window, size).to(device))
            yield from zip(some, encoded, strict=True)

    def _encoded(self, windows: Sequence[Window], shown: Callable[[Window], Tensor]) -> list[ImageFeatures]:
        return self.model.encode_image(torch.cat([shown(window) for window in windows])).apart()

    def seeds(self, window: Window, features: ImageFeatures) -> Iterator[Seed]:
        """Yield the seeds of a tile: those nearer to its middle than to that of another one, and some spare ones."""
        size = self.model.image_size
        if self.model.dense_head is None:
            every = [Seed(window, features, point) for point in grid_points(size)]
        else:
            every = self._dense_seeds(window, features)
        for seed in every:
            x, y = seed.on_frame(size)
            height, width = self.picture.frame_hw
            if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
                continue
            if self.tiles.nearest((x, y)) == window:
                yield seed
                continue
            reach = SPARE * seed.diameter_on_frame(size)
            dx, dy = np.subtract(window.centre_xy, (x, y)).clip(-reach, reach).tolist()
            if self.tiles.nearest((x + dx, y + dy)) == window:
                yield replace(seed, is_spare=True)

    def _seeds_at(self, places: Sequence[PointXY], window: Window, features: ImageFeatures) -> list[Seed]:
        """Return the seeds of what lies at places, in pixels of the frame, as a window shows it."""
        scale = self.model.image_size / window.width
        points = [((x - window.x0 + 0.5) * scale - 0.5, (y - window.y0 + 0.5) * scale - 0.5) for x, y in places]
        if self.model.dense_head is None:
            return [Seed(window, features, point) for point in points]
        cells = [(int((y + 0.5) // STRIDE), int((x + 0.5) // STRIDE)) for x, y in points]
        return [seed for seed in self._dense_seeds(window, features) if any(map(seed.covers, cells))]

    def _dense_seeds(self, window: Window, features: ImageFeatures) -> list[Seed]:
        """Return a seed in each instance that the dense head sees in a window."""
        seen = _instances(self.model.see_objects(features))
        places = [(STRIDE * x + 1.5, STRIDE * y + 1.5) for x, y in (instance.inside_xy for instance in seen)]
        return [Seed(window, features, place, instance) for place, instance in zip(places, seen, strict=True)]


def _covers(whole: Candidate, part: Candidate) -> bool:
    return 2 * whole.shared_with(part) > part.area


def _is_several(whole: Candidate, found: Sequence[Candidate]) -> bool:
    """Return whether a whole covers parts that share no pixels: objects that touch, which it takes for one."""
    parts = [each for each in found if score(each) >= WORTH_A_LOOK and _covers(whole, each)]
    same = np.array([[one is other or _share(one, other) for other in parts] for one in parts], dtype=bool)
    return len(parts) > 1 and connected_components(same, directed=False, return_labels=False) > 1


def _share(one: Candidate, other: Candidate) -> bool:
    return one.shared_with(other) >= SHARED * min(one.area, other.area)


def _middle(parts: Sequence[Candidate]) -> PointXY:
    """Return the middle of the box around candidates."""
    boxes = np.array([each.box_xyxy for each in parts])
    x, y = (boxes[:, :2].min(axis=0) + boxes[:, 2:].max(axis=0) - 1) / 2
    return float(x), float(y)


def _instances(maps: DenseMaps) -> list[DenseInstance]:
    """Return the instances that the dense head sees in a tile, pairs that touch split in two."""
    foreground, offsets, diameters = as_arrays(maps)
    boundary = maps.boundary[0].float().cpu().numpy()
    whole = dense_instances(foreground, offsets, diameters)
    return [part for each in whole for part in split(each, foreground, boundary, offsets)]


def _lies_in(seed: Seed, region: npt.NDArray[np.bool_] | None, image_size: int) -> bool:
    x, y = seed.on_frame(image_size)
    return region is None or bool(region[round(y), round(x)])
