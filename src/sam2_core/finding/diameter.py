"""How large objects are, found by looking: the dense head says of each pixel how large its object is.

It says so best at the scale that the model knows. So: crops where most is going on, at a first guess of the scale; what
the head says there is corrected by `SEEN_AS`, crops of the right scale follow (of one between where looks go to and
fro), and so on until two looks agree, or one was at the scale that it found. A packed colony seen from afar looks like
one cell, and a texture of cells like larger ones: what is seen from farther away must not be far fewer objects, and a
last look from near must not show much smaller ones, else it is the smaller ones that count. Where looks never agree, or
where nothing is seen, the diameter is not told: better asked than guessed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sam2_core.finding.picture import Picture
from sam2_core.finding.steps import Steps, result_of
from sam2_core.finding.votes import STRIDE, DenseInstance, Numbers, as_arrays, dense_instances
from sam2_core.inference.network.precision import pick_precision, running
from sam2_core.modeling.dense_head import DenseMaps
from sam2_core.modeling.sam2 import Sam2Model
from sam2_core.windowed.window import SMALLEST_SIDE, SizeHW, Window, window_at

FIRST_SIDE = 256
"""Of the crops of the first look, in pixels of the frame."""
CROPS = 2
"""Per look at most."""
ENOUGH = 8
"""Objects in a look, after which no further crop is taken."""
BLIND_LOOKS = ((0.25, ENOUGH), (4.0, 1), (0.25, 1))
"""Where nothing was seen: share of that side, and how many objects such a look must show to count. Many small ones look
like one large from far away, so from nearer first; there a large one shows a few specks at most."""
MOST_LOOKS = 8
AGREES = 0.2
"""Two looks agree where they differ by less than this share."""
FEWER, OF_SOME = 0.6, 4
"""Share of the objects of a look, if they are at least so many, of which one from farther away must show as many, or it
shows groups of them."""
FROM_NEAR = 0.5
"""Of the scale, where that is looked at last."""
GROUP = 0.45
"""An object is a group where those that are seen from near are smaller than this share of it (0.7 and more of it on
nearly all development images, 0.3 where something larger was taken for them)."""
MOST_NEARER = 3
"""Times that groups are looked into."""
BEST_SHARE = 30 / 256
"""Of a crop's side that a typical object should take: where the head is nearest to the truth."""
SEEN_AS = (
    (9.0, 14.0),
    (13.0, 16.0),
    (18.0, 20.5),
    (25.0, 26.0),
    (36.0, 36.0),
    (50.0, 46.0),
    (72.0, 58.0),
    (100.0, 70.0),
)
"""Diameter of objects in a crop, in pixels of a model input of 256, and what the head says of them: medians of the
development sets, so not numbers of unseen data."""
BUSY_BLOCKS = 128
"""Blocks along the longer side of a frame, of which the busiest are looked at."""
LEAST_PRESENCE = 0.55
"""What the head is less sure of counts for nothing."""
LEAST_DIAMETER_PX = 2.0
"""Smaller objects are not sought, and no smaller size is told: what one frame tells can be asked for on others."""
CANNOT_TELL = "How large objects are here cannot be told; give the diameter of a typical object in pixels."


def find_diameter(
    model: Sam2Model, image: object, contrast_limits: object = None, region: npt.NDArray[np.bool_] | None = None
) -> float | None:
    """Return the diameter of a typical object of an image in pixels, None where it cannot be told.

    Parameters are those of `find_objects`; a region (H, W) limits where it looks. A model without a dense head never
    can.
    """
    return result_of(diameter_steps(model, Picture.of(image, contrast_limits), region))


def diameter_steps(
    model: Sam2Model, picture: Picture, region: npt.NDArray[np.bool_] | None = None
) -> Steps[float | None]:
    """Return the work of `find_diameter` crop by crop; a region (H, W) limits where crops are taken.

    How many tiles there will be is not known yet: it yields (0, 0).
    """
    if model.dense_head is None:
        return None
    look = Look(model, picture, _busy(picture, region))
    first = min(FIRST_SIDE, max(picture.frame_hw))
    diameter = yield from _settled(look, first)
    for _ in range(MOST_NEARER):
        if diameter is None:
            break
        nearer = yield from look.at(_best_side(FROM_NEAR * diameter))
        if nearer is None or nearer > GROUP * diameter:
            break
        diameter = nearer
    return None if diameter is None else max(LEAST_DIAMETER_PX, diameter)


class Look:
    """A model that looks at crops of a picture, `busy` ones first; `count`: objects that it saw at last."""

    def __init__(self, model: Sam2Model, picture: Picture, busy: npt.NDArray[np.float32]) -> None:
        self._model, self._picture, self._busy = model, picture, busy
        self.count = 0

    def at(self, side: int) -> Steps[float | None]:
        """Return the diameter of a typical object in crops of a side, in pixels of the frame; None if none is seen."""
        seen: list[tuple[float, float]] = []
        for window in crops(self._busy, self._picture.frame_hw, side):
            seen += seen_diameters(self._model, self._picture, window)
            yield 0, 0
            if len(seen) >= ENOUGH:
                break
        self.count = len(seen)
        if not any(sure for _, sure in seen):
            return None
        return corrected(_weighted_median(*np.array(seen).T)) * side / 256


def _best_side(diameter_px: float) -> int:
    """Return the side of crops in which objects of that diameter are seen best."""
    return max(SMALLEST_SIDE, round(diameter_px / BEST_SHARE))


def _settled(look: Look, first: int) -> Steps[float | None]:
    """Return the diameter on which two looks agree, or one at the scale that it found, from crops of a side on."""
    blind = ((round(share * first), count) for share, count in BLIND_LOOKS if share * first >= SMALLEST_SIDE)
    side, least, last, before, earlier = first, 1, 0, 0.0, 0.0
    most, nearest = 0, (0, 0.0)  # the look that showed most objects: side, diameter
    for _ in range(MOST_LOOKS):
        now = yield from look.at(side)
        if now is None or look.count < least:
            side, least = next(blind, (0, 0))
            if side == 0:
                return None
            continue
        least = 1
        if most >= OF_SOME and look.count < FEWER * most and side > nearest[0] and now > nearest[1]:
            return nearest[1]
        if look.count > most:
            most, nearest = look.count, (side, now)
        best = _best_side(now)
        at_its_scale = look.count >= ENOUGH and abs(np.log(best / side)) < AGREES
        if at_its_scale or (before and last != side and abs(np.log(now / before)) < AGREES):
            return now
        if before and earlier and (now - before) * (before - earlier) < 0:  # to and fro: look between both
            best = _best_side(float(np.sqrt(now * before)))
        last, side, earlier, before = side, best, before, now
    return None


def corrected(seen_px: float) -> float:
    """Return how large objects are in a crop of which the head says `seen_px`, in pixels of a model input of 256."""
    true, said = np.log(np.array(SEEN_AS)).T
    return float(np.exp(np.interp(np.log(seen_px), said, true)))


def seen_diameters(model: Sam2Model, picture: Picture, window: Window) -> list[tuple[float, float]]:
    """Return the size of each object in a window, in pixels of a model input of 256, and how sure the head is of it."""
    with running(model.device, pick_precision("auto", model.device)):
        maps = model.see_objects(model.encode_image(picture.shown(window, model.image_size).to(model.device)))
    seen = _instances(maps, window, picture.frame_hw)
    return [(each.size * 256 / model.image_size * STRIDE, max(each.presence - LEAST_PRESENCE, 0.0)) for each in seen]


def _weighted_median(values: Numbers, weights: Numbers) -> float:
    order = np.argsort(values)
    gathered = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(gathered, gathered[-1] / 2)]])


def _instances(maps: DenseMaps, window: Window, frame_hw: SizeHW) -> list[DenseInstance]:
    """Return what the head sees in a window, as far as that lies on the frame."""
    foreground, offsets, said = as_arrays(maps)
    scale = window.width / foreground.shape[-1]
    on_frame = np.zeros(foreground.shape, dtype=bool)
    rows, columns = window.inside(frame_hw)
    on_frame[
        int(rows.start / scale) : int(np.ceil(rows.stop / scale)),
        int(columns.start / scale) : int(np.ceil(columns.stop / scale)),
    ] = True
    return dense_instances(np.where(on_frame, foreground, -9.0), offsets, said)


def crops(busy: npt.NDArray[np.float32], frame_hw: SizeHW, side: int) -> list[Window]:
    """Return the windows of a side in which most is going on, apart from each other where the frame has room."""
    left, windows = busy.copy(), []
    scale = frame_hw[0] / busy.shape[0], frame_hw[1] / busy.shape[1]
    size = [max(1, round(side / each)) for each in scale]
    for _ in range(CROPS):
        gathered = ndimage.uniform_filter(left, size, mode="constant")
        row, column = np.unravel_index(int(gathered.argmax()), gathered.shape)
        if gathered[row, column] <= 0:
            break
        window = window_at(((column + 0.5) * scale[1], (row + 0.5) * scale[0]), (side, side), frame_hw)
        windows.append(window)
        rows, columns = window.region(frame_hw)
        left[
            int(rows.start / scale[0]) : int(np.ceil(rows.stop / scale[0])),
            int(columns.start / scale[1]) : int(np.ceil(columns.stop / scale[1])),
        ] = 0
    return windows


def _busy(picture: Picture, region: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.float32]:
    """Return a coarse map of how much is going on in a picture: the variation within blocks of pixels."""
    pixels = picture.pixels if picture.pixels.ndim == 2 else picture.pixels.mean(axis=2)
    block = max(1, min(max(picture.frame_hw) // BUSY_BLOCKS, *picture.frame_hw))
    height, width = (length // block * block for length in picture.frame_hw)
    blocks = np.nan_to_num(pixels[:height, :width].astype(np.float32)).reshape(
        height // block, block, width // block, block
    )
    means = blocks.mean(axis=(1, 3))
    busy = ndimage.gaussian_gradient_magnitude(means, 1.0) + 1e-6
    if region is not None:
        busy = busy * region[:height, :width].reshape(height // block, block, width // block, block).mean(axis=(1, 3))
    return busy.astype(np.float32)
