"""The protocol for movies: prompt each object once where it first exists, follow it, and in one run correct it.

Runs: "click" and "box" (one prompt, objects that begin on the same frame share a state), and "corrections" (one click,
then up to three corrective clicks per object, each on the first frame, the prompted one included, on which IoU falls
under 0.5, and tracking again from there; each object has a state of its own, so that nobody's correction touches
another's past). Objects are followed as far as the truth shows them, and through the frames on which they are gone.
Masks come from the public video predictor only, each for itself: overlaps are not resolved. Prompts are given as a
session gives them, click after click, each answering the mask that was there.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from napari_sam2.document.prompt import Prompt
from napari_sam2.engine.give_prompt import give_prompt
from napari_sam2.evaluation.baseline import track_classically
from napari_sam2.evaluation.timing import Stopwatch
from napari_sam2.masks.stored_masks import Array, StoredMask
from sam2_core.inference.mask_logits import as_numpy, patches_of
from sam2_core.inference.video_calls import VideoPredictor
from sam2_core.scoring.clicks import corrective_click
from sam2_core.scoring.ground_truth import Mask, Target
from sam2_core.scoring.metrics import GOOD_IOU, FrameScore, score_frame

CORRECTIONS = 3
RUNS = ("click", "box", "corrections")
BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class MovieTask:
    """A movie to judge on: frames as the model sees them, uint8, their labels (H, W), and the objects that are judged.

    diameter_px: typical object diameter of the stack; the baseline uses it.
    """

    movie: Sequence[Array]
    truth: Sequence[Array]
    targets: tuple[Target, ...]
    diameter_px: float

    @property
    def object_frames(self) -> int:
        """How many frames of objects one run visits."""
        return sum(target.stop - target.first_frame for target in self.targets)


@dataclass(slots=True)
class MovieRun:
    """What one run, "click", "box", "corrections" or "baseline", found: scores and masks by (object id, frame).

    watch: seconds of the predictor, reading frames included. corrections: how many corrective clicks were given.
    """

    name: str
    scores: dict[tuple[int, int], FrameScore] = field(default_factory=dict)
    masks: dict[tuple[int, int], StoredMask] = field(default_factory=dict)
    watch: Stopwatch = field(default_factory=Stopwatch)
    corrections: int = 0

    def take(self, target: Target, frame_index: int, truth: Mask, found: Mask) -> FrameScore:
        """Record one object on one frame, in place of what was there, and return its score."""
        key = (target.object_id, frame_index)
        self.scores[key] = score_frame(*key, frame_index - target.first_frame, truth, found)
        self.masks[key] = StoredMask.of_mask(found)
        return self.scores[key]


Tick = Callable[[], None]


def run_movie(predictor: VideoPredictor, task: MovieTask, name: str, tick: Tick = lambda: None) -> MovieRun:
    """Return what one run of the protocol, "click", "box" or "corrections", found.

    tick: called after each object-frame; a frame that is tracked again calls it again.
    """
    follower = _Follower(predictor, task, MovieRun(name), tick)
    if name == "corrections":
        for target in task.targets:
            follower.follow_and_correct(target)
    else:
        for first in sorted({target.first_frame for target in task.targets}):
            follower.follow([target for target in task.targets if target.first_frame == first])
    return follower.run


def run_baseline(task: MovieTask, tick: Tick = lambda: None) -> MovieRun:
    """Return what the classical baseline found, from one click per object."""
    run = MovieRun(BASELINE)
    index, labels = -1, np.zeros((0, 0))
    for frame, target, mask in run.watch.over(track_classically(task.movie, task.targets, task.diameter_px)):
        if frame != index:
            index, labels = frame, task.truth[frame]
        run.take(target, frame, labels == target.object_id, mask)
        tick()
    return run


def first_prompt(target: Target, kind: str) -> Prompt:
    """Return the one prompt of an object: its click, or its box."""
    if kind == "box":
        y0, x0, y1, x1 = target.box_yx
        box = (float(y0), float(x0), float(max(y1, y0 + 1)), float(max(x1, x0 + 1)))
        return Prompt(target.object_id, target.first_frame, box_yx=box)
    y, x = target.click_yx
    return Prompt(target.object_id, target.first_frame, points_yx=((float(y), float(x)),), labels=(1,))


@dataclass(frozen=True, slots=True)
class _Follower:
    """One run at work: who tracks, on what, where the findings go."""

    predictor: VideoPredictor
    task: MovieTask
    run: MovieRun
    tick: Tick

    def follow(self, group: Sequence[Target]) -> None:
        """Follow objects that begin on the same frame, together."""
        by_id = {target.object_id: target for target in group}
        state = self._begin([first_prompt(target, self.run.name) for target in group])
        for frame, found in self._propagated(state, range(group[0].first_frame, max(t.stop for t in group))):
            labels = self.task.truth[frame]
            for object_id, mask in found.items():
                if object_id in by_id and frame < by_id[object_id].stop:
                    self.run.take(by_id[object_id], frame, labels == object_id, mask)
                    self.tick()

    def follow_and_correct(self, target: Target) -> None:
        """Follow one object; where it fails, correct it and follow it again from there, as long as clicks are left.

        Stopping at the first failure instead of going on to the end changes nothing: tracking again from a frame does
        not look at what was found behind it.
        """
        prompts = {target.first_frame: first_prompt(target, "click")}
        state = self._begin([prompts[target.first_frame]])
        start = target.first_frame
        for _ in range(CORRECTIONS):
            with closing(self._failures(state, target, range(start, target.stop))) as failures:
                correction = next(failures, None)
            if correction is None:
                return
            start = correction.frame
            before = prompts.get(start)
            prompts[start] = correction if before is None else _with_click(before, correction)
            self._give(state, prompts[start], None if before is None else len(before.points_yx))
            self.run.corrections += 1
        for _ in self._failures(state, target, range(start, target.stop)):
            pass  # no click is left

    def _failures(self, state: Any, target: Target, frames: range) -> Generator[Prompt]:
        """Yield the click that would correct each frame on which the object fails, while it is followed."""
        for frame, found in self._propagated(state, frames):
            truth = self.task.truth[frame] == target.object_id
            mask = found.get(target.object_id, np.zeros_like(truth))
            score = self.run.take(target, frame, truth, mask)
            self.tick()
            if score.iou is None or score.iou >= GOOD_IOU:
                continue
            click = corrective_click(truth, mask)
            if click is not None:
                point = (float(click.yx[0]), float(click.yx[1]))
                yield Prompt(target.object_id, frame, points_yx=(point,), labels=(click.label,))

    def _begin(self, prompts: Sequence[Prompt]) -> Any:
        """Return a new state with prompts."""
        with self.run.watch:
            state = self.predictor.init_state(self.task.movie)
        for prompt in prompts:
            self._give(state, prompt)
        return state

    def _give(self, state: Any, prompt: Prompt, said: int | None = None) -> None:
        """Give a prompt to the predictor as a session does."""
        with self.run.watch:
            give_prompt(self.predictor, state.select([prompt.object_id]), prompt, said)

    def _propagated(self, state: Any, frames: range) -> Iterator[tuple[int, dict[int, Mask]]]:
        """Yield frame and object id -> mask (H, W)."""
        answers = self.predictor.propagate_in_video(
            state, start_frame_idx=frames.start, max_frame_num_to_track=len(frames), reverse=False
        )
        for frame, object_ids, logits in self.run.watch.over(answers):
            if frame in frames:
                yield frame, _masks(object_ids, logits)


def _masks(object_ids: Sequence[int], logits: Any) -> dict[int, Mask]:
    """Return object id -> mask (H, W) from logits (O, 1, H, W), dense or windowed."""
    masks = {}
    for object_id, patch in zip(object_ids, patches_of(logits), strict=True):
        masks[int(object_id)] = mask = np.zeros(tuple(logits.shape[-2:]), dtype=bool)
        if patch is not None:
            mask[patch.rows, patch.columns] = as_numpy(patch.logits) > 0
    return masks


def _with_click(before: Prompt, click: Prompt) -> Prompt:
    """Return the prompt that an object has on a frame with one click more."""
    return replace(before, points_yx=before.points_yx + click.points_yx, labels=before.labels + click.labels)
