"""The automatic mask generator: the official calls for all masks of an image, without a prompt.

In this order: the image gets its contrast, once; each crop is encoded, and asked at every point of its grid in batches;
answers that are sure (predicted IoU), stable and not cut off by the crop become candidates; of those that overlap the
surest stays, then the one of the smaller crop. Of a batch only packed masks are left when the next begins, so memory
does not grow with full frames.

Source of signatures, defaults and order: ``sam2/automatic_mask_generator.py`` (facebookresearch/sam2, 2b90b9f). As
there, ``min_mask_region_area`` cleans the decoder's masks, whose pixels are a quarter of the model input's; there it
needs a compiled extension on a GPU and is skipped with a warning without it, here it works everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt

from sam2_core.assembly import BUILD_ARGUMENTS, build_sam2_hf
from sam2_core.automatic.crops import Box, Crop, Points, crops_of, grids_of_layers
from sam2_core.automatic.judging import Bits
from sam2_core.automatic.run_lengths import CocoRle, RunLengths, coco_rle, run_lengths
from sam2_core.automatic.searching import Candidate, CropSearch, Rules
from sam2_core.automatic.suppression import best_of_overlapping
from sam2_core.inference.frames.contrast import Rgb, frame_to_rgb
from sam2_core.inference.frames.opened_frames import as_array
from sam2_core.inference.image_predictor import SAM2ImagePredictor
from sam2_core.inference.network.chunks import Chunks
from sam2_core.inference.network.precision import pick_precision, running
from sam2_core.inference.transforms import Size
from sam2_core.modeling.sam2 import Sam2Model

if TYPE_CHECKING:
    from typing import Self

OUTPUT_MODES = ("binary_mask", "uncompressed_rle", "coco_rle")

Progress = Callable[[int, int], None]
"""Told how many points have been asked, and how many there are."""


class MaskRecord(TypedDict):
    """One mask.

    Attributes
    ----------
    segmentation
        (H, W) bool, or its run lengths.
    area
        In pixels.
    bbox, crop_box
        x, y, width, height: of the mask, and of the crop that it was found in. The box is that of the outermost pixel
        centres, so a mask of one pixel has the width 0.
    predicted_iou
        The model's own word on the mask.
    point_coords
        The point that was asked, [[x, y]].
    stability_score
        How little the mask changes with its threshold, 0 to 1.
    """

    segmentation: Bits | RunLengths | CocoRle
    area: int
    bbox: list[float]
    predicted_iou: float
    point_coords: list[list[float]]
    stability_score: float
    crop_box: list[float]


class SAM2AutomaticMaskGenerator:
    """All masks of an image, found by asking the model at a grid of points.

    Parameters
    ----------
    model
        Any of `build_sam2`.
    points_per_side
        Of the grid; None where ``point_grids`` says the points.
    points_per_batch
        At most so many points go through the model at once; fewer where memory asks for it. No mask depends on it.
    pred_iou_thresh
        Masks need a higher predicted IoU; 0 lets all pass.
    stability_score_thresh, stability_score_offset
        Masks need at least that stability, when their threshold is shifted by the offset; 0 lets all pass.
    mask_threshold
        Logits above are inside.
    box_nms_thresh, crop_nms_thresh
        Of two masks whose boxes overlap by more (IoU) one is dropped: in a crop, and between crops.
    crop_n_layers, crop_overlap_ratio, crop_n_points_downscale_factor
        Layer n asks again in 2^n by 2^n crops; how much they overlap, as a share of the image's shorter side in the
        first layer; by what the points per side are divided from layer to layer.
    point_grids
        Points of each layer, (N, 2) x, y from 0 to 1, in place of ``points_per_side``.
    min_mask_region_area
        Holes and specks of up to so many pixels of the low-resolution mask are removed; 0 for none.
    output_mode
        ``binary_mask``, ``uncompressed_rle`` or ``coco_rle``.
    use_m2m
        Give each mask back to the model once, and take what it makes of it.
    multimask_output
        Three masks a point; else one.
    precision
        ``auto``, ``float32``, ``bfloat16`` or ``float16``.

    Raises
    ------
    ValueError
        Both or none of ``points_per_side`` and ``point_grids``; no grid for a layer; an unknown output mode.

    Examples
    --------
    >>> generator = SAM2AutomaticMaskGenerator(build_sam2("configs/sam2.1/sam2.1_hiera_t.yaml", "sam2.1_hiera_t"))
    >>> masks = [record["segmentation"] for record in generator.generate(image)]
    """

    def __init__(  # noqa: PLR0913 - the official signature
        self,
        model: Sam2Model,
        points_per_side: int | None = 32,
        points_per_batch: int = 64,
        pred_iou_thresh: float = 0.8,
        stability_score_thresh: float = 0.95,
        stability_score_offset: float = 1.0,
        mask_threshold: float = 0.0,
        box_nms_thresh: float = 0.7,
        crop_n_layers: int = 0,
        crop_nms_thresh: float = 0.7,
        crop_overlap_ratio: float = 512 / 1500,
        crop_n_points_downscale_factor: int = 1,
        point_grids: Sequence[npt.ArrayLike] | None = None,
        min_mask_region_area: int = 0,
        output_mode: str = "binary_mask",
        use_m2m: bool = False,
        multimask_output: bool = True,
        *,
        precision: str = "auto",
    ) -> None:
        if output_mode not in OUTPUT_MODES:
            raise ValueError(f"output_mode is {output_mode!r}; choose one of {', '.join(OUTPUT_MODES)}")
        self.point_grids = _grids(points_per_side, point_grids, crop_n_layers, crop_n_points_downscale_factor)
        self.predictor = SAM2ImagePredictor(
            model, max_hole_area=min_mask_region_area, max_sprinkle_area=min_mask_region_area, precision=precision
        )
        self.points_per_batch = points_per_batch
        self.pred_iou_thresh = pred_iou_thresh
        self.stability_score_thresh = stability_score_thresh
        self.stability_score_offset = stability_score_offset
        self.mask_threshold = mask_threshold
        self.box_nms_thresh = box_nms_thresh
        self.crop_n_layers = crop_n_layers
        self.crop_nms_thresh = crop_nms_thresh
        self.crop_overlap_ratio = crop_overlap_ratio
        self.output_mode = output_mode
        self.use_m2m = use_m2m
        self.multimask_output = multimask_output
        self._dtype = pick_precision(precision, model.device)
        self._chunks = Chunks(model.config)

    @classmethod
    def from_pretrained(cls, model_id: str, **kwargs: Any) -> Self:
        """Return a generator for a Hugging Face id or a registered name.

        Keywords go to `build_sam2` where it knows them, else to the constructor.
        """
        building = {name: kwargs.pop(name) for name in BUILD_ARGUMENTS if name in kwargs}
        return cls(build_sam2_hf(model_id, **building), **kwargs)

    def generate(
        self,
        image: object,
        contrast_limits: object = None,
        *,
        progress: Progress | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> list[MaskRecord]:
        """Return all masks of an image, the surest first; with crops, those of the smallest crops first.

        Parameters
        ----------
        image, contrast_limits
            As for `SAM2ImagePredictor.set_image`; the limits of the whole image hold in every crop.
        progress
            Told after each batch how many points have been asked, and how many there are.
        is_cancelled
            Asked before each batch; once it is true, the masks of the points that were asked until then are returned.

        Raises
        ------
        StackError
            The image is of no usable shape or type.
        """
        rgb = frame_to_rgb(as_array(image), contrast_limits)
        size = (rgb.shape[0], rgb.shape[1])
        crops = crops_of(size, self.crop_n_layers, self.crop_overlap_ratio)
        asked = _Counted(progress, sum(len(self.point_grids[crop.layer]) for crop in crops))
        found: list[Candidate] = []
        for crop in crops:
            if is_cancelled():
                break
            in_crop = [one for batch in self._search(rgb, crop, asked, is_cancelled) for one in batch]
            found += _best(in_crop, [one.predicted_iou for one in in_crop], self.box_nms_thresh)
        if len(crops) > 1:
            found = _best(found, [1 / math.prod(one.crop.size) for one in found], self.crop_nms_thresh)
        return [self._record(one, size) for one in found]

    def _search(
        self, image: Rgb, crop: Crop, asked: _Counted, is_cancelled: Callable[[], bool]
    ) -> Iterator[list[Candidate]]:
        """Yield the candidates of a crop, batch by batch."""
        device = self.predictor.device
        with running(device, self._dtype):
            search = CropSearch(self.predictor, image, crop, self._rules())
        points = search.points(self.point_grids[crop.layer])
        size = min(self.points_per_batch, self._chunks.size(device))
        for start in range(0, len(points), size):
            if is_cancelled():
                return
            batch = points[start : start + size]
            with running(device, self._dtype):
                answers = self._chunks.run(batch, search.ask, device)
            asked.add(len(batch))
            yield from answers

    def _rules(self) -> Rules:
        return Rules(
            pred_iou_thresh=self.pred_iou_thresh,
            stability_score_thresh=self.stability_score_thresh,
            stability_score_offset=self.stability_score_offset,
            mask_threshold=self.mask_threshold,
            use_m2m=self.use_m2m,
            multimask_output=self.multimask_output,
        )

    def _record(self, found: Candidate, size: Size) -> MaskRecord:
        return {
            "segmentation": self._segmentation(found, size),
            "area": found.mask.area,
            "bbox": _xywh(found.box),
            "predicted_iou": found.predicted_iou,
            "point_coords": [list(found.point_xy)],
            "stability_score": found.mask.stability,
            "crop_box": _xywh(found.crop.box),
        }

    def _segmentation(self, found: Candidate, size: Size) -> Bits | RunLengths | CocoRle:
        x0, y0, x1, y1 = found.box
        if self.output_mode == "binary_mask":
            mask = np.zeros(size, dtype=bool)
            mask[y0 : y1 + 1, x0 : x1 + 1] = found.mask.patch
            return mask
        lengths = run_lengths(found.mask.patch, (x0, y0), size)
        return lengths if self.output_mode == "uncompressed_rle" else coco_rle(lengths)


class _Counted:
    """How many points have been asked, told to whoever wants to know."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def add(self, count: int) -> None:
        """Count so many more."""
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)


def _grids(
    per_side: int | None, given: Sequence[npt.ArrayLike] | None, layers: int, downscale_factor: int
) -> list[Points]:
    """Return the grid of each layer, made or given.

    Raises
    ------
    ValueError
        Both or none, too few grids, or another shape.
    """
    if (per_side is None) == (given is None):
        raise ValueError("give either points_per_side or point_grids, the other one None")
    if per_side is not None:
        return grids_of_layers(per_side, layers, downscale_factor)
    grids = [np.asarray(grid, dtype=np.float64) for grid in given or ()]
    if len(grids) <= layers:
        raise ValueError(f"{len(grids)} point_grids for {layers} crop layers; give {layers + 1}, the whole image first")
    for grid in grids:
        if grid.ndim != 2 or grid.shape[1] != 2:
            raise ValueError(f"a point grid has the shape {grid.shape}; expected (N, 2): x, y from 0 to 1")
    return grids


def _best(candidates: Sequence[Candidate], scores: Sequence[float], iou_threshold: float) -> list[Candidate]:
    """Return those that stay where boxes overlap by more than the threshold, by falling score."""
    kept = best_of_overlapping([one.box for one in candidates], scores, iou_threshold)
    return [candidates[index] for index in kept]


def _xywh(box: Box) -> list[float]:
    x0, y0, x1, y1 = box
    return [float(x0), float(y0), float(x1 - x0), float(y1 - y0)]
