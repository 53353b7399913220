"""From the name of a model, or the path of a checkpoint, to a predictor that is ready to track.

A name is looked up in the registry and its weights fetched if they are not here, with a callback for progress; of a
path, the configuration is told from the tensors. torch is imported inside the functions only, so on whatever thread
calls them: in a session that is the lane.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sam2_core.errors import CheckpointError

if TYPE_CHECKING:
    from sam2_core.checkpoints.registry import ModelEntry
    from sam2_core.inference.video_predictor import SAM2VideoPredictor

OnDownload = Callable[[str, int, int], None]
"""Called with the name of the model, the bytes that are here, and the bytes in all."""
CHECKPOINTS = (".pt", ".pth", ".safetensors")


def _silent(name: str, done: int, total: int) -> None:
    """Nobody wants to know how far a download is."""


def load_predictor(
    model: str,
    device: str = "auto",
    image_size: int | None = None,
    on_download: OnDownload = _silent,
    feature_cache: bool | None = None,
) -> SAM2VideoPredictor:
    """Return a video predictor with weights, on a device.

    Parameters
    ----------
    model
        Name of a model (see `napari-sam2 models`), or path of a .pt or .safetensors file.
    device
        "auto", or what torch accepts: "cpu", "cuda", "cuda:1", "mps".
    image_size
        Side of the square model input in pixels, a multiple of 32; that of the configuration if None.
    on_download
        Told how far the download is, where there is one.
    feature_cache
        Keep image features in the user's cache folder, and find them there; None does so where that saves much time.

    Raises
    ------
    CheckpointError
        If there is no such model, its weights cannot be had, or the device is not there.
    """
    from sam2_core.build import build_sam2_video_predictor

    config, weights = config_and_weights(model, on_download)
    try:
        return build_sam2_video_predictor(
            config, weights, device=device, image_size=image_size, feature_cache=feature_cache
        )
    except CheckpointError:
        raise
    except (AssertionError, RuntimeError) as error:  # torch's ways of saying that a device is not there
        raise CheckpointError(f"{model} cannot be used on device {device!r}: {error}") from error


def config_and_weights(model: str, on_download: OnDownload = _silent) -> tuple[str, Path]:
    """Return the configuration and the weights file of a model's name or a checkpoint's path, fetched if need be.

    Raises
    ------
    CheckpointError
        If there is no such model, or its weights cannot be had.
    """
    from sam2_core.checkpoints.load import read_state_dict, resolve_checkpoint
    from sam2_core.checkpoints.registry import find_model
    from sam2_core.checkpoints.signature import infer_config

    if not model.lower().endswith(CHECKPOINTS) and not Path(model).is_file():
        entry = find_model(model)
        return entry.config, fetched(entry, on_download)
    path = resolve_checkpoint(Path(model), download=False)
    config = infer_config(read_state_dict(path))
    if config is None:
        raise CheckpointError(
            f"{path.name} fits none of the configurations that ship; register it with its own configuration "
            "(sam2_core.checkpoints.registry.add_model), then give its name."
        )
    return config, path


def fetched(entry: ModelEntry, on_download: OnDownload = _silent) -> Path:
    """Return the weights file of a model, downloaded if it is not here.

    Raises
    ------
    CheckpointError
        If it cannot be had.
    """
    from sam2_core.checkpoints.download import fetch, local_file
    from sam2_core.checkpoints.registry import checkpoints_folder

    if entry.is_local or (checkpoints_folder() / entry.filename).is_file():
        return local_file(entry)
    return fetch(entry, lambda done, total: on_download(entry.name, done, total or entry.size_bytes or 0))
