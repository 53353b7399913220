"""How large small clicked cells are: measured in windows, where whole frames show them too coarsely.

On a whole frame a click on a small cell is answered by the clump around it, and the size of that mask asks for no
window. So the first clicked objects are looked at once more, each in a window made for a small cell. Where those masks
are much smaller, alike, and well inside their windows, they tell the size. That follows from the prompts alone, not
from what was looked at before.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from napari_sam2.document.prompt import Prompt, typical_diameter
from napari_sam2.engine.give_prompt import give_prompt
from napari_sam2.engine.prompted_state import diameter_of, patch_of
from napari_sam2.engine.view import is_small
from napari_sam2.stacks import ModelMovie
from sam2_core.inference.video_calls import TrackingState, VideoPredictor, WholeFramePredictor
from sam2_core.windowed.window import WIDEST

SMALL_PX = 22.0
"""Diameter of a cell that the windows are made for; cells from half to twice as large are measured well in them."""
ASKED = 3
"""So many clicked objects are measured, those of the first frames and of the lowest ids."""
MUCH_LARGER = 2.0
"""Masks of whole frames whose typical area exceeds that of the windows by this factor are not believed."""
ALIKE = 3.0
"""Factor by which the diameters of the cells that are measured may differ."""


class ClickedSizes:
    """Diameters of clicked objects as a predictor finds them, each prompt looked at once."""

    def __init__(self, predictor: WholeFramePredictor, movie: ModelMovie) -> None:
        from sam2_core.windowed.windowed_predictor import WindowedPredictor  # needs torch, as a predictor does

        self._predictor = predictor
        self._windows = WindowedPredictor(predictor, SMALL_PX, shared=False)
        self._movie = movie
        self._found: dict[Prompt, tuple[float | None, ...]] = {}

    def small(self, prompts: Iterable[Prompt]) -> float | None:
        """Return the typical diameter in pixels where whole frames would take small cells for large ones, else None.

        None also where a box or a mask tells how large objects are.
        """
        prompts = list(prompts)
        if not self._would_help() or typical_diameter(prompts) is not None:
            return None
        known = [sizes for prompt in _asked(prompts) if None not in (sizes := self._sizes(prompt))]
        if not known:
            return None
        whole, windowed = np.array(known, dtype=float).T
        typical = float(np.median(windowed))
        is_much_smaller = MUCH_LARGER * typical**2 < float(np.median(whole)) ** 2
        is_consistent = windowed.max() <= ALIKE * windowed.min() and typical <= WIDEST * self._windows.side
        return max(1.0, typical) if is_much_smaller and is_consistent else None

    def _would_help(self) -> bool:
        """Return whether small cells are better seen in windows."""
        size = self._movie.height, self._movie.width
        return is_small(SMALL_PX, self._windows.image_size, size) and not self._windows.shows_whole(size)

    @cached_property
    def _views(self) -> tuple[tuple[VideoPredictor, TrackingState], ...]:
        """Whole frames and windows, each as a predictor and a state of its own."""
        whole, windows = self._predictor, self._windows
        return (whole, whole.init_state(self._movie)), (windows, windows.init_state(self._movie))

    def _sizes(self, prompt: Prompt) -> tuple[float | None, ...]:
        """Return the diameter of a prompt's mask on the whole frame and in a window, None where there is no mask."""
        if prompt not in self._found:
            self._found[prompt] = tuple(_measured(predictor, state, prompt) for predictor, state in self._views)
        return self._found[prompt]


def _asked(prompts: Iterable[Prompt]) -> list[Prompt]:
    """Return the first prompts of the first objects that were clicked on."""
    firsts: dict[int, Prompt] = {}
    for prompt in sorted(prompts, key=lambda prompt: (prompt.frame, prompt.object_id)):
        if 1 in prompt.labels:
            firsts.setdefault(prompt.object_id, prompt)
    return list(firsts.values())[:ASKED]


def _measured(predictor: VideoPredictor, state: TrackingState, prompt: Prompt) -> float | None:
    """Return the diameter of the mask that answers a prompt, and leave the state as it was."""
    object_id = prompt.object_id
    answer = give_prompt(predictor, state.select([object_id]), prompt)
    predictor.remove_object(state, object_id, need_output=False)
    return diameter_of(patch_of(object_id, answer))
