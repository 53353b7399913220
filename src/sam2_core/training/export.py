"""The weights of a run as a file that ships: float16 safetensors with the official key names.

The metadata says which configuration the weights fit, how long they were trained, on what, and under which licence
they are given.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors.torch import save_file

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
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata=metadata)
    partial.chmod(0o644)
    os.replace(partial, path)
