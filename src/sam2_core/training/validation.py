"""How good a model is on stills and movies with ground truth: prompts as in the evaluation protocol, IoUs out.

Stills: each object alone, in a square window around the click, sized by the image's typical (median) object diameter;
the mask that the model ranks first. Movies: whole frames, each object prompted on the first frame where it exists and
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
from sam2_core.scoring.clicks import corrective_click
from sam2_core.scoring.ground_truth import (
    MovieScope,
    Target,
    farthest_pixel,
    median_diameter,
    still_targets,
    targets_in,
)
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

    prompt: `click`, `box` or `clicks3`. span: typical diameter / window side. size: model input in px. most_objects:
    per image, evenly picked; None for all.
    """

    prompt: str = "click"
    span: float = 0.28
    size: int = 256
    most_objects: int | None = None


@dataclass(frozen=True, slots=True)
class StillTask:
    """One object in its window: image (S, S), truth at the window's resolution, prompts in model px, area outside."""

    window: Tensor
    truth: NDArray[np.bool_]
    click_xy: tuple[float, float]
    box_xyxy: tuple[float, float, float, float]
    area_outside: int


def evaluate_stills(
    model: Sam2Model, stills: Sequence[LabelledImage], settings: StillSettings | None = None
) -> NDArray[np.float64]:
    """Return the IoU of every judged object, images in order; take the mean, or the share of at least 0.5."""
    chosen = settings or StillSettings()
    tasks = [task for still in stills for task in still_tasks(still, chosen)]
    ious = []
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(tasks), _WINDOWS_AT_ONCE):
            ious += _still_ious(model, tasks[start : start + _WINDOWS_AT_ONCE], chosen.prompt)
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

    def place(y: int, x: int) -> tuple[float, float]:
        return (x - window.x0 + 0.5) * scale - 0.5, (y - window.y0 + 0.5) * scale - 0.5

    box = (*place(*target.box_yx[:2]), *place(*target.box_yx[2:]))
    return StillTask(
        _resized(cut(still.image, window), size), truth, place(y, x), box, int(mask.sum()) - int(truth.sum())
    )


def _resized(plane: NDArray[np.uint8], size: int, device: torch.device | None = None) -> Tensor:
    """Return an image (H, W) in the model's size (S, S), 0 to 1."""
    pixels = torch.from_numpy(plane.astype(np.float32) / 255.0)[None, None].to(device)
    return functional.interpolate(pixels, (size, size), mode="bilinear", antialias=True, align_corners=False)[0, 0]


def _window_start(centre: int, side: int, length: int) -> int:
    if side >= length:
        return (length - side) // 2
    return min(max(centre - side // 2, 0), length - side)


def _still_ious(model: Sam2Model, tasks: Sequence[StillTask], prompt: str) -> list[float]:
    features = model.encode_image(normalise(torch.stack([task.window for task in tasks]).to(model.device)))
    prompts = _prompts(tasks, prompt)
    logits = _prompted(model, features, prompts).low_res_masks.cpu()
    for _ in range(2 if prompt == "clicks3" else 0):
        prompts = _corrected(prompts, tasks, logits)
        logits = _prompted(model, features, prompts).low_res_masks.cpu()
    return [iou(_in_window(logits[i], task), task.truth, task.area_outside) for i, task in enumerate(tasks)]


def _prompted(model: Sam2Model, features: ImageFeatures, prompts: PromptBatch) -> MaskPrediction:
    """Return the first prediction from prompts in main memory, on the model's device."""
    device, logits = model.device, prompts.mask_logits
    logits = None if logits is None else logits.to(device)
    moved = PromptBatch(prompts.points_xy_model_px.to(device), prompts.point_labels.to(device), logits)
    return first_prediction(model, features, moved)


def _prompts(tasks: Sequence[StillTask], prompt: str) -> PromptBatch:
    if prompt == "box":
        return _boxes(torch.tensor([task.box_xyxy for task in tasks], dtype=torch.float32))
    return _clicks(torch.tensor([task.click_xy for task in tasks], dtype=torch.float32))


def _boxes(boxes_xyxy: Tensor) -> PromptBatch:
    return PromptBatch(boxes_xyxy.view(-1, 2, 2), torch.tensor([2, 3]).expand(len(boxes_xyxy), 2))


def _clicks(clicks_xy: Tensor) -> PromptBatch:
    return PromptBatch(clicks_xy[:, None], torch.ones(len(clicks_xy), 1).long())


def _corrected(prompts: PromptBatch, tasks: Sequence[StillTask], logits: Tensor) -> PromptBatch:
    """Return the prompts with one more click each, in the middle of the largest error, or of the object if none."""
    points, labels = [], []
    for index, task in enumerate(tasks):
        click = corrective_click(task.truth, _in_window(logits[index], task))
        y, x = farthest_pixel(task.truth) if click is None else click.yx
        scale = task.window.shape[-1] / task.truth.shape[-1]
        points.append([(x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5])
        labels.append(1 if click is None else click.label)
    return PromptBatch(
        torch.cat([prompts.points_xy_model_px, torch.tensor(points, dtype=torch.float32)[:, None]], dim=1),
        torch.cat([prompts.point_labels, torch.tensor(labels)[:, None]], dim=1),
        logits.clamp(-32.0, 32.0),
    )


def _in_window(logits: Tensor, task: StillTask) -> NDArray[np.bool_]:
    enlarged = functional.interpolate(logits[None], size=task.truth.shape, mode="bilinear", align_corners=False)
    return (enlarged[0, 0] > 0).numpy()


@dataclass(frozen=True, slots=True)
class FollowedMovie:
    """A movie (T, H, W) uint8 with labels, the model input in px, and `click` or `box` as the prompt."""

    images: NDArray[np.uint8]
    labels: NDArray[np.integer]
    size: int = 256
    prompt: str = "click"


def evaluate_movie(model: Sam2Model, movie: FollowedMovie, only_first_frame: bool = False) -> list[FrameScore]:
    """Return how well each object of a movie was followed from one prompt on its first frame to its last.

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
            prediction = _prompted(model, features, _movie_prompts(movie, group))
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


def _movie_prompts(movie: FollowedMovie, group: Sequence[Target]) -> PromptBatch:
    height, width = movie.labels.shape[1:]
    if movie.prompt == "box":
        boxes = torch.tensor([[x0, y0, x1, y1] for y0, x0, y1, x1 in (target.box_yx for target in group)])
        scale = torch.tensor([movie.size / width, movie.size / height] * 2)
        return _boxes((boxes + 0.5) * scale - 0.5)
    clicks = torch.tensor([target.click_yx[::-1] for target in group])
    return _clicks((clicks + 0.5) * torch.tensor([movie.size / width, movie.size / height]) - 0.5)
