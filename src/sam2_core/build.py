"""The official builders: models and predictors from a configuration's name and a checkpoint; see `assembly`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from sam2_core.assembly import Weights, predictor_parts
from sam2_core.assembly import build_model as build_model
from sam2_core.assembly import build_sam2 as build_sam2
from sam2_core.assembly import build_sam2_hf as build_sam2_hf
from sam2_core.assembly import parse_overrides as parse_overrides
from sam2_core.assembly import pick_device as pick_device
from sam2_core.inference.video_predictor import SAM2VideoPredictor


def build_sam2_video_predictor(  # noqa: PLR0913 - the official signature
    config_file: str | Path,
    ckpt_path: Weights = None,
    device: str | torch.device = "auto",
    mode: str = "eval",
    hydra_overrides_extra: Sequence[str] = (),
    apply_postprocessing: bool = True,
    vos_optimized: bool = False,
    *,
    image_size: int | None = None,
    **options: Any,
) -> SAM2VideoPredictor:
    """Return a video predictor; see `build_sam2` for the shared parameters.

    Parameters
    ----------
    apply_postprocessing
        Also: remember thresholded masks of prompted frames, and fill holes of up to 8 low-resolution pixels.
    vos_optimized
        Compile what tracked frames pass (``compile="default"``) on a CUDA device; a log line says so elsewhere, where
        nothing is compiled unless ``compile`` asks for it. Numbers are the same up to rounding.
    **options
        Fields of `sam2_core.inference.tracking_options.TrackingOptions`: ``semantics="official" | "interactive"``,
        ``fill_hole_area``, ``non_overlap_masks``, ``precision``, ...

    Raises
    ------
    TypeError
        An unknown option; the message lists those there are.
    """
    model, chosen = predictor_parts(
        config_file,
        ckpt_path,
        device=device,
        mode=mode,
        hydra_overrides_extra=hydra_overrides_extra,
        apply_postprocessing=apply_postprocessing,
        vos_optimized=vos_optimized,
        image_size=image_size,
        **options,
    )
    return SAM2VideoPredictor(model, **chosen)


def build_sam2_video_predictor_hf(model_id: str, **kwargs: Any) -> SAM2VideoPredictor:
    """Return a video predictor for a Hugging Face id or any registered name; see `build_sam2_hf`."""
    return SAM2VideoPredictor.from_pretrained(model_id, **kwargs)
