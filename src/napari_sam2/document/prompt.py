"""What a person pointed at: points, a box or a mask for one object on one frame, checked against the movie.

Prompts are values and speak (y, x) in pixels of the image. `gathered` joins what was given in pieces, `check_prompts`
says what does not fit the movie, `typical_diameter` how large the objects are. Files are read in `io`; the model's
(x, y) is made in `give_prompt`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sam2_core.errors import PromptError

LARGEST_ID = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Prompt:
    """One object on one frame.

    Attributes
    ----------
    object_id
        Label value of the object, >= 1.
    frame
        0-based position on the tracked axis.
    points_yx
        Clicks in pixels.
    labels
        One per click: 1 in the object, 0 outside.
    box_yx
        (y0, x0, y1, x1) in pixels, or None.
    mask
        (H, W) bool, or None.
    origin
        Where it was written, for messages.
    """

    object_id: int
    frame: int
    points_yx: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()
    box_yx: tuple[float, float, float, float] | None = None
    mask: np.ndarray[Any, np.dtype[np.bool_]] | None = field(default=None, compare=False)
    origin: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.object_id <= LARGEST_ID:
            raise PromptError(f"{self.place}: object id {self.object_id} cannot be a label; use 1 or more.")
        if len(self.points_yx) != len(self.labels):
            raise PromptError(
                f"{self.place}: {len(self.points_yx)} points and {len(self.labels)} labels; give one label per point, "
                "1 in the object or 0 outside."
            )
        if set(self.labels) - {0, 1}:
            raise PromptError(f"{self.place}: labels {list(self.labels)}; a label is 1 (in the object) or 0 (outside).")
        if not self.points_yx and self.box_yx is None and self.mask is None:
            raise PromptError(f"{self.place}: there is no point, box or mask; give at least one.")

    @property
    def place(self) -> str:
        """Object and frame, and where it was written, for messages."""
        where = f"{self.origin}: " if self.origin else ""
        return f"{where}object {self.object_id}, frame {self.frame}"


def gathered(prompts: Iterable[Prompt]) -> tuple[Prompt, ...]:
    """Return the prompts with all points of one object on one frame in one prompt, in order of frame and object.

    Raises
    ------
    PromptError
        If an object has two boxes or two masks on one frame.
    """
    joined: dict[tuple[int, int], Prompt] = {}
    for prompt in prompts:
        key = (prompt.frame, prompt.object_id)
        joined[key] = _joined(joined[key], prompt) if key in joined else prompt
    return tuple(joined[key] for key in sorted(joined))


def check_prompts(prompts: Sequence[Prompt], shape: Sequence[int]) -> None:
    """Return nothing if every prompt lies inside a movie of `shape` (frames, height, width, ...).

    Raises
    ------
    PromptError
        If there is no prompt, or one names a frame or a place that the movie does not have.
    """
    frames, height, width = shape[:3]
    if not prompts:
        raise PromptError("There are no prompts; give at least one point, box or mask.")
    for prompt in prompts:
        if not 0 <= prompt.frame < frames:
            raise PromptError(f"{prompt.place}: there is no such frame; the stack has frames 0 to {frames - 1}.")
        for y, x in prompt.points_yx:
            if not (0 <= y < height and 0 <= x < width):
                raise PromptError(
                    f"{prompt.place}: the point y={y:g}, x={x:g} lies outside the image, which is {height} high and "
                    f"{width} wide (y comes first)."
                )
        if prompt.box_yx is not None:
            _check_box(prompt, prompt.box_yx, height, width)
        if prompt.mask is not None:
            _check_mask(prompt, prompt.mask, height, width)


def typical_diameter(prompts: Iterable[Prompt]) -> float | None:
    """Return the median diameter in pixels of the objects whose first prompt has a mask or a box; None without any.

    Of a mask it is that of the disc of equal area; of a box, that of the disc with the area of the ellipse in it.
    """
    first: dict[int, Prompt] = {}
    for prompt in prompts:
        if prompt.object_id not in first or prompt.frame < first[prompt.object_id].frame:
            first[prompt.object_id] = prompt
    known = [diameter for prompt in first.values() if (diameter := _diameter(prompt)) is not None]
    return float(np.median(known)) if known else None


def _diameter(prompt: Prompt) -> float | None:
    if prompt.mask is not None:
        return math.sqrt(4 * np.count_nonzero(prompt.mask) / math.pi)
    if prompt.box_yx is not None:
        y0, x0, y1, x1 = prompt.box_yx
        return math.sqrt((y1 - y0) * (x1 - x0))
    return None


def _check_box(prompt: Prompt, box_yx: tuple[float, float, float, float], height: int, width: int) -> None:
    y0, x0, y1, x1 = box_yx
    if not (y0 < y1 and x0 < x1):
        raise PromptError(
            f"{prompt.place}: the box {box_yx} is empty; it is written y0, x0, y1, x1 with y0 < y1, x0 < x1."
        )
    if y0 < 0 or x0 < 0 or y1 > height or x1 > width:
        raise PromptError(
            f"{prompt.place}: the box {box_yx} (y0, x0, y1, x1) reaches out of the image, which is {height} high and "
            f"{width} wide."
        )


def _check_mask(prompt: Prompt, mask: np.ndarray[Any, Any], height: int, width: int) -> None:
    if mask.shape != (height, width):
        raise PromptError(f"{prompt.place}: the mask has shape {mask.shape}, but a frame has {(height, width)}.")
    if not mask.any():
        raise PromptError(f"{prompt.place}: the mask is empty; give one that holds at least one pixel.")


def _joined(first: Prompt, second: Prompt) -> Prompt:
    for name in ("box_yx", "mask"):
        if getattr(first, name) is not None and getattr(second, name) is not None:
            kind = name.removesuffix("_yx")
            raise PromptError(f"{second.place}: there is already a {kind} for this object on this frame; keep one.")
    return replace(
        first,
        points_yx=first.points_yx + second.points_yx,
        labels=first.labels + second.labels,
        box_yx=first.box_yx if first.box_yx is not None else second.box_yx,
        mask=first.mask if first.mask is not None else second.mask,
    )
