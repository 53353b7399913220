"""Models on the command line: `session.model_loading`, with a progress bar where weights are fetched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.cli.console import errors
from napari_sam2.engine import model_loading
from napari_sam2.engine.model_loading import OnDownload
from napari_sam2.session.settings import setting

if TYPE_CHECKING:
    from napari_sam2.engine.video_predictor import VideoPredictor
    from sam2_core.checkpoints.registry import ModelEntry

DEFAULT_MODEL: str = setting("model").default


def load_predictor(
    model: str, device: str = "auto", image_size: int | None = None, feature_cache: bool | None = None
) -> VideoPredictor:
    """Return a video predictor with weights, on a device; see `session.model_loading.load_predictor`."""
    with _download_bar() as told:
        return model_loading.load_predictor(model, device, image_size, told, feature_cache)


def config_and_weights(model: str) -> tuple[str, Path]:
    """Return the configuration and the weights file; see `session.model_loading.config_and_weights`."""
    with _download_bar() as told:
        return model_loading.config_and_weights(model, told)


def fetch_with_progress(entry: ModelEntry) -> Path:
    """Return the weights file of a model, downloaded with a progress bar if it is not here."""
    with _download_bar() as told:
        return model_loading.fetched(entry, told)


@contextmanager
def _download_bar() -> Iterator[OnDownload]:
    """Give what a download is told to; the bar is there from the first word on."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bar = Progress(*columns, TimeRemainingColumn(), console=errors())
    tasks = {}

    def told(name: str, done: int, total: int) -> None:
        if name not in tasks:
            bar.start()
            tasks[name] = bar.add_task(f"Downloading {name}", total=total)
        bar.update(tasks[name], completed=done, total=total)

    try:
        yield told
    finally:
        if tasks:
            bar.stop()
