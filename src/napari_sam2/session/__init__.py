"""State and work without a viewer: a session on a stack, in scripts, on the command line and behind the panel.

- `Session`: edits, runs, masks, undo, files. It stands on `editing` (prompts and objects, one undo step for each edit),
  `working` (jobs and their results) and `session` (files)
- `document`, `objects`, `prompts`: what a person said, as immutable values; `history`: undo and redo
- `mask_store`, `stored_masks`, `overlaps`, `stale`: the masks, and what a changed prompt does to them
- `jobs`, `updates`: what goes to the lane and what comes back; `lane`: the thread; `engine`: the model at work there
- `WindowedPredictor`: windows that follow objects

Headless and scriptable: neither napari nor Qt is known here, and torch is imported on the lane, at the first job.
"""

from __future__ import annotations

from napari_sam2.document.document import Document, DocumentDiff, PromptKey
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.prompt import Prompt, check_prompts, gathered, typical_diameter
from napari_sam2.engine.jobs import CancelToken, Job, PreviewJob, PropagateJob, PropagateRequest
from napari_sam2.engine.plan import Direction, checked_range
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
    "FrameUpdate",
    "Job",
    "MaskStatus",
    "ObjectInfo",
    "PreviewJob",
    "Prompt",
    "PromptKey",
    "PropagateJob",
    "PropagateRequest",
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
    "typical_diameter",
]
