"""Weights on disk: which models have a name, where their files are, how a file is fetched, read, fitted and written.

`open_model` is the door: from a name or a path to a configuration and tensors. `registry` knows the models, `download`
brings a file here, `load` reads it and fits it to a model, `save` writes one. Only this room speaks to the network, and
never for a path on this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sam2_core.checkpoints.load import OpenedModel as OpenedModel
    from sam2_core.checkpoints.load import open_model as open_model

__all__ = ["OpenedModel", "open_model"]


def __getattr__(name: str) -> Any:
    """Return a name of `load`, which imports torch."""
    if name not in __all__:
        raise AttributeError(f"module 'sam2_core.checkpoints' has no attribute {name!r}")
    from sam2_core.checkpoints import load

    return vars(load)[name]
