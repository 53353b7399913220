"""State and work without a viewer: a session on a stack, and the headless tracking job of the command line.

- `Session`: one stack, with `edits` (prompts and objects, one undo step for each edit), `work` (jobs and their results)
  and `saving` (files); `state` is what these share
- `document`, `objects`, `prompts`: what a person said, as immutable values; `history`: undo and redo
- `mask_store`, `stored_masks`, `overlaps`, `stale`: the masks, and what a changed prompt does to them
- `jobs`, `updates`: what goes to the lane and what comes back; `lane`: the thread; `engine`: the model at work there
- `plan_legs`, `track`: one job from prompts to labels, frame by frame; `WindowedPredictor`: windows that follow objects

Headless and scriptable: neither napari nor Qt is known here, and torch is imported on the lane, at the first job.
"""

from __future__ import annotations

from napari_sam2.document.document import Document, DocumentDiff, PromptKey
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.prompt import Prompt, check_prompts, gathered, typical_diameter
from napari_sam2.engine.jobs import CancelToken, Job, PreviewJob, PropagateJob, PropagateRequest
from napari_sam2.engine.plan import Direction, Leg, checked_range, plan_legs
from napari_sam2.engine.tracking import FrameResult, Resume, track
from napari_sam2.engine.updates import FrameUpdate
from napari_sam2.engine.video_predictor import VideoPredictor
from napari_sam2.masks.overlaps import label_dtype
from napari_sam2.masks.stored_masks import MaskStatus, StoredMask
from napari_sam2.session.session import Session
from napari_sam2.session.settings import SessionSettings
from sam2_core.windowed.patches import WindowedLogits, labels_from_logits
from sam2_core.windowed.windowed_predictor import WindowedPredictor

__all__ = [
    "CancelToken",
    "Direction",
    "Document",
    "DocumentDiff",
    "FrameResult",
    "FrameUpdate",
    "Job",
    "Leg",
    "MaskStatus",
    "ObjectInfo",
    "PreviewJob",
    "Prompt",
    "PromptKey",
    "PropagateJob",
    "PropagateRequest",
    "Resume",
    "Session",
    "SessionSettings",
    "StoredMask",
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
