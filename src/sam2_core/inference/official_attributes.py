"""The attributes that official scripts read and set on a predictor that is there: fields of its options by other names.

Whatever is set takes effect with the next call, in a run that is under way with its next frame. What the official
package decides while it builds is refused in words. A call that a propagation makes by itself is here too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sam2_core.assembly import BUILT_IN, OVERRIDES
from sam2_core.inference.network.precision import running
from sam2_core.inference.tracker import Tracker
from sam2_core.inference.tracking_options import ALL_FRAMES, TrackingOptions

if TYPE_CHECKING:
    import torch

    from sam2_core.inference.memory.inference_state import InferenceState


class OfficialAttributes:
    """A predictor whose options can be read and set by their official names, such as ``non_overlap_masks``."""

    options: TrackingOptions
    _tracker: Tracker
    _dtype: torch.dtype | None

    def __getattr__(self, name: str) -> Any:
        """Return what is not there by its official name; an option that is left open is that of the reading."""
        if name not in OVERRIDES:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
        value = getattr(self.options, OVERRIDES[name])
        value = getattr(self._tracker.semantics, OVERRIDES[name]) if value is None else value
        return ALL_FRAMES if value is None else value

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, under an official name the option.

        Raises
        ------
        AttributeError
            It is decided while the predictor is built.
        """
        if name in BUILT_IN:
            raise AttributeError(
                f"{name} cannot be set on a predictor; build another one, hydra_overrides_extra=['++model.{name}=...']"
            )
        if name not in OVERRIDES:
            super().__setattr__(name, value)
            return
        self.options = replace(self.options, **{OVERRIDES[name]: value})
        self._tracker.options = self.options

    def propagate_in_video_preflight(self, inference_state: InferenceState) -> None:
        """Make the memories of the prompts that are new, which `propagate_in_video` would make first.

        Raises
        ------
        PromptError
            No object has a prompt (in the official reading: some object has none).
        """
        with running(self._tracker.model.device, self._dtype):
            self._tracker.settle(inference_state)
