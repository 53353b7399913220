"""Which weights a fine-tuning may change: whole parts of a model, or small low-rank adapters on its attentions.

Order: `choose_parts` freezes a model but for one part (and, for `adapters`, inserts them) -> `training_mode` before
each step -> `plain_state_dict`, which gives weights in the official layout again.

An adapter adds ``up @ down`` (rank r) to the weight of a projection; ``up`` starts at zero, so that an adapted model
begins as the model that it was. The sum is taken of the weights, not of the outputs: the merged weights are bit for
bit those that the adapted model used. Source of the idea: LoRA (Hu et al. 2021, arXiv:2106.09685).

It does not train: see `finetune`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from sam2_core.modeling.sam2 import Sam2Model

Part = Literal["decoder", "memory", "adapters", "all"]
PARTS: tuple[Part, ...] = ("decoder", "memory", "adapters", "all")

_DECODER = ("sam_mask_decoder.", "sam_prompt_encoder.")
_MEMORY = ("memory_attention.", "memory_encoder.", "obj_ptr", "maskmem_tpos_enc", "no_mem", "no_obj", "mask_downsample")
_DENSE = "dense_head."
_PROJECTIONS = ("q_proj", "k_proj", "v_proj", "out_proj")
_MARK = ".parametrizations."


class LowRankUpdate(nn.Module):
    """A weight (out, in) plus a change of low rank that is learned."""

    def __init__(self, weight: Tensor, rank: int, source: torch.Generator) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        drawn = torch.randn(rank, inputs, generator=source) / inputs**0.5
        self.down = nn.Parameter(drawn.to(weight))
        self.up = nn.Parameter(torch.zeros(outputs, rank).to(weight))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the changed weight (out, in), in full precision also under autocast."""
        with torch.autocast(weight.device.type, enabled=False):
            return weight + self.up @ self.down


def choose_parts(model: Sam2Model, part: Part, rank: int = 8, seed: int = 0) -> dict[str, nn.Parameter]:
    """The parameters that may change, by name; all others stop asking for gradients.

    Parameters
    ----------
    model
        Changed in place; for `adapters` their layers are inserted.
    part
        `decoder`: mask decoder and prompt encoder. `memory`: memory attention, memory encoder, object pointers and
        their tables. `adapters`: low-rank changes of every attention projection. `all`: everything but the dense head,
        which needs frames on which every object has a label.
    rank
        Rank of the adapters, >= 1.
    seed
        Of the adapters' first values.

    Raises
    ------
    ValueError
        If there is no such part.
    """
    if part not in PARTS:
        raise ValueError(f"there is no part {part!r} to train; choose one of {', '.join(PARTS)}")
    if part == "adapters":
        add_adapters(model, rank, seed)
    for name, value in model.named_parameters():
        value.requires_grad_(_belongs(name, part))
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def _belongs(name: str, part: Part) -> bool:
    if part == "adapters":
        return _MARK in name and not name.endswith(".original")
    if part == "all":
        return not name.startswith(_DENSE)
    return name.startswith(_DECODER if part == "decoder" else _MEMORY)


def training_mode(model: nn.Module) -> None:
    """Puts a model in training mode, but for those of its modules whose weights are all frozen."""
    model.train()
    for child in model.children():
        weights = list(child.parameters())
        if weights and not any(weight.requires_grad for weight in weights):
            child.eval()
        elif weights:
            training_mode(child)


def attention_projections(model: Sam2Model) -> Iterator[tuple[str, nn.Linear]]:
    """Names and layers of the projections of every attention: trunk, memory attention, mask decoder."""
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear):
            continue
        in_trunk = name.startswith("image_encoder.trunk.") and name.endswith((".attn.qkv", ".attn.proj"))
        elsewhere = name.startswith(("sam_mask_decoder.", "memory_attention.")) and name.endswith(_PROJECTIONS)
        if in_trunk or elsewhere:
            yield name, module


def add_adapters(model: Sam2Model, rank: int = 8, seed: int = 0) -> tuple[str, ...]:
    """Names of the layers that have an adapter now; one that has one already keeps it.

    Raises
    ------
    ValueError
        If the rank is below 1.
    """
    if rank < 1:
        raise ValueError(f"the rank of adapters is at least 1, got {rank}; 4 to 16 are usual")
    source = torch.Generator().manual_seed(seed)
    layers = list(attention_projections(model))
    for _, layer in layers:
        if not parametrize.is_parametrized(layer, "weight"):
            update = LowRankUpdate(layer.weight.detach(), rank, source)
            parametrize.register_parametrization(layer, "weight", update)
    return tuple(name for name, _ in layers)


def plain_state_dict(model: Sam2Model) -> dict[str, Tensor]:
    """The weights by their official keys in the official order, adapters merged; the model stays as it is."""
    projections = attention_projections(model)
    merged = {name: layer.weight.detach() for name, layer in projections if parametrize.is_parametrized(layer)}
    plain: dict[str, Tensor] = {}
    for key, value in model.state_dict().items():
        layer, _, kind = key.rpartition(".")
        if layer in merged and kind == "bias":  # an adapted layer names its bias first
            plain[f"{layer}.weight"] = merged[layer]
        if _MARK not in key:
            plain[key] = value
    return plain
