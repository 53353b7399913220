"""The weights of a run, or the mean of several, as a file that ships: float16 safetensors with the official key names.

The metadata says which configuration the weights fit, how long they were trained, on what, and under which licence
they are given.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from sam2_core.errors import CheckpointError
from sam2_core.training.trainer import Trainer


def export_weights(trainer: Trainer, path: Path, data: str, licence: str = "Apache-2.0", steps_before: int = 0) -> None:
    """Writes the averaged weights of a run, atomically; `steps_before`: of the run whose weights it began with."""
    tensors = {name: value.to(torch.float16).cpu().contiguous() for name, value in trainer.averaged_state().items()}
    metadata = {
        "format": "pt",
        "config": trainer.model.config.name,
        "steps": str(steps_before + trainer.step),
        "data": data,
        "licence": licence,
    }
    _save(tensors, path, metadata)


def export_mean(paths: Sequence[Path], path: Path) -> None:
    """Writes the mean of exported weights; what is written beside them is that of the last.

    Raises
    ------
    CheckpointError
        No files, or of models with other tensors.
    """
    if not paths:
        raise CheckpointError("there are no weights to average; give at least one file")
    every = [load_file(each) for each in paths]
    shapes = [{name: value.shape for name, value in weights.items()} for weights in every]
    for other, found in zip(paths, shapes, strict=True):
        if found != shapes[0]:
            raise CheckpointError(f"{other} and {paths[0]} hold other tensors; average weights of one model")
    with safe_open(paths[-1], "pt") as last:
        metadata = last.metadata() or {}
    mean = {name: torch.stack([weights[name].float() for weights in every]).mean(dim=0) for name in every[0]}
    _save({name: value.to(torch.float16) for name, value in mean.items()}, path, metadata)


def _save(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata=metadata)
    partial.chmod(0o644)
    os.replace(partial, path)
