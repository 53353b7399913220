"""What many tests do with a predictor, whichever it is: a run as a table of answers, a snapshot that went to disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from sam2_core.inference.memory.snapshots import Snapshot


def rounding(predictor: Any) -> float:
    """By how much logits may differ that are the same but for rounding, in the precision of a predictor."""
    return 1e-4 if getattr(predictor, "predictor", predictor).precision == "float32" else 0.05


def run(predictor: Any, state: Any, *args: Any, **kwargs: Any) -> dict[int, torch.Tensor]:
    """Logits (O, 1, H, W) of the frames of a run."""
    return {frame: logits.clone() for frame, _, logits in predictor.propagate_in_video(state, *args, **kwargs)}


def run_by_object(predictor: Any, state: Any, *args: Any, **kwargs: Any) -> dict[int, dict[int, np.ndarray]]:
    """Logits (1, H, W) of a run: frame, then object id."""
    return {
        frame: dict(zip(object_ids, np.asarray(logits).copy(), strict=True))
        for frame, object_ids, logits in predictor.propagate_in_video(state, *args, **kwargs)
    }


def through_files(snapshot: Snapshot, folder: Path) -> Snapshot:
    """A snapshot as its files in a folder have it."""
    tensors, words = folder / "state.safetensors", folder / "state.json"
    save_file(snapshot.tensors, tensors)
    words.write_text(json.dumps(snapshot.meta))
    return Snapshot(load_file(tensors), json.loads(words.read_text()))
