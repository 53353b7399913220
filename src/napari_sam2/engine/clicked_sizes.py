"""How large small clicked cells are: measured in windows, where whole frames show them too coarsely.

On a whole frame a click on a small cell is answered by the clump around it, and the size of that mask asks for no
window. So the first clicked objects are looked at once more, in windows of their own: one made for a small cell, then
one twice as large, until an object stays what it was. In a window that is too small for a cell its texture answers, and
that is another thing in the next. Where those masks are much smaller than on whole frames, and alike, they tell the
size. That follows from the prompts alone, not from what was looked at before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np

from napari_sam2.document.prompt import Prompt, typical_diameter
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.engine.give_prompt import give_prompt
from napari_sam2.engine.prompted_state import patch_of
from napari_sam2.engine.view import is_small
from napari_sam2.stacks import ModelMovie
from sam2_core.inference.video_calls import TrackingState, VideoPredictor, WholeFramePredictor
from sam2_core.scoring.metrics import iou

SMALL_PX = 22.0
"""Diameter of a cell that the smallest windows are made for."""
WELL_SEEN = 2.0
"""Cells up to so many times as large as those that a window is made for are measured well in it; the next windows are
larger by this factor."""
SAME = 0.5
"""Intersection over union from which two masks of a click are of the same object."""
ASKED = 3
"""So many clicked objects are measured, those of the first frames and of the lowest ids."""
MUCH_LARGER = 2.0
"""Masks of whole frames whose typical area exceeds that of the windows by this factor are not believed."""
ALIKE = 3.0
"""Factor by which the diameters of the cells that are measured may differ."""

_View = tuple[VideoPredictor, TrackingState]


class ClickedSizes:
    """Diameters of clicked objects as a predictor finds them, each prompt looked at once."""

    def __init__(self, predictor: WholeFramePredictor, movie: ModelMovie) -> None:
        self._predictor = predictor
        self._movie = movie
        self._found: dict[Prompt, tuple[float, float] | None] = {}

    def small(self, prompts: Iterable[Prompt]) -> float | None:
        """Return the typical diameter in pixels where whole frames would take small cells for large ones, else None.

        None also where a box or a mask tells how large objects are.
        """
        prompts = list(prompts)
        if not self._windows or typical_diameter(prompts) is not None:
            return None
        known = [sizes for prompt in _asked(prompts) if (sizes := self._sizes(prompt)) is not None]
        if not known:
            return None
        measured, whole = np.array(known).T
        typical = float(np.median(measured))
        is_much_smaller = MUCH_LARGER * typical**2 < float(np.median(whole)) ** 2
        return max(1.0, typical) if is_much_smaller and measured.max() <= ALIKE * measured.min() else None

    @property
    def _size(self) -> tuple[int, int]:
        return self._movie.height, self._movie.width

    @cached_property
    def _windows(self) -> dict[float, _View]:
        """The windows in which cells are seen better than on whole frames, by the diameter that they are made for."""
        from sam2_core.windowed.windowed_predictor import WindowedPredictor  # needs torch, as a predictor does

        windows, diameter = dict[float, _View](), SMALL_PX
        while is_small(diameter, self._predictor.image_size, self._size):
            predictor = WindowedPredictor(self._predictor, diameter, shared=False)
            if predictor.shows_whole(self._size):
                break
            windows[diameter] = predictor, predictor.init_state(self._movie)
            diameter *= WELL_SEEN
        return windows

    @cached_property
    def _whole(self) -> _View:
        return self._predictor, self._predictor.init_state(self._movie)

    def _sizes(self, prompt: Prompt) -> tuple[float, float] | None:
        """Return the diameter of what a prompt is on, and that of its mask on the whole frame; None without a mask."""
        if prompt not in self._found:
            whole = self._answer(self._whole, prompt)
            sizes = None if whole is None else (self._lasting(prompt, whole).diameter(), whole.diameter())
            self._found[prompt] = sizes
        return self._found[prompt]

    def _lasting(self, prompt: Prompt, whole: Mask) -> Mask:
        """Return the mask of the smallest window that shows an object well which the next one shows too.

        It is that of the whole frame where no window does.
        """
        before: Mask | None = None
        for diameter, mask in self._answers(prompt):
            if before is not None and mask is not None and iou(before.mask, mask.mask) >= SAME:
                return before
            before = mask if mask is not None and mask.diameter() <= WELL_SEEN * diameter else None
        return whole

    def _answers(self, prompt: Prompt) -> Iterator[tuple[float, Mask | None]]:
        """Yield the mask of a prompt in each window, the smallest first, with the diameter that it is made for."""
        for diameter, view in self._windows.items():
            yield diameter, self._answer(view, prompt)

    def _answer(self, view: _View, prompt: Prompt) -> Mask | None:
        """Return the mask that answers a prompt, None where there is none, and leave the state as it was."""
        predictor, state = view
        object_id = prompt.object_id
        try:
            patch = patch_of(object_id, give_prompt(predictor, state.select([object_id]), prompt))
        finally:
            predictor.remove_object(state, object_id, need_output=False)
        return None if patch is None else Mask.in_box(self._size, patch.y0, patch.x0, patch.logits > 0)


def _asked(prompts: Iterable[Prompt]) -> list[Prompt]:
    """Return the first prompts of the first objects that were clicked on."""
    firsts: dict[int, Prompt] = {}
    for prompt in sorted(prompts, key=lambda prompt: (prompt.frame, prompt.object_id)):
        if 1 in prompt.labels:
            firsts.setdefault(prompt.object_id, prompt)
    return list(firsts.values())[:ASKED]
