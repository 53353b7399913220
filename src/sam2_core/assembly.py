"""Models from a configuration and weights, and what the official arguments of a predictor mean.

The predictors stand above this file and ask it for what they are made of; the official builders are in `build`.
Nothing happens at import, no global state is touched, and a path to a checkpoint never reaches for the network.
Source of names and defaults: ``sam2/build_sam.py`` (facebookresearch/sam2, 2b90b9f); there ``device`` defaults to
``"cuda"``.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from sam2_core.checkpoints.load import OpenedModel, fit, open_model, read_state_dict, resolve_checkpoint
from sam2_core.config import ModelConfig, load_config
from sam2_core.modeling.sam2 import Sam2Model

logger = logging.getLogger(__name__)

Weights = str | Path | OpenedModel | None
"""A file, the name of a registered model, or what `open_model` read; None for random weights."""


def build_model(config: ModelConfig) -> Sam2Model:
    """Return a model with random weights, on the CPU, in eval mode."""
    return Sam2Model(config).eval()


def build_sam2(  # noqa: PLR0913 - the official signature
    config_file: str | Path,
    ckpt_path: Weights = None,
    device: str | torch.device = "auto",
    mode: str = "eval",
    hydra_overrides_extra: Sequence[str] = (),
    apply_postprocessing: bool = True,
    *,
    image_size: int | None = None,
) -> Sam2Model:
    """Return the model of a configuration, with the checkpoint's weights.

    Parameters
    ----------
    config_file
        ``configs/sam2.1/sam2.1_hiera_l.yaml`` and its siblings, a bare name, or the path of a file.
    ckpt_path
        A file (``.pt`` or ``.safetensors``), the name of a registered model, or what `checkpoints.open_model` returned;
        None leaves the weights random.
    device
        ``auto`` (CUDA, else MPS, else CPU) or what torch accepts.
    mode
        ``eval`` or ``train``.
    hydra_overrides_extra
        Official override strings, of which the fields in `OVERRIDES` are known.
    apply_postprocessing
        Let an unstable single mask step aside for the best of three (``dynamic_multimask``).
    image_size
        Side of the square model input, a multiple of 32; the configuration's where None.

    Raises
    ------
    FileNotFoundError
        No such configuration.
    CheckpointError
        The checkpoint is missing, broken, or of another model.
    """
    overrides = parse_overrides(hydra_overrides_extra)
    config = load_config(config_file, overrides.get("image_size") if image_size is None else image_size)
    decoder = dataclasses.replace(config.mask_decoder, dynamic_multimask=apply_postprocessing)
    config = config.replace(mask_decoder=decoder)
    model = build_model(config) if ckpt_path is None else _with_weights(config, ckpt_path)
    return model.to(pick_device(device)).train(mode == "train")


def _with_weights(config: ModelConfig, weights: str | Path | OpenedModel) -> Sam2Model:
    """Return the model with weights; one without a dense head where they were saved before there was one."""
    if isinstance(weights, OpenedModel):
        tensors, path = weights.tensors, weights.path
    else:
        path = resolve_checkpoint(weights)
        tensors = read_state_dict(path)
    if config.dense_widths and not any(key.startswith("dense_head.") for key in tensors):
        logger.warning("%s is of before the dense head: this model finds cells by a grid of points instead", path.name)
        config = config.replace(dense_widths=())
    model = build_model(config)
    fit(model, tensors, path)
    model.weights_path = path
    return model


def predictor_parts(
    config_file: str | Path,
    ckpt_path: Weights = None,
    *,
    hydra_overrides_extra: Sequence[str] = (),
    apply_postprocessing: bool = True,
    vos_optimized: bool = False,
    **given: Any,
) -> tuple[Sam2Model, dict[str, Any]]:
    """Return model and options of a video predictor from the arguments of `build.build_sam2_video_predictor`."""
    shared: dict[str, Any] = {name: given.pop(name) for name in ("device", "mode", "image_size") if name in given}
    shared |= {"hydra_overrides_extra": hydra_overrides_extra, "apply_postprocessing": apply_postprocessing}
    model = build_sam2(config_file, ckpt_path, **shared)
    defaults: dict[str, Any] = {"fill_hole_area": 8, "binarize_prompted_masks": True} if apply_postprocessing else {}
    overrides = {key: value for key, value in parse_overrides(hydra_overrides_extra).items() if key != "image_size"}
    if vos_optimized:
        defaults |= _compiled_for(model.device)
    return model, {**defaults, **overrides, **given}


def _compiled_for(device: torch.device) -> dict[str, Any]:
    if device.type == "cuda":
        return {"compile": "default"}
    logger.warning(
        "vos_optimized compiles on CUDA devices only, not on %s; the predictor gives the same numbers without it, and "
        'compile="default" compiles here too',
        device,
    )
    return {}


BUILD_ARGUMENTS = ("device", "mode", "hydra_overrides_extra", "apply_postprocessing", "image_size")
"""Of those that `from_pretrained` is given, the ones that `build_sam2` takes."""


def build_sam2_hf(model_id: str, **kwargs: Any) -> Sam2Model:
    """Return the model of a Hugging Face id (``facebook/sam2.1-hiera-tiny``) or a registered name, fetched first."""
    opened = open_model(model_id)
    return build_sam2(opened.config, opened, **kwargs)


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """Return the device: for ``auto`` CUDA, else MPS, else CPU."""
    if str(device) != "auto":
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


OVERRIDES = {
    "image_size": "image_size",
    "fill_hole_area": "fill_hole_area",
    "non_overlap_masks": "non_overlap_masks",
    "max_cond_frames_in_attn": "max_conditioning_frames",
    "add_all_frames_to_correct_as_cond": "corrections_condition",
    "binarize_mask_from_pts_for_mem_enc": "binarize_prompted_masks",
}
"""Official ``++model.FIELD=VALUE`` overrides that have a counterpart here."""


def parse_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """Return official override strings as our options.

    Raises
    ------
    ValueError
        An override that has no counterpart; the message lists those that have.
    """
    parsed = {}
    for text in overrides:
        key, _, value = text.lstrip("+").partition("=")
        name = OVERRIDES.get(key.removeprefix("model."))
        if name is None:
            raise ValueError(
                f"override {text!r} has no counterpart here; known are {sorted(OVERRIDES)}, as ++model.FIELD=VALUE"
            )
        parsed[name] = yaml.safe_load(value)
    return parsed
