"""From the name of a model to a predictor that a session works with.

A `Loader` keeps the model that was loaded last, so that another contrast or view does not load it again. It loads on
the thread that asks, which in a session is the lane.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from napari_sam2.engine.foreign_predictor import taken_in
from napari_sam2.engine.model_loading import OnDownload, load_predictor
from sam2_core.inference.video_calls import WholeFramePredictor

Wanted = tuple[str, str, bool | None, int | None]
"""Model, device, whether features are kept, and side of the model's input."""


class Loader:
    """Makes predictors for settings.

    Parameters
    ----------
    predictor
        Instead of a model: a video predictor, or a function that makes one; see `foreign_predictor`.
    """

    def __init__(self, predictor: object = None) -> None:
        self.on_download: OnDownload | None = None
        self._given = predictor
        self._made: tuple[Wanted, WholeFramePredictor] | None = None

    def asked(
        self, model: str, device: str, feature_cache: bool | None, image_size: int | None = None
    ) -> Callable[[], WholeFramePredictor]:
        """Return a function that makes the predictor that is named, or returns the one made before."""
        wanted = (model, device, feature_cache, image_size)
        return lambda: self._predictor(wanted)

    def _predictor(self, wanted: Wanted) -> WholeFramePredictor:
        if self._made is None or self._made[0] != wanted:
            self._made = None  # two models need not fit beside each other
            self._made = (wanted, self._load(*wanted))
        return self._made[1]

    def _load(self, model: str, device: str, feature_cache: bool | None, image_size: int | None) -> WholeFramePredictor:
        if self._given is not None:
            return taken_in(self._given)
        predictor = load_predictor(
            model, device, image_size=image_size, on_download=self._told, feature_cache=feature_cache
        )
        leave_a_core()
        return predictor

    def _told(self, name: str, done: int, total: int) -> None:
        if self.on_download is not None:
            self.on_download(name, done, total)


def leave_a_core() -> None:
    """Have torch compute with one thread less than there are cores, unless OMP_NUM_THREADS says how many.

    The threads of a layer wait for one another by spinning, so a core that they share with a window or with another
    program slows all of them down: measured on two cores beside one busy process, 3.2 s a click instead of 0.01 s.
    """
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 1) - 1)))
