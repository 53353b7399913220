"""How good a model is on stills and movies with ground truth: one click as in the evaluation protocol, IoUs out.

Stills: each object alone, in a square window around the click, sized by the image's typical (median) object diameter;
the mask that the model ranks first. Movies: whole frames, each object clicked on the first frame where it exists and
followed to the last. This runs on the model itself, without predictors, so that training can watch it cheaply; the
benchmark of the package goes through the public interface. What is judged, and by which numbers, says `scoring`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.prompt_encoder import PromptBatch
from sam2_core.modeling.sam2 import MaskPrediction, Sam2Model
from sam2_core.scoring.ground_truth import MovieScope, Target, median_diameter, still_targets, targets_in
from sam2_core.scoring.metrics import FrameScore, iou, score_frame
from sam2_core.training.augment import normalise
from sam2_core.training.rollout import FrameMemory, first_prediction, memorise, tracked_prediction
from sam2_core.windowed.window import Window, cut

_WINDOWS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image (H, W) uint8 and its labels (H, W), 0 outside."""

    image: NDArray[np.uint8]
    labels: NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class StillSettings:
    """How stills are judged.

    span: typical diameter / window side. size: model input in px. most_objects: per image, evenly picked; None for all.
    """

    span: float = 0.28
    size: int = 256
    most_objects: int | None = None


@dataclass(frozen=True, slots=True)
class StillTask:
    """One object in its window: image (S, S), truth at the window's resolution, click in model px, area outside."""

    window: Tensor
    truth: NDArray[np.bool_]
    click_xy: tuple[float, float]
    area_outside: int


def evaluate_stills(model: Sam2Model, stills: Sequence[LabelledImage], settings: StillSettings) -> NDArray[np.float64]:
    """Return the IoU of every judged object, images in order; take the mean, or the share of at least 0.5."""
    tasks = [task for still in stills for task in still_tasks(still, settings)]
    ious = []
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(tasks), _WINDOWS_AT_ONCE):
            ious += _still_ious(model, tasks[start : start + _WINDOWS_AT_ONCE])
    return np.array(ious)


def still_tasks(still: LabelledImage, settings: StillSettings) -> list[StillTask]:
    """Return the windows of an image's judged objects."""
    side = round(max(median_diameter([still.labels]) / settings.span, 16.0))
    targets = still_targets(still.labels, settings.most_objects)
    return [_still_task(still, target, side, settings.size) for target in targets]


def _still_task(still: LabelledImage, target: Target, side: int, size: int) -> StillTask:
    mask = still.labels == target.object_id
    height, width = mask.shape
    (y, x), scale = target.click_yx, size / side
    window = Window(_window_start(x, side, width), _window_start(y, side, height), side, side)
    truth = np.zeros((side, side), dtype=bool)
    truth[window.inside((height, width))] = mask[window.region((height, width))]
    click_xy = (x - window.x0 + 0.5) * scale - 0.5, (y - window.y0 + 0.5) * scale - 0.5
    return StillTask(_resized(cut(still.image, window), size), truth, click_xy, int(mask.sum()) - int(truth.sum()))


def _resized(plane: NDArray[np.uint8], size: int, device: torch.device | None = None) -> Tensor:
    """Return an image (H, W) in the model's size (S, S), 0 to 1."""
    pixels = torch.from_numpy(plane.astype(np.float32) / 255.0)[None, None].to(device)
    return functional.interpolate(pixels, (size, size), mode="bilinear", antialias=True, align_corners=False)[0, 0]


def _window_start(centre: int, side: int, length: int) -> int:
    if side >= length:
        return (length - side) // 2
    return min(max(centre - side // 2, 0), length - side)


def _still_ious(model: Sam2Model, tasks: Sequence[StillTask]) -> list[float]:
    features = model.encode_image(normalise(torch.stack([task.window for task in tasks]).to(model.device)))
    clicks_xy = torch.tensor([task.click_xy for task in tasks], dtype=torch.float32)
    logits = _clicked(model, features, clicks_xy).low_res_masks.cpu()
    return [iou(_in_window(logits[i], task), task.truth, task.area_outside) for i, task in enumerate(tasks)]


def _clicked(model: Sam2Model, features: ImageFeatures, clicks_xy: Tensor) -> MaskPrediction:
    """Return the first prediction from one click each, (O, 2) in model px."""
    labels = torch.ones(len(clicks_xy), 1, dtype=torch.long, device=model.device)
    return first_prediction(model, features, PromptBatch(clicks_xy[:, None].to(model.device), labels))


def _in_window(logits: Tensor, task: StillTask) -> NDArray[np.bool_]:
    enlarged = functional.interpolate(logits[None], size=task.truth.shape, mode="bilinear", align_corners=False)
    return (enlarged[0, 0] > 0).numpy()


@dataclass(frozen=True, slots=True)
class FollowedMovie:
    """A movie (T, H, W) uint8 with labels, and the model input in px."""

    images: NDArray[np.uint8]
    labels: NDArray[np.integer]
    size: int = 256


def evaluate_movie(model: Sam2Model, movie: FollowedMovie, only_first_frame: bool = False) -> list[FrameScore]:
    """Return how well each object of a movie was followed from one click on its first frame to its last.

    only_first_frame: judge the objects of frame 0 alone. Whole frames are stretched to the model input. The numbers of
    the protocol come from `scoring.metrics.movie_metrics`.
    """
    scope = MovieScope(frames=len(movie.labels), first_frame_only=only_first_frame)
    targets = targets_in(list(movie.labels), scope)
    found: list[FrameScore] = []
    model.eval()
    with torch.inference_mode():
        for start in sorted({target.first_frame for target in targets}):
            found += _follow(model, movie, [target for target in targets if target.first_frame == start])
    return found


def _follow(model: Sam2Model, movie: FollowedMovie, group: Sequence[Target]) -> list[FrameScore]:
    """Return the scores of objects that begin on the same frame, until each was seen last."""
    start, found = group[0].first_frame, []
    memories: list[FrameMemory] = []
    for frame in range(start, max(target.last_frame for target in group) + 1):
        features = _frame_features(model, movie, frame, len(group))
        if frame == start:
            prediction = _clicked(model, features, _clicks_xy(movie, group))
        else:
            prediction = tracked_prediction(model, features, memories, frame)
        memories.append(memorise(model, features, prediction, frame, conditioning=frame == start))
        memories = [memory for memory in memories if memory.conditioning or frame - memory.frame < 16]
        found += _frame_scores(prediction.low_res_masks.cpu(), movie.labels[frame], group, frame)
    return found


def _frame_features(model: Sam2Model, movie: FollowedMovie, frame: int, objects: int) -> ImageFeatures:
    plane = _resized(movie.images[frame], movie.size, model.device)
    return model.encode_image(normalise(plane[None])).expand(objects)


def _frame_scores(logits: Tensor, labels: NDArray[np.integer], group: Sequence[Target], frame: int) -> list[FrameScore]:
    enlarged = functional.interpolate(logits, size=labels.shape, mode="bilinear", align_corners=False)
    return [
        score_frame(target.object_id, frame, frame - target.first_frame, labels == target.object_id, mask)
        for target, mask in zip(group, (enlarged[:, 0] > 0).numpy(), strict=True)
        if frame <= target.last_frame
    ]


def _clicks_xy(movie: FollowedMovie, group: Sequence[Target]) -> Tensor:
    height, width = movie.labels.shape[1:]
    clicks = torch.tensor([target.click_yx[::-1] for target in group])
    return (clicks + 0.5) * torch.tensor([movie.size / width, movie.size / height]) - 0.5
