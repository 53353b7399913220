"""Weights into a file that every loader of SAM 2 checkpoints can read: whole, or not at all.

The ending of the name chooses the format: ``.safetensors``, or the official layout ``{"model": tensors}`` for ``.pt``.
The file is written beside its place under another name and moved there when it is complete. Keys stay as they are.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from sam2_core.errors import CheckpointError

_FORMATS = (".safetensors", ".pt", ".pth")


def save_checkpoint(
    path: str | Path,
    state_dict: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
    *,
    half: bool = False,
) -> Path:
    """The file that now holds `state_dict`; an older one of that name is replaced at the end.

    Parameters
    ----------
    path
        Ends with ``.safetensors``, ``.pt`` or ``.pth``.
    state_dict
        Tensors by their official keys, on any device.
    metadata
        Text stored beside the tensors, e.g. ``{"config": "configs/cells/cells_nano.yaml"}``.
    half
        Store floating point tensors as float16: half the size, raised to float32 again when loaded.

    Raises
    ------
    CheckpointError
        If the ending is unknown, a value does not fit float16, or the file cannot be written.
    """
    path = Path(path).expanduser()
    if path.suffix not in _FORMATS:
        raise CheckpointError(f"cannot save weights as {path.name}; name the file {' or '.join(_FORMATS)}")
    tensors = {key: _stored(key, tensor, half) for key, tensor in state_dict.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_atomically(path, tensors, dict(metadata or {}))
    except OSError as error:
        raise CheckpointError(
            f"cannot write {path} ({error}); choose a folder that you may write and that has room"
        ) from error
    return path


def _write_atomically(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    temporary.touch(exist_ok=False)  # made as the umask says, unlike what tempfile makes
    try:
        if path.suffix == ".safetensors":
            save_file(tensors, temporary, metadata={"format": "pt", **metadata})
        else:
            torch.save({"model": tensors, "metadata": metadata} if metadata else {"model": tensors}, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _stored(key: str, tensor: Tensor, half: bool) -> Tensor:
    """A copy of its own in main memory: tensors that share storage would be stored twice or refused."""
    copied = tensor.detach().to("cpu", copy=True).contiguous()
    if not (half and copied.is_floating_point()):
        return copied
    stored = copied.to(torch.float16)
    if not torch.equal(stored.isfinite(), copied.isfinite()):
        raise CheckpointError(
            f"{key} reaches {copied.abs().max().item():g}, too large for float16; save in full precision"
        )
    return stored
