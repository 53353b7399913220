"""One crop of an image, asked at points: what is sure, stable and whole there becomes a candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sam2_core.automatic.crops import Box, Crop
from sam2_core.automatic.judging import Judge, JudgedMask
from sam2_core.inference.frames.contrast import Rgb
from sam2_core.inference.image_predictor import ImageAnswer, SAM2ImagePredictor
from sam2_core.inference.transforms import points_to_model_px
from sam2_core.modeling.prompt_encoder import INSIDE, PromptBatch


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked, and which answers count; the words are those of `SAM2AutomaticMaskGenerator`."""

    pred_iou_thresh: float
    stability_score_thresh: float
    stability_score_offset: float
    mask_threshold: float
    use_m2m: bool
    multimask_output: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A mask in a crop, and the point of the image in pixels that it is the answer to."""

    mask: JudgedMask
    predicted_iou: float
    point_xy: tuple[float, float]
    crop: Crop

    @property
    def box(self) -> Box:
        """The box of the mask in the image: x0, y0, x1, y1, all inside."""
        left, top = self.crop.box[:2]
        x0, y0, x1, y1 = self.mask.box
        return x0 + left, y0 + top, x1 + left, y1 + top


class CropSearch:
    """A crop whose features are kept while it is asked; to be made and asked within `precision.running`."""

    def __init__(self, predictor: SAM2ImagePredictor, image: Rgb, crop: Crop, rules: Rules) -> None:
        x0, y0, x1, y1 = crop.box
        side = predictor.model.config.low_res_size
        self._predictor, self._crop, self._rules = predictor, crop, rules
        self._image_hw = (image.shape[0], image.shape[1])
        self._features = predictor.encode(image[y0:y1, x0:x1])
        self._judge = Judge(
            (side, side),
            crop.size,
            rules.mask_threshold,
            rules.stability_score_offset,
            rules.stability_score_thresh,
        )

    def points(self, grid: npt.ArrayLike) -> list[Tensor]:
        """Return the points (N, 2) of a grid in pixels of the crop, float32."""
        height, width = self._crop.size
        return list(torch.from_numpy(np.asarray(grid, dtype=np.float64) * (width, height)).float())

    def ask(self, points: Sequence[Tensor]) -> list[list[Candidate]]:
        """Return the candidates of each point."""
        asked = torch.stack(list(points))
        answer = self._answer(asked)
        ious = answer.ious.float().cpu()
        sure = ious > self._rules.pred_iou_thresh if self._rules.pred_iou_thresh > 0 else ious == ious
        logits = answer.low_res_masks[sure.to(answer.low_res_masks.device)].float().cpu()
        found: list[list[Candidate]] = [[] for _ in points]
        for (point, which), plane in zip(sure.nonzero().tolist(), logits, strict=True):
            mask = self._judge.mask(plane)
            if mask is not None:
                candidate = Candidate(mask, ious[point, which].item(), self._in_image(asked[point]), self._crop)
                if not self._crop.cuts(candidate.box, self._image_hw):
                    found[point].append(candidate)
        return found

    def _answer(self, points: Tensor) -> ImageAnswer:
        device, size = self._predictor.device, self._predictor.image_size
        placed = points_to_model_px(points, self._crop.size, size)[:, None].to(device)  # (N, 1, 2)
        prompts = PromptBatch(placed, torch.full(placed.shape[:2], INSIDE, dtype=torch.int32, device=device))
        answer = self._predictor.answer(self._features, prompts, self._rules.multimask_output)
        return self._answer_again(prompts, answer) if self._rules.use_m2m else answer

    def _answer_again(self, prompts: PromptBatch, first: ImageAnswer) -> ImageAnswer:
        """Return the one mask that the model makes of each point and each of its first masks."""
        again = [
            self._predictor.answer(self._features, prompts.with_mask(masks[:, None]), multimask=False)
            for masks in first.mask_input.unbind(dim=1)
        ]
        return ImageAnswer(*(torch.cat(parts, dim=1) for parts in zip(*again, strict=True)))

    def _in_image(self, point: Tensor) -> tuple[float, float]:
        x, y = (point + torch.tensor(self._crop.box[:2])).tolist()
        return x, y
