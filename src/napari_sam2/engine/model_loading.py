"""From the name of a model, or the path of a checkpoint, to a predictor that is ready to track.

`sam2_core.checkpoints.open_model` finds and reads the weights, with a callback for progress where they are fetched.
torch is imported inside the functions only, so on whatever thread calls them: in a session that is the lane.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sam2_core.checkpoints.registry import OnDownload as OnDownload
from sam2_core.errors import CheckpointError

if TYPE_CHECKING:
    from sam2_core.inference.video_predictor import SAM2VideoPredictor


def load_predictor(
    model: str,
    device: str = "auto",
    image_size: int | None = None,
    on_download: OnDownload | None = None,
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
    from sam2_core.checkpoints import open_model

    opened = open_model(model, on_download)
    with on_device(model, device, "used"):
        return build_sam2_video_predictor(
            opened.config,
            opened,
            device=device,
            image_size=image_size,
            feature_cache=feature_cache,
            follow_drift=True,
        )


@contextmanager
def on_device(model: str, device: str, done: str) -> Iterator[None]:
    """Raise torch's ways of saying that a device is not there as an error that names model, device and what is done.

    Raises
    ------
    CheckpointError
        If the device is not there.
    """
    try:
        yield
    except CheckpointError:
        raise
    except (AssertionError, RuntimeError) as error:
        advice = "" if device in ("auto", "cpu") else "; choose auto or cpu, or install a torch for that device"
        raise CheckpointError(f"{model} cannot be {done} on device {device!r}: {error}{advice}.") from error
