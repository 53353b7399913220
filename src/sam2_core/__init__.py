"""SAM 2 and 2.1, written afresh: the official checkpoints, numbers and public names.

Names are imported when first used, so ``import sam2_core`` is instant and its light rooms
(`sam2_core.training.synthetic`) need no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sam2_core.automatic.mask_generator import SAM2AutomaticMaskGenerator as SAM2AutomaticMaskGenerator
    from sam2_core.build import build_sam2 as build_sam2
    from sam2_core.build import build_sam2_hf as build_sam2_hf
    from sam2_core.build import build_sam2_video_predictor as build_sam2_video_predictor
    from sam2_core.build import build_sam2_video_predictor_hf as build_sam2_video_predictor_hf
    from sam2_core.errors import CheckpointError as CheckpointError
    from sam2_core.errors import PromptError as PromptError
    from sam2_core.errors import StackError as StackError
    from sam2_core.inference.image_predictor import SAM2ImagePredictor as SAM2ImagePredictor
    from sam2_core.inference.video_predictor import SAM2VideoPredictor as SAM2VideoPredictor
    from sam2_core.windowed.windowed_predictor import WindowedPredictor as WindowedPredictor

_HOMES = {
    "build_sam2": "sam2_core.build",
    "build_sam2_hf": "sam2_core.build",
    "build_sam2_video_predictor": "sam2_core.build",
    "build_sam2_video_predictor_hf": "sam2_core.build",
    "CheckpointError": "sam2_core.errors",
    "PromptError": "sam2_core.errors",
    "StackError": "sam2_core.errors",
    "SAM2AutomaticMaskGenerator": "sam2_core.automatic.mask_generator",
    "SAM2ImagePredictor": "sam2_core.inference.image_predictor",
    "SAM2VideoPredictor": "sam2_core.inference.video_predictor",
    "WindowedPredictor": "sam2_core.windowed.windowed_predictor",
}
__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Return a public name from the room that owns it."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'sam2_core' has no attribute {name!r}")
