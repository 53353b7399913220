"""The weights of a run, or the mean of several, as a file that ships: float16 safetensors with the official key names.

The metadata says which configuration the weights fit, how long they were trained, on what, and under which licence
they are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from sam2_core.checkpoints.load import read_metadata, read_state_dict
from sam2_core.checkpoints.save import save_checkpoint
from sam2_core.errors import CheckpointError
from sam2_core.training.trainer import Trainer


def export_weights(trainer: Trainer, path: Path, data: str, steps_before: int = 0) -> None:
    """Writes the averaged weights of a run, atomically; `steps_before`: of the run whose weights it began with."""
    metadata = {
        "config": trainer.model.config.name,
        "steps": str(steps_before + trainer.step),
        "data": data,
        "licence": "Apache-2.0",
    }
    save_checkpoint(path, trainer.average, metadata, half=True)


def export_mean(paths: Sequence[Path], path: Path) -> None:
    """Writes the mean of exported weights; what is written beside them is that of the last.

    Raises
    ------
    CheckpointError
        No files, or of models with other tensors, or the mean cannot be written.
    """
    if not paths:
        raise CheckpointError("there are no weights to average; give at least one file")
    every = [read_state_dict(each) for each in paths]
    shapes = [{name: value.shape for name, value in weights.items()} for weights in every]
    for other, found in zip(paths, shapes, strict=True):
        if found != shapes[0]:
            raise CheckpointError(f"{other} and {paths[0]} hold other tensors; average weights of one model")
    mean = {name: torch.stack([weights[name] for weights in every]).mean(dim=0) for name in every[0]}
    save_checkpoint(path, mean, read_metadata(paths[-1]), half=True)
