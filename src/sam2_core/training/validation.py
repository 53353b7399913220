"""How good a model is on stills and movies with ground truth: prompts as in the evaluation protocol, IoUs out.

Stills: each object alone, in a square window around the click, sized by the image's typical (median) object diameter;
the mask that the model ranks first. Movies: whole frames, each object prompted on the first frame where it exists and
followed to the last. This runs on the model itself, without predictors, so that training can watch it cheaply; the
benchmark of the package goes through the public interface.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.prompt_encoder import PromptBatch
from sam2_core.modeling.sam2 import MaskPrediction, Sam2Model
from sam2_core.training.augment import normalise
from sam2_core.training.pack import median_diameter, whole_objects
from sam2_core.training.rollout import FrameMemory, first_prediction, memorise, tracked_prediction

MAX_OBJECTS_PER_MOVIE = 40
_WINDOWS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Still:
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
    truth: Tensor
    click_xy: tuple[float, float]
    box_xyxy: tuple[float, float, float, float]
    area_outside: float


def judged_objects(labels: NDArray[np.integer], most: int | None = None) -> list[int]:
    """Ids of objects of at least 40 px that do not touch the border, at most so many, evenly picked."""
    ids = whole_objects(labels)
    if most is not None and ids.size > most:
        ids = ids[np.linspace(0, ids.size - 1, most).round().astype(int)]
    return [int(entry) for entry in ids]


def centre_click(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """x, y of the pixel of a mask farthest from its outline, the first in row order on a tie."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(depth)), mask.shape)
    return int(column), int(row)


def evaluate_stills(
    model: Sam2Model, stills: Sequence[Still], settings: StillSettings | None = None
) -> NDArray[np.float64]:
    """IoU of every judged object, images in order; take the mean, or the share of at least 0.5."""
    chosen = settings or StillSettings()
    tasks = [task for still in stills for task in still_tasks(still, chosen)]
    ious = []
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(tasks), _WINDOWS_AT_ONCE):
            ious += _still_ious(model, tasks[start : start + _WINDOWS_AT_ONCE], chosen.prompt)
    return np.array(ious)


def still_tasks(still: Still, settings: StillSettings) -> list[StillTask]:
    """The windows of an image's judged objects."""
    side = round(max(median_diameter(still.labels) / settings.span, 16.0))
    return [
        _still_task(still, identity, side, settings.size)
        for identity in judged_objects(still.labels, settings.most_objects)
    ]


def _still_task(still: Still, identity: int, side: int, size: int) -> StillTask:
    mask = still.labels == identity
    x, y = centre_click(mask)
    left, top = _window_start(x, side, mask.shape[1]), _window_start(y, side, mask.shape[0])
    inside = _cut(mask.astype(np.uint8), left, top, side, "constant")
    scale = size / side
    rows, columns = np.nonzero(mask)
    x0, x1 = ((value - left + 0.5) * scale - 0.5 for value in (columns.min(), columns.max()))
    y0, y1 = ((value - top + 0.5) * scale - 0.5 for value in (rows.min(), rows.max()))
    window = torch.from_numpy(_cut(still.image, left, top, side, "edge").astype(np.float32) / 255.0)[None, None]
    resized = functional.interpolate(window, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    click = ((x - left + 0.5) * scale - 0.5, (y - top + 0.5) * scale - 0.5)
    truth = torch.from_numpy(inside > 0)
    return StillTask(resized[0, 0], truth, click, (x0, y0, x1, y1), float(mask.sum() - inside.sum()))


def _window_start(centre: int, side: int, length: int) -> int:
    if side >= length:
        return (length - side) // 2
    return min(max(centre - side // 2, 0), length - side)


def _cut(plane: NDArray[np.uint8], left: int, top: int, side: int, mode: str) -> NDArray[np.uint8]:
    height, width = plane.shape
    before, after = (max(-top, 0), max(-left, 0)), (max(top + side - height, 0), max(left + side - width, 0))
    padded = np.pad(plane, ((before[0], after[0]), (before[1], after[1])), mode=mode)  # type: ignore[call-overload]
    top, left = top + before[0], left + before[1]
    cut: NDArray[np.uint8] = padded[top : top + side, left : left + side]
    return cut


def _still_ious(model: Sam2Model, tasks: Sequence[StillTask], prompt: str) -> list[float]:
    features = model.encode_image(normalise(torch.stack([task.window for task in tasks]).to(model.device)))
    prompts = _prompts(tasks, prompt)
    logits = _prompted(model, features, prompts).low_res_masks.cpu()
    for _ in range(2 if prompt == "clicks3" else 0):
        prompts = _corrected(prompts, tasks, logits)
        logits = _prompted(model, features, prompts).low_res_masks.cpu()
    return [_iou(_in_window(logits[index], task), task) for index, task in enumerate(tasks)]


def _prompted(model: Sam2Model, features: ImageFeatures, prompts: PromptBatch) -> MaskPrediction:
    """The first prediction from prompts in main memory, on the model's device."""
    device, logits = model.device, prompts.mask_logits
    logits = None if logits is None else logits.to(device)
    moved = PromptBatch(prompts.points_xy_model_px.to(device), prompts.point_labels.to(device), logits)
    return first_prediction(model, features, moved)


def _prompts(tasks: Sequence[StillTask], prompt: str) -> PromptBatch:
    if prompt == "box":
        corners = torch.tensor([task.box_xyxy for task in tasks], dtype=torch.float32).view(-1, 2, 2)
        return PromptBatch(corners, torch.tensor([2, 3]).expand(len(tasks), 2))
    return PromptBatch(
        torch.tensor([task.click_xy for task in tasks], dtype=torch.float32)[:, None], torch.ones(len(tasks), 1).long()
    )


def _corrected(prompts: PromptBatch, tasks: Sequence[StillTask], logits: Tensor) -> PromptBatch:
    """The prompts with one more click each, in the middle of the largest error region."""
    points, labels = [], []
    for index, task in enumerate(tasks):
        point, label = _largest_error(_in_window(logits[index], task).numpy(), task.truth.numpy())
        scale = task.window.shape[-1] / task.truth.shape[-1]
        points.append([(point[0] + 0.5) * scale - 0.5, (point[1] + 0.5) * scale - 0.5])
        labels.append(label)
    return PromptBatch(
        torch.cat([prompts.points_xy_model_px, torch.tensor(points, dtype=torch.float32)[:, None]], dim=1),
        torch.cat([prompts.point_labels, torch.tensor(labels)[:, None]], dim=1),
        logits.clamp(-32.0, 32.0),
    )


def _largest_error(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[tuple[int, int], int]:
    largest, count = truth, 0
    for wrong in (truth & ~predicted, predicted & ~truth):
        regions, _ = ndimage.label(wrong)
        areas = np.bincount(regions.ravel())[1:]
        if areas.size and areas.max() > count:
            largest, count = regions == int(areas.argmax()) + 1, int(areas.max())
    x, y = centre_click(largest)
    return (x, y), int(truth[y, x])


def _in_window(logits: Tensor, task: StillTask) -> Tensor:
    side = task.truth.shape[-1]
    enlarged = functional.interpolate(logits[None], size=(side, side), mode="bilinear", align_corners=False)
    return enlarged[0, 0] > 0


def _iou(predicted: Tensor, task: StillTask) -> float:
    overlap = float((predicted & task.truth).sum())
    return overlap / max(float((predicted | task.truth).sum()) + task.area_outside, 1.0)


@dataclass(frozen=True, slots=True)
class MovieScores:
    """What tracking reached: IoU of every object-frame and its distance in frames to the prompted one."""

    ious: NDArray[np.float64]
    distances: NDArray[np.int64]

    @property
    def mean_all(self) -> float:
        """Mean IoU over all object-frames, the prompted ones included."""
        return _mean(self.ious)

    @property
    def j(self) -> float:
        """Mean IoU over the object-frames after the prompted one."""
        return _mean(self.ious[self.distances > 0])

    @property
    def j_at_10(self) -> float:
        """The same over the first ten frames after the prompt."""
        return _mean(self.ious[(self.distances > 0) & (self.distances <= 10)])


def _mean(values: NDArray[np.float64]) -> float:
    """The mean, nan of nothing."""
    return float(values.mean()) if values.size else float("nan")


@dataclass(frozen=True, slots=True)
class MovieTask:
    """A movie (T, H, W) uint8 with labels, the model input in px, and `click` or `box` as the prompt."""

    images: NDArray[np.uint8]
    labels: NDArray[np.integer]
    size: int = 256
    prompt: str = "click"


@dataclass(frozen=True, slots=True)
class _Life:
    identity: int
    first: int
    last: int


def evaluate_movie(model: Sam2Model, task: MovieTask, only_first_frame: bool = False) -> MovieScores:
    """Scores of following each object of a movie from one prompt on its first frame to its last.

    only_first_frame: judge the objects of frame 0 alone. Whole frames are stretched to the model input.
    """
    lives = _lives(task.labels, only_first_frame)
    found: list[tuple[float, int]] = []
    model.eval()
    with torch.inference_mode():
        for start in sorted({life.first for life in lives}):
            found += _follow(model, task, [life for life in lives if life.first == start])
    return MovieScores(np.array([entry[0] for entry in found]), np.array([entry[1] for entry in found]))


def _lives(labels: NDArray[np.integer], only_first_frame: bool) -> list[_Life]:
    seen = [np.unique(frame) for frame in labels]
    lives = []
    for identity in np.unique(np.concatenate(seen)):
        frames = [index for index, ids in enumerate(seen) if identity in ids]
        if identity and (frames[0] == 0 or not only_first_frame) and identity in judged_objects(labels[frames[0]]):
            lives.append(_Life(int(identity), frames[0], frames[-1]))
    picks = np.linspace(0, len(lives) - 1, min(len(lives), MAX_OBJECTS_PER_MOVIE)).round().astype(int)
    return [lives[index] for index in picks]


def _follow(model: Sam2Model, task: MovieTask, group: Sequence[_Life]) -> list[tuple[float, int]]:
    """IoU and distance to the prompt of every object-frame of objects that begin on the same frame."""
    start, found = group[0].first, []
    memories: list[FrameMemory] = []
    for frame in range(start, max(life.last for life in group) + 1):
        features = _frame_features(model, task, frame, len(group))
        if frame == start:
            masks = [task.labels[frame] == life.identity for life in group]
            prediction = _prompted(model, features, _movie_prompts(masks, task.size, task.prompt))
        else:
            prediction = tracked_prediction(model, features, memories, frame)
        memories.append(memorise(model, features, prediction, frame, conditioning=frame == start))
        memories = [memory for memory in memories if memory.conditioning or frame - memory.frame < 16]
        found += [
            (iou, frame - start)
            for iou in _frame_ious(prediction.low_res_masks.cpu(), task.labels[frame], group, frame)
        ]
    return found


def _frame_features(model: Sam2Model, task: MovieTask, frame: int, objects: int) -> ImageFeatures:
    plane = torch.from_numpy(task.images[frame].astype(np.float32) / 255.0)[None, None].to(model.device)
    size = (task.size, task.size)
    resized = functional.interpolate(plane, size=size, mode="bilinear", antialias=True, align_corners=False)
    return model.encode_image(normalise(resized[:, 0])).expand(objects)


def _frame_ious(logits: Tensor, labels: NDArray[np.integer], group: Sequence[_Life], frame: int) -> list[float]:
    size = (labels.shape[0], labels.shape[1])
    predicted = (functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)[:, 0] > 0).numpy()
    ious = []
    for life, mask in zip(group, predicted, strict=True):
        truth = labels == life.identity
        if frame <= life.last and truth.any():
            ious.append(float((mask & truth).sum() / (mask | truth).sum()))
    return ious


def _movie_prompts(masks: Sequence[NDArray[np.bool_]], size: int, prompt: str) -> PromptBatch:
    height, width = masks[0].shape
    scale = torch.tensor([size / width, size / height])
    if prompt == "box":
        extents = [np.nonzero(mask) for mask in masks]
        corners = [[[x.min(), y.min()], [x.max(), y.max()]] for y, x in extents]
        return PromptBatch((torch.tensor(corners) + 0.5) * scale - 0.5, torch.tensor([2, 3]).expand(len(masks), 2))
    clicks = torch.tensor([centre_click(mask) for mask in masks], dtype=torch.float32)[:, None]
    return PromptBatch((clicks + 0.5) * scale - 0.5, torch.ones(len(masks), 1).long())
