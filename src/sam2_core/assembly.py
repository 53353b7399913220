"""Models from a configuration and weights, and what the official arguments of a predictor mean.

The predictors stand above this file and ask it for what they are made of; the official builders are in `build`.
Nothing happens at import, no global state is touched, and a path to a checkpoint never reaches for the network.
Source of names and defaults: ``sam2/build_sam.py`` (facebookresearch/sam2, 2b90b9f); there ``device`` defaults to
``"cuda"``.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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
        Official override strings; see `parse_overrides`.
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
    config = _changed(load_config(config_file), {"mask_decoder.dynamic_multimask": apply_postprocessing})
    config = _changed(config, overrides.config if image_size is None else overrides.config | {"image_size": image_size})
    _check_same(overrides.fixed, config)
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
    if vos_optimized:
        defaults |= _compiled_for(model.device)
    return model, {**defaults, **parse_overrides(hydra_overrides_extra).options, **given}


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
    "fill_hole_area": "fill_hole_area",
    "non_overlap_masks": "non_overlap_masks",
    "max_cond_frames_in_attn": "max_conditioning_frames",
    "add_all_frames_to_correct_as_cond": "corrections_condition",
    "binarize_mask_from_pts_for_mem_enc": "binarize_prompted_masks",
}
"""Official fields that are options of a video predictor here."""
CONFIG_OVERRIDES = {
    "image_size": "image_size",
    "num_maskmem": "num_maskmem",
    "memory_temporal_stride_for_eval": "memory_stride",
    "max_obj_ptrs_in_encoder": "pointers.max_in_memory",
    "sigmoid_scale_for_mem_enc": "memory_encoder.sigmoid_scale",
    "sigmoid_bias_for_mem_enc": "memory_encoder.sigmoid_bias",
    "multimask_output_in_sam": "mask_decoder.multimask",
    "multimask_output_for_tracking": "mask_decoder.multimask_for_tracking",
    "multimask_min_pt_num": "mask_decoder.multimask_least_points",
    "multimask_max_pt_num": "mask_decoder.multimask_most_points",
    "sam_mask_decoder_extra_args.dynamic_multimask_via_stability": "mask_decoder.dynamic_multimask",
    "sam_mask_decoder_extra_args.dynamic_multimask_stability_delta": "mask_decoder.stability_delta",
    "sam_mask_decoder_extra_args.dynamic_multimask_stability_thresh": "mask_decoder.stability_threshold",
}
"""Official fields that are fields of a configuration here."""
FIXED: dict[str, tuple[object, ...]] = {
    "backbone_stride": (16,),
    "clear_non_cond_mem_around_input": (False,),
    "compile_image_encoder": (False,),
    "directly_add_no_mem_embed": (True,),
    "fixed_no_obj_ptr": (True,),
    "iou_prediction_use_sigmoid": (True,),
    "non_overlap_masks_for_mem_enc": (False, True),  # officially without effect: objects are remembered one at a time
    "only_obj_ptrs_in_the_past_for_eval": (True,),
    "pred_obj_scores": (True,),
    "pred_obj_scores_mlp": (True,),
    "soft_no_obj_ptr": (False,),
    "use_high_res_features_in_sam": (True,),
    "use_mask_input_as_output_without_sam": (True,),
    "use_mlp_for_obj_ptr_proj": (True,),
    "use_multimask_token_for_obj_ptr": (True,),
    "use_obj_ptrs_in_encoder": (True,),
}
"""Official fields that every model here has one value of."""
OF_THE_VERSION: dict[str, Callable[[ModelConfig], object]] = {
    "add_tpos_enc_to_obj_ptrs": lambda config: config.pointers.temporal_encoding,
    "no_obj_embed_spatial": lambda config: config.no_obj_embed_spatial,
    "proj_tpos_enc_in_obj_ptrs": lambda config: config.pointers.temporal_encoding,
    "use_signed_tpos_enc_to_obj_ptrs": lambda config: config.pointers.temporal_encoding,
}
"""Official fields that tell 2.1 from 2.0."""
BUILT_IN = frozenset({*CONFIG_OVERRIDES, *FIXED, *OF_THE_VERSION})
"""Official fields that are decided while a model is built."""


class Overrides(NamedTuple):
    """Official overrides by our names: of fields of the configuration, of options of a video predictor, and, by the
    official names, of what cannot be chosen here.
    """

    config: dict[str, Any]
    options: dict[str, Any]
    fixed: dict[str, Any]


def parse_overrides(overrides: Sequence[str]) -> Overrides:
    """Return official override strings, ``++model.FIELD=VALUE``, as our options.

    Raises
    ------
    ValueError
        An override that has no counterpart; the message lists those that have.
    """
    parsed = Overrides({}, {}, {})
    for text in overrides:
        key, _, value = text.lstrip("+").partition("=")
        name = key.removeprefix("model.")
        if name in CONFIG_OVERRIDES:
            parsed.config[CONFIG_OVERRIDES[name]] = yaml.safe_load(value)
        elif name in OVERRIDES:
            parsed.options[OVERRIDES[name]] = yaml.safe_load(value)
        elif name in BUILT_IN:
            parsed.fixed[name] = yaml.safe_load(value)
        else:
            known = sorted({*OVERRIDES, *BUILT_IN})
            raise ValueError(f"override {text!r} has no counterpart here; known are {known}, as ++model.FIELD=VALUE")
    return parsed


def _changed(config: ModelConfig, changes: Mapping[str, Any]) -> ModelConfig:
    """Return a configuration with other values in some fields, of its own or of its sections (``section.field``)."""
    for path, value in changes.items():
        section, _, name = path.rpartition(".")
        if section:
            name, value = section, dataclasses.replace(getattr(config, section), **{name: value})
        config = config.replace(**{name: value})
    return config


def _check_same(fixed: Mapping[str, Any], config: ModelConfig) -> None:
    """Pass for official fields that have the value that the model has anyway.

    Raises
    ------
    ValueError
        Another value.
    """
    for name, value in fixed.items():
        known = FIXED[name] if name in FIXED else (OF_THE_VERSION[name](config),)
        if value not in known:
            raise ValueError(f"++model.{name}={value} is not possible here; {config.name} has {known[0]}")
