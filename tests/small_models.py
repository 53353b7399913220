"""The small models that tests run on, and a counter of what passes a part of one; `conftest` makes fixtures of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from stand_ins import fill_with_stand_ins

from sam2_core import build_sam2
from sam2_core.config import load_config
from sam2_core.modeling.sam2 import Sam2Model

TINY = Path(__file__).parent / "data" / "tiny.yaml"


def tiny_model() -> Sam2Model:
    """The smallest model that has every part, with stand-in weights."""
    model = Sam2Model(load_config(TINY)).eval()
    fill_with_stand_ins(model)
    return model


def fresh_model(name: str) -> Sam2Model:
    """The tiny model, or one of full width at 128 px, with weights that learned nothing; cells-nano as it ships."""
    if name == "cells-nano":
        return build_sam2(name, name, device="cpu")
    torch.manual_seed(5)
    return Sam2Model(load_config(TINY) if name == "tiny" else load_config(name, image_size=128)).eval()


def reconfigured(model: Sam2Model, **changes: object) -> Sam2Model:
    """A model with the same weights and some fields of its configuration changed."""
    other = Sam2Model(model.config.replace(**changes))
    other.load_state_dict(model.state_dict())
    return other.eval()


def passes(module: torch.nn.Module) -> Iterator[list[int]]:
    """Yield a list that grows by the size of the batch whenever one passes the module."""
    counted: list[int] = []

    def count(module, given, found):
        counted.append(len(found if isinstance(found, torch.Tensor) else found[0]))

    hook = module.register_forward_hook(count)
    yield counted
    hook.remove()
