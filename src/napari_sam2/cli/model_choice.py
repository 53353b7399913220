"""Models on the command line: `engine.model_loading`, with a progress bar where weights are fetched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_sam2.cli.console import errors
from napari_sam2.engine import model_loading
from napari_sam2.session.settings import setting

if TYPE_CHECKING:
    from sam2_core.checkpoints.registry import OnDownload
    from sam2_core.inference.video_calls import WholeFramePredictor

DEFAULT_MODEL: str = setting("model").default


def load_predictor(
    model: str, device: str = "auto", image_size: int | None = None, feature_cache: bool | None = None
) -> WholeFramePredictor:
    """Return a video predictor with weights, on a device; see `engine.model_loading.load_predictor`."""
    with download_bar() as told:
        return model_loading.load_predictor(model, device, image_size, told, feature_cache)


@contextmanager
def download_bar() -> Iterator[OnDownload]:
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
