"""What a prompt means: the two readings of the same calls, each a value.

``official`` reproduces the reference, its surprises included, for published numbers and parity tests. ``interactive``
is what a person at a screen expects: a correction stays, nothing is predicted before an object's first prompt, memory
is bounded. The table with reasons is in ``docs/numerics.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SemanticsName = Literal["official", "interactive"]


@dataclass(frozen=True, slots=True)
class Semantics:
    """The points in which the readings differ.

    Attributes
    ----------
    corrections_condition
        A prompt on a tracked frame makes it a conditioning frame; else the next propagation overwrites it.
    prompts_are_obeyed
        Where the answer to a correction contradicts a click or box, it is asked for again without the mask that was
        there before, then without memory, and the one that contradicts least is taken; see `obedience`.
    corrections_supersede
        Behind a second prompt, what was tracked before it is not looked at any more: the first one and the correction
        are, and not the frames of the error between them.
    max_conditioning_frames
        How many conditioning frames attention looks at; None for all.
    keeps_first_conditioning_frame
        When there are more: the first is always among them, the rest are the nearest.
    counts_start_frame
        ``max_frame_num_to_track=n`` yields n frames; else n + 1.
    predicts_before_first_prompt
        A forward propagation predicts an object on frames before its first prompt (and a backward one after its last).
    fixed_pointer_span
        Distances of object pointers are divided by the same number whatever the length of the stack.
    keeps_cleared_masks
        The mask of a frame whose prompts were cleared stays as a tracked one; else it goes with its prompts.
    keep_tracked_frames
        Tracked frames of an object that are kept in full; older ones keep a packed mask and their pointer. None for
        all.
    """

    corrections_condition: bool
    prompts_are_obeyed: bool
    corrections_supersede: bool
    max_conditioning_frames: int | None
    keeps_first_conditioning_frame: bool
    counts_start_frame: bool
    predicts_before_first_prompt: bool
    fixed_pointer_span: bool
    keeps_cleared_masks: bool
    keep_tracked_frames: int | None

    def max_pointers(self, num_frames: int, at_most: int) -> int:
        """Return how many frames object pointers may span, at most as many as the model can take."""
        return at_most if self.fixed_pointer_span else min(num_frames, at_most)


OFFICIAL = Semantics(
    corrections_condition=False,
    prompts_are_obeyed=False,
    corrections_supersede=False,
    max_conditioning_frames=None,
    keeps_first_conditioning_frame=False,
    counts_start_frame=False,
    predicts_before_first_prompt=True,
    fixed_pointer_span=False,
    keeps_cleared_masks=True,
    keep_tracked_frames=128,
)
INTERACTIVE = Semantics(
    corrections_condition=True,
    prompts_are_obeyed=True,
    corrections_supersede=True,
    max_conditioning_frames=4,
    keeps_first_conditioning_frame=True,
    counts_start_frame=True,
    predicts_before_first_prompt=False,
    fixed_pointer_span=True,
    keeps_cleared_masks=False,
    keep_tracked_frames=32,
)
SEMANTICS: dict[str, Semantics] = {"official": OFFICIAL, "interactive": INTERACTIVE}


def find_semantics(name: str) -> Semantics:
    """Return the reading of that name.

    Raises
    ------
    ValueError
        Another name than ``official`` or ``interactive``.
    """
    if name not in SEMANTICS:
        raise ValueError(f"semantics must be one of {sorted(SEMANTICS)}, is {name!r}")
    return SEMANTICS[name]
