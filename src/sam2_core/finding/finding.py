"""Find every object of a frame without a prompt: `find_objects`, or `find_steps` tile by tile.

1. `diameter`: how large objects are, where the caller does not say.
2. `tile_plan`: tiles in which they have the size that the model knows; those outside a region are left out.
3. `finder`: the encoder, a few tiles at once; `votes`: the dense head's instances, and a seed in each, `splitting`: in
   either half of those that are two; `grid` where there is no head.
4. `candidates`: one click a seed, in batches across tiles; once more around where the border of a tile cuts one.
5. `conflicts`: the better candidates stay; `scores` says how likely each is right, `contrast` what of that is dirt.
6. `rods`: where objects are long and smooth, 2 to 5 again from nearer, so that their width has the usual size.
7. `looks`: where all this is unsure, the same at other scales, and what the looks agree on.
8. `edges`: outlines go to where the picture shows that what is bright ends.

Nothing is tracked and nothing kept from call to call: a caller who wants to use the features of tiles again gives
`encode`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sam2_core.errors import PromptError
from sam2_core.finding.candidates import Candidate
from sam2_core.finding.conflicts import without_conflicts
from sam2_core.finding.contrast import prominence
from sam2_core.finding.diameter import CANNOT_TELL, LEAST_DIAMETER_PX, diameter_steps
from sam2_core.finding.edges import at_edges
from sam2_core.finding.finder import Encode, Finder
from sam2_core.finding.found import FoundObject, FoundObjects, Mask
from sam2_core.finding.looks import LEAST_SEEN, OTHER_SCALES, Look, agreed, is_sure
from sam2_core.finding.picture import Picture
from sam2_core.finding.rods import clump_width, covered, rod_width, typical_size
from sam2_core.finding.scores import rank, score
from sam2_core.finding.steps import Steps, result_of
from sam2_core.finding.tile_plan import tiles_for
from sam2_core.inference.network.precision import pick_precision
from sam2_core.modeling.sam2 import Sam2Model
from sam2_core.windowed.window import SizeHW

MOST_TILES = 5000
"""More are refused: they take many minutes on a processor, and come of a diameter that is hardly ever meant."""
LEAST_SCORE = 0.4
MOST_NEARER = 4
"""Times that rods are looked at from nearer."""
SLIM = 0.9
"""Rods narrower than this share of the diameter for which tiles were laid are looked at by their width instead."""
NEARER = 0.6
"""Share of that diameter for which tiles are laid to see whether what looks like a rod is two, side by side."""
NEAREST = 0.35
"""Share of the width of few objects down to which tiles are laid nearer and nearer: rods in them are not slimmer."""
SPLIT = 0.75
"""It is where what is seen then is narrower than this share of it."""
EXPLAINED = 0.5
"""Of the area of what was seen before, the gaps between rods with it, that what is seen then has to have: else only
pieces of it are seen."""
NOTHING_FOUND = "No objects of about {:.0f} px were found; if there are some, give the diameter of a typical one."


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingOptions:
    """What is sought.

    Attributes
    ----------
    diameter_px
        Of a typical object, in pixels of the frame; found by the program where None.
    min_diameter_px, max_diameter_px
        Of a disc as large as an object: smaller and larger ones are left out. None for no limit.
    region
        (H, W), True where objects are sought: those that lie there by half of their pixels.
    keep_border
        Whether objects that touch the border of the frame count.
    least_score
        Objects below are left out, 0 to 1; a little under one half finds most at the price of few that are none.
    """

    diameter_px: float | None = None
    min_diameter_px: float | None = None
    max_diameter_px: float | None = None
    region: npt.NDArray[np.bool_] | None = field(default=None, compare=False)
    keep_border: bool = True
    least_score: float = LEAST_SCORE


def find_objects(
    model: Sam2Model,
    image: object,
    options: FindingOptions | None = None,
    *,
    contrast_limits: object = None,
    progress: Callable[[int, int], Any] | None = None,
    encode: Encode | None = None,
) -> FoundObjects:
    """Return all objects of an image: their masks, each with a score.

    Parameters
    ----------
    model
        Any model; one with a dense head finds seeds by itself, others are clicked on a grid of points.
    image
        (H, W), or (H, W, C) of up to three channels, or RGBA; any real type.
    options
        What is sought; everything at a diameter that is found by the program where None.
    contrast_limits
        (low, high) of the stack, or one pair a channel; percentiles of the image where None, uint8 as it is.
    progress
        Is told (tiles done, tiles in all). What it raises ends the work and comes through.
    encode
        Gives features of tiles that a caller keeps, see `Encode`; the model's encoder where None.

    Raises
    ------
    StackError
        The image is of no usable shape or type.
    PromptError
        An option that cannot be used.
    """
    return result_of(find_steps(model, image, options, contrast_limits=contrast_limits, encode=encode), progress)


def find_steps(
    model: Sam2Model,
    image: object,
    options: FindingOptions | None = None,
    *,
    contrast_limits: object = None,
    encode: Encode | None = None,
    precision: str = "auto",
) -> Steps[FoundObjects]:
    """Return the work of `find_objects` tile by tile: a generator of (done, total), whose value is the result.

    Parameters
    ----------
    precision
        In which tiles are looked at, and `encode` answers; see `sam2_core.inference.network.precision`.
    """
    options = options or FindingOptions()
    picture = Picture.of(image, contrast_limits)
    _check(options, picture.frame_hw)
    method = "grid" if model.dense_head is None else "seeds"
    diameter = options.diameter_px
    if diameter is None:
        diameter = yield from diameter_steps(model, picture, options.region)
    if diameter is None:
        return FoundObjects((), picture.frame_hw, None, is_told=False, method=method, remark=CANNOT_TELL)
    search = _Search(model, picture, options, encode, pick_precision(precision, model.device))
    objects, scale = yield from search.objects(diameter)
    sure = search.sure(objects)
    if options.diameter_px is None and (scale < diameter or rod_width(sure) is not None):
        diameter = max(LEAST_DIAMETER_PX, typical_size(sure or objects))
    return FoundObjects(
        objects=at_edges(picture, objects, search.is_sought),
        frame_hw=picture.frame_hw,
        diameter_px=diameter,
        is_told=options.diameter_px is not None,
        method=method,
        remark="" if objects else NOTHING_FOUND.format(diameter),
    )


@dataclass(frozen=True, slots=True)
class _Search:
    """A model that looks for what is sought in one picture, at any scale."""

    model: Sam2Model
    picture: Picture
    options: FindingOptions
    encode: Encode | None
    dtype: torch.dtype | None

    def objects(self, diameter_px: float) -> Steps[tuple[tuple[FoundObject, ...], float]]:
        """Return the objects, and the diameter for which tiles were laid: less than what was given for rods."""
        look = yield from self._look(diameter_px, self.options.region)
        if self.model.dense_head is None:
            return self.sought(look), diameter_px
        look, scale = yield from self._by_width(look, diameter_px)
        if not is_sure(look) and rod_width(self.sure(look)) is None:
            look = yield from self._again(look, scale)
        return self.sought(look), scale

    def sought(self, look: Look) -> tuple[FoundObject, ...]:
        """Return what of a look is sought."""
        return tuple(each for each in look if self.is_sought(each))

    def sure(self, look: Look) -> tuple[FoundObject, ...]:
        """Return what of that tells size and shape: what is likely right, however unsure objects may be."""
        return tuple(each for each in self.sought(look) if each.score >= LEAST_SCORE)

    def is_sought(self, found: FoundObject) -> bool:
        """Return whether an object is one that is sought, and as sure as one has to be."""
        return _is_sought(found, self.options, self.picture.frame_hw)

    def _finder(self, scale: float) -> Finder:
        tiles = tiles_for(self.picture.frame_hw, scale, self.model.image_size)
        return Finder(self.model, self.picture, tiles, self.encode, self.dtype)

    def _look(self, scale: float, region: Mask | None, whole: bool = True) -> Steps[Look]:
        """Return what is seen at a scale, also what is less sure than what is sought."""
        finder = self._finder(scale)
        _check_tiles(len(finder.windows(region)), scale)
        found = yield from finder.search(region, whole)
        return _chosen(
            found, replace(self.options, least_score=min(self.options.least_score, LEAST_SEEN)), self.picture
        )

    def _by_width(self, look: Look, scale: float) -> Steps[tuple[Look, float]]:
        """Return a look and its scale, or the nearer ones of rods."""
        for _ in range(MOST_NEARER):
            objects = self.sure(look)
            where = covered(objects, self.picture.frame_hw)
            for each, widest in _nearer_looks(objects, scale):
                nearer = max(LEAST_DIAMETER_PX, each)
                parts = self.sought((yield from self._look(nearer, where, whole=False)))
                width = rod_width(parts)
                if width is not None and width <= widest and _area(parts) >= EXPLAINED * _area(objects):
                    whole = yield from self._look(nearer, self.options.region)
                    if widest < np.inf or _certain(self.sought(whole)) >= _certain(self.sought(look)):
                        break
            else:
                break
            look, scale = whole, nearer
        return look, scale

    def _again(self, look: Look, scale: float) -> Steps[Look]:
        """Return what a look and others at other scales agree on."""
        looks = [look]
        for other in (max(LEAST_DIAMETER_PX, share * scale) for share in OTHER_SCALES):
            if len(self._finder(other).windows(self.options.region)) <= MOST_TILES:
                looks.append((yield from self._look(other, self.options.region)))
        return agreed(looks, self.picture.frame_hw)


def _certain(objects: Sequence[FoundObject]) -> float:
    """Return the pixels of objects, each as heavy as it is likely right."""
    return sum(each.score * each.area for each in objects)


def _area(objects: Sequence[FoundObject]) -> int:
    return sum(each.area for each in objects)


def _nearer_looks(objects: Sequence[FoundObject], scale: float) -> Iterator[tuple[float, float]]:
    """Yield diameters for which to look into objects, one after the other, and how wide the rods seen then may be."""
    width, clump = rod_width(objects), clump_width(objects)
    narrow = width or clump
    if narrow is None:
        return
    is_slim = width is not None and width < SLIM * scale
    if is_slim:
        yield narrow, np.inf
    yield NEARER * scale, SPLIT * narrow
    if clump is not None and (is_slim or width is None):
        deeper = (NEARER**2 * scale, NEARER**3 * scale)
        yield from ((nearer, SPLIT * narrow) for nearer in deeper if nearer >= NEAREST * narrow)


def _chosen(found: list[Candidate], options: FindingOptions, picture: Picture) -> tuple[FoundObject, ...]:
    """Return the candidates that stay as objects, the best first."""
    of_size = [candidate for candidate in found if _is_of_size(candidate.area, options)]
    kept = without_conflicts(sorted(of_size, key=rank, reverse=True), picture.frame_hw)
    standing_out = prominence(picture, kept)
    objects = [
        FoundObject(each.box_xyxy, each.mask, each.seed_xy, score(each, share))
        for each, share in zip(kept, standing_out, strict=True)
    ]
    objects.sort(key=lambda each: each.score, reverse=True)
    return tuple(each for each in objects if _is_sought(each, options, picture.frame_hw))


def _is_of_size(area: int, options: FindingOptions) -> bool:
    diameter = float(np.sqrt(4 * area / np.pi))
    smallest, largest = options.min_diameter_px, options.max_diameter_px
    return (smallest is None or diameter >= smallest) and (largest is None or diameter <= largest)


def _is_sought(found: FoundObject, options: FindingOptions, frame_hw: SizeHW) -> bool:
    x0, y0, x1, y1 = found.box_xyxy
    touches = x0 <= 0 or y0 <= 0 or x1 >= frame_hw[1] or y1 >= frame_hw[0]
    inside = options.region is None or bool(
        2 * np.count_nonzero(options.region[found.region] & found.mask) >= found.area
    )
    is_surely_one = found.score >= options.least_score and _is_of_size(found.area, options)
    return is_surely_one and inside and (options.keep_border or not touches)


def _check(options: FindingOptions, frame_hw: SizeHW) -> None:
    """Refuse options that cannot be used on a frame of that size."""
    diameter = options.diameter_px
    if diameter is not None and not (np.isfinite(diameter) and diameter >= LEAST_DIAMETER_PX):
        raise PromptError(
            f"diameter_px is {diameter}; give that of a typical object, {LEAST_DIAMETER_PX:.0f} px or more, or None"
        )
    for name in ("min_diameter_px", "max_diameter_px"):
        limit = getattr(options, name)
        if limit is not None and not (np.isfinite(limit) and limit > 0):
            raise PromptError(f"{name} is {limit}; give a diameter above 0 px, or None for no limit")
    smallest, largest = options.min_diameter_px, options.max_diameter_px
    if smallest is not None and largest is not None and smallest > largest:
        raise PromptError(f"min_diameter_px is {smallest} and max_diameter_px {largest}; nothing is as large as that")
    if options.region is not None and options.region.shape != frame_hw:
        raise PromptError(f"the region has the shape {options.region.shape}, the image {frame_hw}; they must be equal")
    if not 0 <= options.least_score <= 1:
        raise PromptError(f"least_score is {options.least_score}; scores go from 0 to 1")


def _check_tiles(count: int, diameter_px: float) -> None:
    if count > MOST_TILES:
        raise PromptError(
            f"objects of {diameter_px:.1f} px need {count} tiles here, more than {MOST_TILES}; give the diameter of a "
            "typical object if it is larger, or a region to look at"
        )
