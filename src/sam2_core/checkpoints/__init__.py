"""Weights on disk: which models have a name, where their files are, how a file is fetched, read, fitted and written.

`open_model` is the door: from a name or a path to a configuration and tensors. `registry` knows the models, `download`
brings a file here, `load` reads it and fits it to a model, `save` writes one; `identity` says which weights a file
holds. Only this room speaks to the network, and never for a path on this machine.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sam2_core.checkpoints.identity import WeightsId as WeightsId
    from sam2_core.checkpoints.identity import weights_here as weights_here
    from sam2_core.checkpoints.load import OpenedModel as OpenedModel
    from sam2_core.checkpoints.load import open_model as open_model

__all__ = ["OpenedModel", "WeightsId", "open_model", "weights_here"]

_OF_LOAD = ("OpenedModel", "open_model")


def __getattr__(name: str) -> Any:
    """Return a public name; those of `load` import torch."""
    if name not in __all__:
        raise AttributeError(f"module 'sam2_core.checkpoints' has no attribute {name!r}")
    return vars(import_module(f"{__name__}.{'load' if name in _OF_LOAD else 'identity'}"))[name]
