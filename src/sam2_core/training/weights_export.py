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

_HEAD = "dense_head."
_DECODER = ("sam_mask_decoder.", "sam_prompt_encoder.")


def export_weights(trainer: Trainer, path: Path, data: str, steps_before: int = 0) -> None:
    """Writes the averaged weights of a run, atomically; `steps_before`: of the run whose weights it began with."""
    metadata = {
        "config": trainer.model.config.name,
        "steps": str(steps_before + trainer.step),
        "data": data,
        "licence": "Apache-2.0",
    }
    save_checkpoint(path, trainer.average, metadata, half=True)


def export_mean(
    paths: Sequence[Path], path: Path, decoder_shares: Sequence[float] | None = None, head: Path | None = None
) -> None:
    """Writes the mean of exported weights; what is written beside them is that of the last.

    Parameters
    ----------
    paths
        The weights, all with the same share.
    path
        Where the mean is written.
    decoder_shares
        How much each counts in the mask decoder and prompt encoder, where that is another share than elsewhere.
    head
        Weights whose dense head is kept as it is; the mean of all where None.

    Raises
    ------
    CheckpointError
        No files, or of models with other tensors, or not a share for each, or the mean cannot be written.
    """
    if not paths:
        raise CheckpointError("there are no weights to average; give at least one file")
    if decoder_shares is not None and (len(decoder_shares) != len(paths) or sum(decoder_shares) <= 0):
        raise CheckpointError(f"{list(decoder_shares)} is not a share for each of {len(paths)} weights")
    every = [read_state_dict(each) for each in paths]
    shapes = [{name: value.shape for name, value in weights.items()} for weights in every]
    for other, found in zip(paths, shapes, strict=True):
        if found != shapes[0]:
            raise CheckpointError(f"{other} and {paths[0]} hold other tensors; average weights of one model")
    equal = [1.0] * len(paths)
    mean = {
        name: _mean([weights[name] for weights in every], (name.startswith(_DECODER) and decoder_shares) or equal)
        for name in every[0]
    }
    if head is not None:
        mean |= {name: value for name, value in read_state_dict(head).items() if name.startswith(_HEAD)}
    save_checkpoint(path, mean, read_metadata(paths[-1]), half=True)


def _mean(values: Sequence[torch.Tensor], shares: Sequence[float]) -> torch.Tensor:
    whole = sum(shares)
    return torch.stack([value * (share / whole) for value, share in zip(values, shares, strict=True)]).sum(dim=0)
