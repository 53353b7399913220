"""How a video predictor reads its calls and spends its memory, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from sam2_core.inference.feature_folder import FeatureFolder
from sam2_core.inference.semantics import SemanticsName

ALL_FRAMES = -1
"""The official word for a limit that is none."""


@dataclass(frozen=True, slots=True)
class TrackingOptions:
    """How a video predictor reads its calls and spends its memory.

    Attributes
    ----------
    semantics
        ``interactive`` or ``official``; see `sam2_core.inference.semantics`.
    fill_hole_area
        Holes of up to so many pixels of the low-resolution mask (a quarter of the model input) are filled; 0 for none.
    binarize_prompted_masks
        Remember thresholded masks of prompted frames.
    non_overlap_masks
        Give each pixel to one object in what is returned.
    precision
        ``float32``, ``bfloat16``, ``float16``, or ``auto``: what the device computes fastest. None is ``auto`` on a
        graphics card and float32 elsewhere. See `sam2_core.inference.network.precision`.
    memory_dtype
        Precision in which memories are kept.
    cached_frames
        Frames whose image features are kept in memory.
    feature_cache
        Keep image features on disk too, for corrections and the next run: True for the user's folder, a
        `FeatureFolder`, or False. By default where the encoder takes long: on a CPU, for models of 512 px or more.
    objects_per_batch
        Objects that go through the network at once; None goes by a memory budget (see
        `sam2_core.inference.network.chunks`). Fewer when memory runs out.
    attention
        ``fast`` or ``plain``: how memories are read. Both give the same up to rounding; plain is the definition.
    compile
        None, or a mode of torch's compiler (``default``, ``reduce-overhead``, ``max-autotune``): what tracked frames
        pass is compiled once memories are full. The same up to rounding; pays for long runs on a graphics card.
    frames_ahead
        Frames that a run reads before they are needed, by a thread of its own; None for 2 on a graphics card, and none
        on a CPU (`sam2_core.inference.read_ahead`).
    stop_when_unchanged
        Compute an object no further when its masks agreed with what was there before on so many frames in a row, 16 to
        cover what a frame looks back on; None to compute all. See `run`.
    unchanged_iou
        Masks of at least this overlap agree; 1 for the same pixels.
    follow_drift
        Move what is remembered along where all of the picture jumps, as with a stage (`frames.drift`); not officially,
        so it is to be asked for.
    corrections_condition
        Overrides the reading in that point; None leaves it.
    max_conditioning_frames
        Overrides the reading in that point: 2 or more frames, or -1 for all, as officially; None leaves it.
    """

    semantics: SemanticsName = "interactive"
    fill_hole_area: int = 0
    binarize_prompted_masks: bool = False
    non_overlap_masks: bool = False
    precision: str | None = None
    memory_dtype: torch.dtype = torch.bfloat16
    cached_frames: int = 4
    feature_cache: bool | FeatureFolder | None = None
    objects_per_batch: int | None = None
    attention: Literal["fast", "plain"] = "fast"
    stop_when_unchanged: int | None = None
    unchanged_iou: float = 1.0
    compile: str | None = None
    frames_ahead: int | None = None
    follow_drift: bool = False
    corrections_condition: bool | None = None
    max_conditioning_frames: int | None = None

    def __post_init__(self) -> None:
        if self.attention not in ("fast", "plain"):
            raise ValueError(f"attention must be fast or plain, is {self.attention!r}")
        if self.stop_when_unchanged is not None and self.stop_when_unchanged < 1:
            raise ValueError(f"stop_when_unchanged is {self.stop_when_unchanged}; give 1 frame or more, or None")
        limit = self.max_conditioning_frames
        if limit is not None and limit != ALL_FRAMES and limit < 2:
            raise ValueError(f"max_conditioning_frames is {limit}; give 2 frames or more, or -1 for all")
        if self.frames_ahead is not None and self.frames_ahead < 0:
            raise ValueError(f"frames_ahead is {self.frames_ahead}; give 0 or more, or None")
