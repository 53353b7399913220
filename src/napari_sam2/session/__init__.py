"""State and work without a viewer: a session on a stack, in scripts, on the command line and behind the panel.

`Session` is one stack with its parts: `edits` (prompts and objects, one undo step for each edit), `proposals` (what was
found and waits for a decision), `work` (jobs and their results), `saving` (files); `state` is what these share. What
scripts need of the rooms below is named here too.

Headless and scriptable: neither napari nor Qt is known here, and torch is imported on the lane, at the first job.
"""

from __future__ import annotations

from napari_sam2.document.difference import DocumentDiff
from napari_sam2.document.document import Document, PromptKey
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.prompt import Prompt, check_prompts, gathered, typical_diameter
from napari_sam2.document.proposals import Proposal, ProposalState
from napari_sam2.engine.jobs import (
    CancelToken,
    Direction,
    FindJob,
    FindRequest,
    Job,
    PreviewJob,
    PropagateJob,
    PropagateRequest,
    checked_range,
)
from napari_sam2.engine.updates import FoundUpdate, FrameUpdate
from napari_sam2.masks.overlaps import label_dtype
from napari_sam2.masks.stored_masks import MaskStatus, StoredMask
from napari_sam2.session.found import Proposed
from napari_sam2.session.proposals import Proposals
from napari_sam2.session.session import Session
from napari_sam2.session.settings import SessionSettings
from sam2_core.inference.mask_logits import WindowedLogits, labels_from_logits
from sam2_core.inference.video_calls import VideoPredictor

__all__ = [
    "CancelToken",
    "Direction",
    "Document",
    "DocumentDiff",
    "FindJob",
    "FindRequest",
    "FoundUpdate",
    "FrameUpdate",
    "Job",
    "MaskStatus",
    "ObjectInfo",
    "PreviewJob",
    "Prompt",
    "PromptKey",
    "PropagateJob",
    "PropagateRequest",
    "Proposal",
    "ProposalState",
    "Proposals",
    "Proposed",
    "Session",
    "SessionSettings",
    "StoredMask",
    "VideoPredictor",
    "WindowedLogits",
    "check_prompts",
    "checked_range",
    "gathered",
    "label_dtype",
    "labels_from_logits",
    "typical_diameter",
]
