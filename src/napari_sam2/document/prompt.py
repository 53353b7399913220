"""What a person pointed at: points, a box or a mask for one object on one frame, checked against the movie.

Prompts are values and speak (y, x) in pixels of the image. `gathered` joins what was given in pieces, `check_prompts`
brings them to the movie or says what does not fit, `typical_diameter` says how large the objects are. Files are read in
`io`; the model's (x, y) is made in `give_prompt`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

import numpy as np
from numpy.typing import ArrayLike

from napari_sam2.document.plain_values import numbers, whole_number
from napari_sam2.document.prompt_parts import BoolArray, Box, BoxYX, Clicks, Mask, PointYX, PromptPart
from sam2_core.errors import PromptError

LARGEST_ID = 2**32 - 1


class _Pixels:
    """The mask of a prompt: given as pixels or as a `Mask`, kept as a `Mask`, read as pixels."""

    @overload
    def __get__(self, prompt: None, owner: type) -> None: ...
    @overload
    def __get__(self, prompt: Prompt, owner: type) -> BoolArray | None: ...
    def __get__(self, prompt: Prompt | None, owner: type) -> BoolArray | None:
        return None if prompt is None or prompt.drawn is None else prompt.drawn.mask

    def __set__(self, prompt: Prompt, given: ArrayLike | Mask | None) -> None:
        vars(prompt)["drawn"] = given if given is None or isinstance(given, Mask) else Mask(given)


@dataclass(frozen=True, eq=False)
class Prompt:
    """One object on one frame; prompts that say the same are equal, wherever they were written.

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
        (H, W) bool, or None; made anew each time that it is read.
    drawn
        The mask as it is kept, or None.
    origin
        Where it was written, for messages.
    parts
        The same clicks, box and mask as values that know how to compare, join, check and write themselves.
    """

    object_id: int
    frame: int
    points_yx: tuple[PointYX, ...] = ()
    labels: tuple[int, ...] = ()
    box_yx: BoxYX | None = None
    mask: _Pixels = _Pixels()
    origin: str = ""
    drawn: Mask | None = field(init=False, repr=False)
    parts: tuple[PromptPart, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._take_plain_values()
        if not 1 <= self.object_id <= LARGEST_ID:
            raise PromptError(f"{self.place}: object id {self.object_id} cannot be a label; use 1 or more.")
        parts: list[PromptPart] = []
        if self.points_yx or self.labels:
            try:
                parts.append(Clicks(self.points_yx, self.labels))
            except PromptError as error:
                raise PromptError(f"{self.place}: {error}") from error
        if self.box_yx is not None:
            parts.append(Box(self.box_yx))
        if self.drawn is not None:
            parts.append(self.drawn)
        if not parts:
            raise PromptError(f"{self.place}: there is no point, box or mask; give at least one.")
        object.__setattr__(self, "parts", tuple(parts))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Prompt):
            return NotImplemented
        return (self.object_id, self.frame, self.parts) == (other.object_id, other.frame, other.parts)

    def __hash__(self) -> int:
        return hash((self.object_id, self.frame, self.parts))

    def _take_plain_values(self) -> None:
        plain: dict[str, object] = {
            "object_id": whole_number(self.object_id, "object id"),
            "frame": whole_number(self.frame, "frame"),
            "points_yx": tuple(numbers(point, "the point") for point in self.points_yx),
            "labels": tuple(whole_number(label, "label") for label in self.labels),
            "box_yx": None if self.box_yx is None else numbers(self.box_yx, "the box"),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    @property
    def place(self) -> str:
        """Object and frame, and where it was written, for messages."""
        where = f"{self.origin}: " if self.origin else ""
        return f"{where}object {self.object_id}, frame {self.frame}"

    def saying(self, parts: Iterable[PromptPart]) -> Prompt:
        """Return the prompt with these parts in the place of its own of the same kinds."""
        said = {name: value for part in parts for name, value in part.fields().items()}
        return replace(self, **({"mask": self.drawn} | said))

    def owned_by(self, object_id: int) -> Prompt:
        """Return the same, said of another object."""
        return self if object_id == self.object_id else replace(self, object_id=object_id, mask=self.drawn)

    def joined(self, other: Prompt) -> Prompt:
        """Return both as one of this object and frame: masks united, one box around both, points in turn."""
        said = {part.kind: part for part in self.parts}
        for part in other.parts:
            said[part.kind] = said[part.kind].joined(part) if part.kind in said else part
        return self.saying(said.values())

    def completed(self, older: Prompt) -> Prompt:
        """Return the prompt with the parts that only an older one says."""
        return self.saying({part.kind: part for part in (*older.parts, *self.parts)}.values())

    def extends(self, old: Prompt) -> bool:
        """Return whether it says what an old one says, and then has more clicks."""
        count = len(old.points_yx)
        same, known = ([part for part in one.parts if not isinstance(part, Clicks)] for one in (self, old))
        clicks = (self.points_yx[:count], self.labels[:count])
        return same == known and count < len(self.points_yx) and clicks == (old.points_yx, old.labels)


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
        joined[key] = _added(joined[key], prompt) if key in joined else prompt
    return tuple(joined[key] for key in sorted(joined))


def check_prompts(prompts: Sequence[Prompt], shape: Sequence[int]) -> tuple[Prompt, ...]:
    """Return the prompts, in their order, as they lie in a movie of `shape` (frames, height, width, ...).

    Clicks and boxes in the outer half of the outermost pixels are brought to them (`pixel_yx`).

    Raises
    ------
    PromptError
        If there is no prompt, or one names a frame or a place that the movie does not have.
    """
    if not prompts:
        raise PromptError("There are no prompts; give at least one point, box or mask.")
    frames, height, width = shape[:3]
    return tuple(_within(prompt, frames, (height, width)) for prompt in prompts)


def typical_diameter(prompts: Iterable[Prompt]) -> float | None:
    """Return the median diameter in pixels of the objects whose first prompt has a mask or a box; None without any.

    Of a mask it is that of the disc of equal area; of a box, that of the disc with the area of the ellipse in it.
    """
    first: dict[int, Prompt] = {}
    for prompt in prompts:
        if prompt.object_id not in first or prompt.frame < first[prompt.object_id].frame:
            first[prompt.object_id] = prompt
    known = [sizes[-1] for prompt in first.values() if (sizes := _diameters(prompt))]
    return float(np.median(known)) if known else None


def _within(prompt: Prompt, frames: int, frame_hw: tuple[int, int]) -> Prompt:
    """Return a prompt as it lies in a movie of so many frames; raise `PromptError` if it does not."""
    if not 0 <= prompt.frame < frames:
        raise PromptError(f"{prompt.place}: there is no such frame; the stack has frames 0 to {frames - 1}.")
    try:
        return prompt.saying([part.within(*frame_hw) for part in prompt.parts])
    except PromptError as error:
        raise PromptError(f"{prompt.place}: {error}") from error


def _diameters(prompt: Prompt) -> list[float]:
    """Return what the parts tell of the object's diameter, the surest last."""
    return [size for part in prompt.parts if (size := part.diameter()) is not None]


def _added(first: Prompt, second: Prompt) -> Prompt:
    said = {part.kind for part in first.parts if not part.in_pieces}
    for part in second.parts:
        if part.kind in said:
            raise PromptError(
                f"{second.place}: there is already a {part.kind} for this object on this frame; keep one."
            )
    return first.joined(second)
