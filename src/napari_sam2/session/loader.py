"""From settings to what a session works with: the movie, the predictor, and what the predictor looks at.

A `Loader` keeps the model that was loaded last, so that another contrast or view does not load it again. It loads on
the thread that asks, which in a session is the lane.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from napari_sam2.session.document import Document, PromptKey
from napari_sam2.session.mask_store import MaskStore
from napari_sam2.session.model_loading import OnDownload, load_predictor
from napari_sam2.session.prompts import Prompt, typical_diameter
from napari_sam2.session.settings import SessionSettings
from napari_sam2.session.stored_masks import MaskStatus, StoredMask
from napari_sam2.session.view import ViewRequest
from napari_sam2.stacks import ContrastLimits, ModelMovie, Stack


class Loader:
    """Makes predictors for settings.

    Parameters
    ----------
    predictor
        Instead of a model: a video predictor, or a function that makes one.
    """

    def __init__(self, predictor: Any = None) -> None:
        self.on_download: OnDownload | None = None
        self._given = predictor
        self._made: tuple[tuple[str, str, bool | None], Any] | None = None

    def asked(self, settings: SessionSettings) -> Callable[[], Any]:
        """Return a function that makes the predictor of these settings, or returns the one made before."""
        wanted = (settings.model, settings.device, settings.feature_cache.option)
        return lambda: self._predictor(wanted)

    def _predictor(self, wanted: tuple[str, str, bool | None]) -> Any:
        if self._made is None or self._made[0] != wanted:
            self._made = None  # two models need not fit beside each other
            self._made = (wanted, self._load(*wanted))
        return self._made[1]

    def _load(self, model: str, device: str, feature_cache: bool | None) -> Any:
        if self._given is not None:
            return self._given if hasattr(self._given, "init_state") else self._given()
        predictor = load_predictor(model, device, on_download=self._told, feature_cache=feature_cache)
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


def movie_of(stack: Stack, settings: SessionSettings) -> ModelMovie:
    """Return the frames of a stack as the model sees them.

    Raises
    ------
    StackError
        If the settings name an axis, an index or a channel that is not there.
    """
    limits = None
    if settings.contrast_limits is not None:
        low, high = zip(*settings.contrast_limits, strict=True)
        limits = ContrastLimits(low, high)
    movie = stack.movie(settings.track_axis, settings.channels, settings.fixed)
    return ModelMovie(movie, limits, even_out=settings.even_out)


def look_of(settings: SessionSettings, document: Document, masks: MaskStore) -> ViewRequest:
    """Return what the model is to look at, and how large an object is as far as settings, prompts or masks tell."""
    if settings.object_diameter_px is not None:
        return ViewRequest(settings.view, settings.object_diameter_px, "as given")
    if settings.estimated_diameter_px is not None:
        return ViewRequest(settings.view, settings.estimated_diameter_px, "estimated from the first prompts")
    return ViewRequest(settings.view, _prompted_diameter(document, masks), "estimated from the first prompts")


def _prompted_diameter(document: Document, masks: MaskStore) -> float | None:
    """Return the median diameter of the objects by their first prompts, None if nothing tells it yet.

    A mask or a box tells it by itself; clicks do once they have a mask.
    """
    firsts: dict[int, Prompt] = {}
    for (object_id, _), prompt in document.prompts.items():
        firsts.setdefault(object_id, prompt)
    known = [typical_diameter([prompt]) or _mask_diameter(masks.get(_key(prompt))) for prompt in firsts.values()]
    found = [diameter for diameter in known if diameter is not None]
    return max(1.0, float(np.median(found))) if found else None


def _key(prompt: Prompt) -> PromptKey:
    return prompt.object_id, prompt.frame


def _mask_diameter(mask: StoredMask | None) -> float | None:
    """Return the diameter of the disc of a prompted mask's area, None where there is none that holds."""
    if mask is None or mask.is_empty or mask.status is not MaskStatus.prompted:
        return None
    return math.sqrt(4 * np.count_nonzero(mask.codes()) / math.pi)
