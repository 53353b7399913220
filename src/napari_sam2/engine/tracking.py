"""A headless tracking job: prompts and a movie in, one labelled frame after the other out.

`track` plays the prompts of one leg (see `plan`) on a predictor and yields a `FrameResult` per frame. It is a
generator: what it yields is its progress, closing it stops it between two frames. Where masks of two objects overlap,
the pixel goes to the object with the higher logit. This is also the door at which (y, x) becomes the (x, y) of the
model. Nothing is written here, and nothing is kept from one leg to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_sam2.document.prompt import Prompt
from napari_sam2.engine.plan import Leg
from napari_sam2.masks.overlaps import label_dtype
from sam2_core.inference.mask_logits import labels_from_logits
from sam2_core.inference.video_calls import VideoPredictor


@dataclass(frozen=True, slots=True)
class FrameResult:
    """Labels of one frame.

    Attributes
    ----------
    leg
        "forward" or "backward".
    frame_index
        0-based position on the tracked axis.
    labels
        (H, W), value = object id, 0 = nothing; uint16, or uint32 where an id needs it.
    """

    leg: str
    frame_index: int
    labels: np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Resume:
    """Where an interrupted leg stopped: its last finished frame, and the labels (H, W) found there."""

    frame_index: int
    labels: np.ndarray[Any, Any]


def track(
    predictor: VideoPredictor,
    movie: Any,
    prompts: Sequence[Prompt],
    leg: Leg,
    resume: Resume | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[FrameResult]:
    """Yield the labels of every frame of a leg, in the order in which it visits them.

    Parameters
    ----------
    predictor
        A video predictor.
    movie
        Frames as the model sees them: `len` and `[i]`.
    prompts
        Prompts of all objects; those of objects outside the leg are left out.
    leg
        What to run.
    resume
        If given, the leg goes on behind that frame: the objects in its labels are prompted with their masks there,
        besides the original prompts. This is close to an undisturbed run, not identical to it: the memory of the
        frames before is gone.
    is_cancelled
        Asked before each frame; the job ends when it says yes.
    """
    if resume is not None:
        leg = leg.from_frame(resume.frame_index)
        if len(leg.frames) == 1:
            return
    state = predictor.init_state(movie)
    here = [prompt for prompt in prompts if prompt.object_id in leg.anchors]
    for prompt in here:
        add_prompt(predictor, state, prompt)
    if resume is not None:
        _add_label_masks(predictor, state, resume, leg, {(prompt.object_id, prompt.frame) for prompt in here})
    done = None if resume is None else resume.frame_index
    dtype = label_dtype(prompt.object_id for prompt in prompts)
    for frame_index, object_ids, logits in _propagated(predictor, state, leg, is_cancelled):
        if frame_index in leg.frames and frame_index != done:
            values = [object_id if leg.shows(object_id, frame_index) else 0 for object_id in object_ids]
            yield FrameResult(leg.name, frame_index, labels_from_logits(logits, values, dtype))


def add_prompt(predictor: VideoPredictor, state: Any, prompt: Prompt) -> None:
    """Give one prompt to a predictor: its mask first, then its box and points, turned from (y, x) to (x, y)."""
    where: dict[str, Any] = {"frame_idx": prompt.frame, "obj_id": prompt.object_id}
    if prompt.mask is not None:
        predictor.add_new_mask(state, **where, mask=prompt.mask, need_output=False)
    if not prompt.points_yx and prompt.box_yx is None:
        return
    clicks: dict[str, Any] = {}
    if prompt.points_yx:
        clicks["points"] = np.array([(x, y) for y, x in prompt.points_yx], dtype=np.float32)  # (N, 2) xy
        clicks["labels"] = np.array(prompt.labels, dtype=np.int32)
    if prompt.box_yx is not None:
        y0, x0, y1, x1 = prompt.box_yx
        clicks["box"] = np.array([x0, y0, x1, y1], dtype=np.float32)  # xyxy
    predictor.add_new_points_or_box(state, **where, **clicks, need_output=False)


def _propagated(
    predictor: VideoPredictor, state: Any, leg: Leg, is_cancelled: Callable[[], bool]
) -> Iterator[tuple[int, Sequence[int], Any]]:
    """Yield what the predictor does from the beginning of the leg to its end, until cancelled."""
    if is_cancelled():
        return
    count = abs(leg.frames[-1] - leg.begin) + 1
    reverse = leg.reverse and count > 1  # a reverse run of a single frame yields nothing
    for frame_index, object_ids, logits in predictor.propagate_in_video(
        state, start_frame_idx=leg.begin, max_frame_num_to_track=count, reverse=reverse
    ):
        yield frame_index, object_ids, logits
        if is_cancelled():
            return


def _add_label_masks(
    predictor: VideoPredictor, state: Any, resume: Resume, leg: Leg, prompted: Container[tuple[int, int]]
) -> None:
    """Prompt every object found in the last finished labels with its mask, unless it has a prompt of its own there."""
    for object_id in leg.anchors:
        mask = resume.labels == object_id
        if (object_id, resume.frame_index) not in prompted and mask.any():
            predictor.add_new_mask(state, frame_idx=resume.frame_index, obj_id=object_id, mask=mask, need_output=False)
