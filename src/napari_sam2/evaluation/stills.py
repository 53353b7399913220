"""The protocol for stills: each object alone, one prompt, the mask that the model itself ranks first.

Order per object: a square window around its click, sized by the typical diameter of its image, is cut (its edge is
repeated where it leaves the image) and handed to the image predictor, which resizes it; then one click, a box, and
three clicks, of which the second and third go to the centre of the largest error region and feed the previous logits
back. One click asks for three masks; a box or several clicks for one, as the official predictor advises. Truth outside
the window counts as missed. Masks come from the public image predictor only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from napari_sam2.evaluation.baseline import ClassicalFrame, region_under
from napari_sam2.evaluation.timing import Stopwatch
from napari_sam2.masks.stored_masks import Array, StoredMask
from sam2_core.scoring.clicks import corrective_click
from sam2_core.scoring.ground_truth import Mask, Target, still_targets, typical_diameter
from sam2_core.scoring.metrics import iou
from sam2_core.windowed.window import Window, cut, paste, usual_span, window_at, window_side

CLICKS = 3
PROMPTS = ("click", "box", "clicks3")


class ImagePredictor(Protocol):
    """What is needed of `sam2_core.inference.SAM2ImagePredictor`."""

    @property
    def image_size(self) -> int:
        """Side of the square model input in pixels."""

    def set_image(self, image: Any) -> None:
        """Take an image (H, W) or (H, W, 3) uint8."""

    def predict(
        self,
        point_coords: Any = None,
        point_labels: Any = None,
        box: Any = None,
        mask_input: Any = None,
        multimask_output: bool = True,
    ) -> tuple[Any, Any, Any]:
        """Return masks (M, H, W), their predicted IoUs (M,), and low-resolution logits (M, h, w)."""


def image_predictor(video_predictor: Any) -> ImagePredictor:
    """Return an image predictor that has the model of a `sam2_core.inference.SAM2VideoPredictor`."""
    from sam2_core.inference.image_predictor import SAM2ImagePredictor

    return SAM2ImagePredictor(video_predictor.model)


@dataclass(frozen=True, slots=True)
class Still:
    """An image (H, W) or (H, W, 3) uint8 with its labels (H, W); `diameter_px` where its typical diameter is given."""

    name: str
    image: Array
    labels: Array
    diameter_px: float | None = None


@dataclass(frozen=True, slots=True)
class StillResult:
    """One object of one still: prompt -> IoU, and seconds, those of encoding the window included.

    mask: what the first of the prompts found; for pictures.
    """

    still: str
    object_id: int
    ious: dict[str, float]
    seconds: dict[str, float]
    mask: StoredMask


def evaluate_still(
    predictor: ImagePredictor,
    still: Still,
    prompts: Sequence[str] = PROMPTS,
    most: int | None = None,
    span: float | None = None,
) -> Iterator[StillResult]:
    """Yield the result of every judged object of a still, after each of the prompts.

    most: at most so many objects, evenly picked; all where None. span: share of the window's side that a typical object
    takes; by the size of the model's input where None.
    """
    span = span or usual_span(predictor.image_size)
    targets = still_targets(still.labels, most)
    side = window_side(still.diameter_px or typical_diameter([still.labels]), span) if targets else 0
    for target in targets:
        truth = still.labels == target.object_id
        window = window_at(target.click_yx[::-1], (side, side), (truth.shape[0], truth.shape[1]))
        encoding = Stopwatch()
        with encoding:
            predictor.set_image(cut(still.image, window))
        masks, seconds = {}, {}
        for prompt in prompts:
            watch = Stopwatch()
            with watch:
                found = _ask(predictor, target, truth, window, prompt)
            masks[prompt] = np.zeros_like(truth)
            paste(found, window, masks[prompt])
            seconds[prompt] = encoding.seconds + watch.seconds
        ious = {prompt: iou(truth, mask) for prompt, mask in masks.items()}
        yield StillResult(still.name, target.object_id, ious, seconds, StoredMask.of_mask(masks[prompts[0]]))


def baseline_still(still: Still, most: int | None = None) -> list[float]:
    """Return the IoU of every judged object with the region that the classical baseline finds under its click."""
    targets = still_targets(still.labels, most)
    if not targets:
        return []
    frame = ClassicalFrame(still.image, still.diameter_px or typical_diameter([still.labels]))
    return [iou(still.labels == target.object_id, region_under(frame, target.click_yx)) for target in targets]


def _ask(predictor: ImagePredictor, target: Target, truth: Mask, window: Window, prompt: str) -> Mask:
    """Return the mask (h, w) of the window that answers one prompt."""
    if prompt == "box":
        y0, x0, y1, x1 = target.box_yx
        box = np.array([x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)]) - [window.x0, window.y0] * 2
        inside = box.clip(0, window.width - 1).astype(np.float32)
        return _best(predictor.predict(box=inside, multimask_output=False))[0]
    points = [(target.click_yx[1] - window.x0, target.click_yx[0] - window.y0)]
    labels = [1]
    mask, logits = _best(predictor.predict(np.array(points, np.float32), np.array(labels), multimask_output=True))
    for _ in range(CLICKS - 1 if prompt == "clicks3" else 0):
        click = corrective_click(*_on_image(truth, mask, window))
        if click is None:
            break
        points.append((click.yx[1] + max(-window.x0, 0), click.yx[0] + max(-window.y0, 0)))
        labels.append(click.label)
        mask, logits = _best(
            predictor.predict(np.array(points, np.float32), np.array(labels), mask_input=logits, multimask_output=False)
        )
    return mask


def _on_image(truth: Mask, mask: Mask, window: Window) -> tuple[Mask, Mask]:
    """Return what truth and result are in the part of the image that the window shows."""
    size = (truth.shape[0], truth.shape[1])
    return truth[window.region(size)], mask[window.inside(size)]


def _best(answer: tuple[Any, Any, Any]) -> tuple[Mask, Array]:
    """Return the mask (H, W) that the model ranks first, and its low-resolution logits (1, h, w)."""
    masks, ious, logits = answer
    best = int(np.argmax(ious))
    return np.asarray(masks[best]) > 0, np.asarray(logits)[best : best + 1]
