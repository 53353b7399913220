"""Snapshots of the predictor's memory in a session folder: safetensors, with the rest as JSON in the file's header.

The two newest are kept: masks reach the disk a moment behind the memory that made them, so the newest snapshot of a
process that was killed may be ahead of the frames that are saved, and the one before it is not.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.engine.engine import KeptSnapshot
from napari_sam2.io.atomic import write_atomically
from napari_sam2.io.mask_log import FrameDone
from napari_sam2.io.saved_session import SavedSnapshot

_KEPT = 2
_VERSION = "1"
_log = logging.getLogger(__name__)


def write_snapshot(folder: Path, snapshot: KeptSnapshot, run_id: str, done: FrameDone) -> Path:
    """Return the file that a snapshot of a run behind a frame was written to; all but the two newest are removed."""
    from safetensors.torch import save

    about = {
        "version": _VERSION,
        "meta": json.dumps(dict(snapshot.meta)),
        "run": run_id,
        "leg": done.leg,
        "frame": str(done.frame),
    }
    files = _files(folder)
    number = int(files[-1].stem.rsplit("-", 1)[1]) + 1 if files else 1
    path = folder / f"snapshot-{number:06d}.safetensors"
    write_atomically(path, save({name: _plain(tensor) for name, tensor in snapshot.tensors.items()}, about))
    for old in _files(folder)[:-_KEPT]:
        old.unlink()
    return path


def read_snapshot(folder: Path, run_id: str, finished: Mapping[str, tuple[int, ...]]) -> SavedSnapshot | None:
    """Return the newest snapshot of a run that lies behind a frame that is finished, or None."""
    for path in reversed(_files(folder)):
        about = _about(path)
        if about is None or about.get("version") != _VERSION:
            _log.info("%s cannot be used; an earlier one is taken, or the run begins again.", path.name)
            continue
        leg, frame = about["leg"], int(about["frame"])
        if about["run"] == run_id and frame in finished.get(leg, ()):
            return SavedSnapshot(path.read_bytes(), json.loads(about["meta"]), leg, frame)
    return None


def remove_snapshots(folder: Path) -> None:
    """Remove all snapshots of a session folder."""
    for path in _files(folder):
        path.unlink()


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("snapshot-*.safetensors"))


def _about(path: Path) -> dict[str, str] | None:
    """Return the text that goes with the tensors, None if the file is not whole."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return file.metadata()
    except (SafetensorError, OSError):
        return None


def _plain(tensor: Any) -> Any:
    """Return a tensor of its own on the CPU, as safetensors wants it."""
    import torch

    own = tensor.detach() if isinstance(tensor, torch.Tensor) else torch.from_numpy(np.array(tensor))
    return own.to("cpu").clone(memory_format=torch.contiguous_format)
