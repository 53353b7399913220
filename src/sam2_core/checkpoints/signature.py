"""Which shipped configuration a state dict belongs to, told from its keys and shapes.

A signature holds the sizes that leave a trace in the tensors. It is read once from the tensors and once from every
shipped configuration, and the two are compared. No model is built and no value of a tensor is looked at. What leaves
no trace in shapes (image size, window sizes, number of heads) cannot be told apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Protocol

from sam2_core.config import ModelConfig, config_names, load_config

_BLOCK = re.compile(r"image_encoder\.trunk\.blocks\.(\d+)\.")
_STAGE_START = re.compile(r"image_encoder\.trunk\.blocks\.(\d+)\.proj\.weight")
_MEMORY_LAYER = re.compile(r"memory_attention\.layers\.(\d+)\.")
_DECODER_LAYER = re.compile(r"sam_mask_decoder\.transformer\.layers\.(\d+)\.")


class Shaped(Protocol):
    """Anything with a shape: a tensor, an array, a record of one."""

    @property
    def shape(self) -> Sequence[int]:
        """Lengths of the axes."""
        ...


Signature = dict[str, int | tuple[int, ...]]
"""The sizes of a model that its tensors show, by name; the last three are groups of tensors that are there or not."""


def infer_config(state_dict: Mapping[str, Shaped]) -> str | None:
    """The shipped configuration whose sizes the tensors have, None if there is none.

    Returns the official spelling, e.g. ``configs/sam2.1/sam2.1_hiera_t.yaml``; the first of several that agree.
    """
    try:
        found = signature_of_tensors(state_dict)
    except (KeyError, IndexError):  # a tensor that every SAM 2 has is missing, or has too few axes
        return None
    return next((name for name in config_names() if signature_of_config(load_config(name)) == found), None)


def signature_of_config(config: ModelConfig) -> Signature:
    """The signature that a model of this configuration has."""
    return Signature(
        embed_dim=config.trunk.embed_dim,
        stages=config.trunk.stages,
        background=config.trunk.window_pos_embed_bkg_spatial_size,
        d_model=config.d_model,
        mem_dim=config.mem_dim,
        num_maskmem=config.num_maskmem,
        memory_layers=config.memory_attention.num_layers,
        memory_feedforward=config.memory_attention.feedforward_dim,
        decoder_layers=config.mask_decoder.depth,
        decoder_mlp=config.mask_decoder.mlp_dim,
        temporal_pointers=config.pointers.temporal_encoding,
        absent_memory=config.no_obj_embed_spatial,
        detail_branch=bool(config.detail_widths),
    )


def signature_of_tensors(state_dict: Mapping[str, Shaped]) -> Signature:
    """The signature that the tensors of a SAM 2 model have."""
    position = state_dict["image_encoder.trunk.pos_embed"].shape  # (1, C, h, w)
    memory_times = state_dict["maskmem_tpos_enc"].shape  # (num_maskmem, 1, 1, mem_dim)
    return Signature(
        embed_dim=position[1],
        stages=_stages(state_dict),
        background=tuple(position[2:]),
        d_model=state_dict["no_mem_embed"].shape[-1],
        mem_dim=memory_times[-1],
        num_maskmem=memory_times[0],
        memory_layers=len(_indices(_MEMORY_LAYER, state_dict)),
        memory_feedforward=state_dict["memory_attention.layers.0.linear1.weight"].shape[0],
        decoder_layers=len(_indices(_DECODER_LAYER, state_dict)),
        decoder_mlp=state_dict["sam_mask_decoder.transformer.layers.0.mlp.layers.0.weight"].shape[0],
        temporal_pointers="obj_ptr_tpos_proj.weight" in state_dict,
        absent_memory="no_obj_embed_spatial" in state_dict,
        detail_branch=any(key.startswith("detail_branch.") for key in state_dict),
    )


def _stages(state_dict: Mapping[str, Shaped]) -> tuple[int, ...]:
    """Blocks of each stage: a stage begins where a block changes the number of channels."""
    starts = [0, *_indices(_STAGE_START, state_dict), len(_indices(_BLOCK, state_dict))]
    return tuple(stop - start for start, stop in pairwise(starts))


def _indices(pattern: re.Pattern[str], keys: Mapping[str, Shaped]) -> list[int]:
    return sorted({int(match[1]) for match in map(pattern.match, keys) if match})
