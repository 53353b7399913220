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
    can_resume
        Whether a run was interrupted that can go on.
    saved_as
        Name of the session folder that the image came from and that is not open, "" where there is none.
    """

    has_image: bool = False
    is_opening: bool = False
    prompts: int = 0
    running: str = ""
    tracked: int = 0
    stale: int = 0
    is_saved: bool = False
    axis: str = "frame"
    can_resume: bool = False
    saved_as: str = ""


def next_step(now: Situation) -> str:
    """Return one short sentence: what to do next."""
    if not now.has_image:
        return "Open an image, or start with the sample."
    if now.is_opening:
        return "Getting the image ready …"
    if now.running == "propagate":
        return f"Tracking. Keep clicking if you like; Stop ends after this {now.axis}."
    if now.prompts == 0:
        return _beginning(now.saved_as)
    if now.running == "preview":
        return "Finding the cell …"
    if now.can_resume:
        return "The run was interrupted: resume it, or correct masks first."
    if now.stale:
        return f"{now.stale} mask{'' if now.stale == 1 else 's'} behind a correction: propagate again."
    if now.tracked == 0:
        return "Add the next object and click it, or propagate."
    if now.is_saved:
        return "Saved. Export the labels, or go on."
    return "Step through: click where a mask is wrong. Then save."


def _beginning(saved_as: str) -> str:
    if saved_as:
        return f"This image is from {_shortened(saved_as)}: open that session, or click anew."
    return "Click on a cell in the image."


def _shortened(name: str, most: int = 24) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
