"""What a session looks at by its settings: the frames as the model sees them, and how large an object is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from napari_sam2.document.document import Document, PromptKey
from napari_sam2.document.prompt import typical_diameter
from napari_sam2.document.prompt_parts import Clicks, Mask
from napari_sam2.engine.view import ViewChoice, ViewRequest
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stored_masks import MaskKey, MaskStatus, StoredMask
from napari_sam2.session.settings import SessionSettings
from napari_sam2.stacks import ContrastLimits, ModelMovie, Movie, Stack

MISFIT = 1.6
"""Factor from which on a wrong size costs more than it is worth to ask nobody (`docs/models.md`, the size of cells)."""
ASKED = 5
"""So many clicked objects tell how large they are."""


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
    return ModelMovie(settings_movie(stack, settings), limits, even_out=settings.even_out)


def masks_on(movie: Movie | ModelMovie, masks: Iterable[tuple[MaskKey, StoredMask]] = ()) -> MaskStore:
    """Return a store of masks on the frames of a movie, holding those that are given."""
    return MaskStore.of((movie.height, movie.width), len(movie), masks)


def look_of(settings: SessionSettings, document: Document, masks: MaskStore) -> ViewRequest:
    """Return what the model is to look at, and how large an object is as far as settings, prompts or masks tell."""
    if settings.object_diameter_px is not None:
        return ViewRequest(settings.view, settings.object_diameter_px, "as given")
    size = settings.estimated_diameter_px or _prompted_diameter(document, masks)
    return ViewRequest(settings.view, size, "estimated from the first prompts")


def has_size(settings: SessionSettings) -> bool:
    """Return whether settings say how large an object is: as given, or as the first run took it."""
    return settings.object_diameter_px is not None or settings.estimated_diameter_px is not None


@dataclass(frozen=True, slots=True)
class SizeMisfit:
    """Clicked objects that are of another size than the view was chosen for, in pixels of the frame."""

    clicked_px: float
    chosen_px: float

    def __str__(self) -> str:
        """Return what to do about it, in words of the command line."""
        return (
            f"Clicked objects are {self.clicked_px:.0f} px across, {self.clicked_px / self.chosen_px:.1f} times the "
            f"{self.chosen_px:.0f} px that the view was chosen for: give --object-diameter {self.clicked_px:.0f} to "
            "have them looked at again."
        )


def size_misfit(settings: SessionSettings, document: Document, masks: MaskStore) -> SizeMisfit | None:
    """Return how clicked objects differ in size from what the settings say, None where that is not much.

    What was boxed or drawn is as large as a person said, and tells nothing about clicks.
    """
    chosen = settings.object_diameter_px or settings.estimated_diameter_px
    if chosen is None or settings.view is ViewChoice.full:
        return None
    clicked = [
        key for key, prompt in document.prompts.items() if all(isinstance(part, Clicks) for part in prompt.parts)
    ]
    sizes = [_mask_diameter(masks.get(key)) for key in clicked[-ASKED:]]
    found = [size for size in sizes if size is not None]
    typical = float(np.median(found)) if found else chosen
    return None if 1 / MISFIT < typical / chosen < MISFIT else SizeMisfit(typical, chosen)


def _prompted_diameter(document: Document, masks: MaskStore) -> float | None:
    """Return the median diameter of the objects by their first prompts, None if nothing tells it yet.

    A mask or a box tells it by itself; clicks do once they have a mask.
    """
    prompts, firsts = document.prompts, dict[int, PromptKey]()
    for key in prompts:
        firsts.setdefault(key[0], key)
    known = [typical_diameter([prompts[key]]) or _mask_diameter(masks.get(key)) for key in firsts.values()]
    found = [diameter for diameter in known if diameter is not None]
    return max(1.0, float(np.median(found))) if found else None


def _mask_diameter(mask: StoredMask | None) -> float | None:
    """Return the diameter of the disc of a prompted mask's area, None where there is none that holds."""
    if mask is None or mask.is_empty or mask.status is not MaskStatus.prompted:
        return None
    return Mask(mask.mask()).diameter()


def settings_movie(stack: Stack, settings: SessionSettings) -> Movie:
    """Return the frames of a stack that settings choose."""
    channels = None if settings.channels is None else list(settings.channels)
    return stack.movie(settings.track_axis, channels, settings.fixed)
