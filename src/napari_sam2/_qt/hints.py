"""The one line that says what to do next, told from the state of the work. Pure: a value in, a sentence out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Situation:
    """What the hint depends on.

    Attributes
    ----------
    has_image, is_opening
        Whether there is an image layer to work on, and whether its session is being opened.
    prompts
        Number of prompted (object, frame) pairs.
    running
        "" while nothing runs, else "preview" or "propagate".
    tracked, stale
        Number of (object, frame) pairs that a run filled, and of those that a later edit made stale.
    is_saved
        Whether everything is on disk.
    axis
        "frame" or "slice": what one step along the tracked axis is called.
    """

    has_image: bool = False
    is_opening: bool = False
    prompts: int = 0
    running: str = ""
    tracked: int = 0
    stale: int = 0
    is_saved: bool = False
    axis: str = "frame"


def next_step(now: Situation) -> str:
    """Return one short sentence: what to do next."""
    if not now.has_image:
        return "Open an image, or start with the sample."
    if now.is_opening:
        return "Getting the image ready …"
    if now.running == "propagate":
        return f"Tracking. Keep clicking if you like; Stop ends after this {now.axis}."
    if now.prompts == 0:
        return "Click on a cell in the image."
    if now.running == "preview":
        return "Finding the cell …"
    if now.stale:
        return f"{_count(now.stale, 'mask')} behind a correction: propagate again."
    if now.tracked == 0:
        return "Add the next object and click it, or propagate."
    if now.is_saved:
        return "Saved. Export the labels, or go on."
    return "Step through: click where a mask is wrong. Then save."


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
