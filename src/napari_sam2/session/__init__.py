"""State and work without a viewer: prompts as values, the plan of a tracking job, and the job itself.

Headless and scriptable: `plan_legs` says what to run, `track` runs one leg on any predictor and yields labels frame
by frame. Files are read and written in `io`.
"""

from __future__ import annotations

from napari_sam2.session.patches import WindowedLogits, labels_from_logits
from napari_sam2.session.plan import Direction, Leg, checked_range, plan_legs
from napari_sam2.session.prompts import Prompt, check_prompts, gathered, typical_diameter
from napari_sam2.session.tracking import FrameResult, Resume, VideoPredictor, label_dtype, track
from napari_sam2.session.windows import WindowedPredictor

__all__ = [
    "Direction",
    "FrameResult",
    "Leg",
    "Prompt",
    "Resume",
    "VideoPredictor",
    "WindowedLogits",
    "WindowedPredictor",
    "check_prompts",
    "checked_range",
    "gathered",
    "label_dtype",
    "labels_from_logits",
    "plan_legs",
    "track",
    "typical_diameter",
]
