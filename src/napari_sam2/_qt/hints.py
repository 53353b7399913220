"""The one line that says what to do next, told from the state of the work. Pure: a value in, a sentence out."""

from __future__ import annotations

from dataclasses import dataclass

from napari_sam2.document.plain_values import counted
from napari_sam2.session.looks import SizeMisfit


@dataclass(frozen=True, slots=True)
class Situation:
    """What the hint depends on.

    Attributes
    ----------
    has_image, is_opening, is_refused
        Whether there is an image layer to work on, whether its session is being opened, and whether it cannot be.
    prompts
        Number of prompted (object, frame) pairs.
    running
        "" while nothing runs, else "preview", "propagate" or "find".
    tracked, stale
        Number of (object, frame) pairs that a run filled, and of those that a later edit made stale.
    is_saved
        Whether everything is on disk.
    is_single
        Whether there is one frame alone: nothing is propagated, and nothing to be stepped through.
    axis
        "frame" or "slice": what one step along the tracked axis is called.
    can_resume
        Whether a run was interrupted that can go on.
    works_at, shown_at
        Where the session works and where the viewer is, for example "Z = 3" and "Z = 5"; "" where that is the same.
    missing
        Name of the image of the session where that was taken out of the viewer, else "".
    sought
        Name of the session folder whose images are sought, "" where there is none.
    left_out
        What the file of the image holds and the layer does not show, a sentence; "" where there is nothing.
    saved_as
        Name of the session folder that the image came from and that is not open, "" where there is none.
    found
        Number of cells that were found on the frame in view and are shown to be decided about.
    linkable
        Whether cells that were found are on several frames, to be linked.
    linked
        Number of (object, frame) pairs that were found and linked by a program, here or elsewhere.
    misfit
        How clicked cells differ in size from what was said, None where that is not much.
    """

    has_image: bool = False
    is_opening: bool = False
    is_refused: bool = False
    prompts: int = 0
    running: str = ""
    tracked: int = 0
    stale: int = 0
    is_saved: bool = False
    is_single: bool = False
    axis: str = "frame"
    can_resume: bool = False
    works_at: str = ""
    shown_at: str = ""
    missing: str = ""
    sought: str = ""
    left_out: str = ""
    saved_as: str = ""
    found: int = 0
    linkable: bool = False
    linked: int = 0
    misfit: SizeMisfit | None = None


def next_step(now: Situation) -> str:
    """Return one short sentence: what to do next."""
    if now.missing:
        return f"{shortened(now.missing)} is not in the viewer: put it back, or open another."
    if told := _before_work(now):
        return told
    if now.running == "propagate":
        return f"Tracking. Keep clicking if you like; Stop ends after this {now.axis}."
    if now.running == "find":
        return "Looking for cells. Keep clicking if you like."
    if now.running == "link":
        return "Linking what was found, with what memory sees of it."
    if now.works_at:
        return f"The work is at {now.works_at}; this is {now.shown_at}."
    if (now.found or now.linkable) and now.running != "preview":
        return _deciding(now)
    if now.prompts == 0:
        return _beginning(now)
    return "Finding the cell …" if now.running == "preview" else _going_on(now)


def offered(now: Situation) -> str:
    """Return what the button beside the sentence does, in a word; "" where there is none."""
    if now.missing:
        return "Put it back"
    if now.sought and not now.prompts:
        return "Choose …"
    if not now.has_image:
        return "Open sample"
    if now.works_at and now.running != "propagate":
        return f"Work at {now.shown_at}"
    if now.saved_as:
        return "Open session"
    return "Open all" if now.left_out and not now.prompts else ""


def _before_work(now: Situation) -> str:
    """Return what to do where nothing can be worked on yet; "" where it can."""
    if now.sought and not now.prompts:
        return f"The images of {shortened(now.sought)} were not found. Where are they?"
    if not now.has_image:
        return "Open an image, or start with the sample."
    if now.is_opening:
        return "Getting the image ready …"
    return "No work on this image as it is: say its axes, or choose another layer." if now.is_refused else ""


def _deciding(now: Situation) -> str:
    if not now.found:
        return "Nothing found is left on this frame: look at others, or link all frames."
    if now.linkable:
        return "Point at what is no cell and press Delete; then link all frames."
    return "Click on a found cell to accept it, point at a wrong one and press Delete, or accept all shown."


def _going_on(now: Situation) -> str:
    """Return what to do where masks are there and nothing runs."""
    if now.can_resume:
        return "The run was interrupted: resume it, or correct masks first."
    if now.stale:
        return f"{counted(now.stale, 'mask')} behind a correction: propagate again."
    if now.misfit is not None and not now.tracked:
        clicked, said = now.misfit.clicked_px, now.misfit.chosen_px
        return f"Clicked cells are {clicked:.0f} px across, Object size says {said:.0f}: set it anew."
    if not now.tracked and not now.is_single:
        if now.linked:
            return "Review what is in doubt, or propagate where cells were missed."
        return "Add the next object and click it, or propagate."
    if now.is_saved:
        return "Saved. Export the labels, or go on."
    if now.is_single:
        return "Click where a mask is wrong, or on the next cell. Then save."
    return "Step through: click where a mask is wrong. Then save."


def _beginning(now: Situation) -> str:
    if now.saved_as:
        return f"This image is from {shortened(now.saved_as)}: open that session, or click anew."
    if now.left_out:
        return now.left_out
    if now.linked:
        return "Review what is in doubt, or click on a cell that was missed."
    return "Click on a cell in the image."


def shortened(name: str, most: int = 24) -> str:
    """Return a name, cut where it is too long for a line."""
    return name if len(name) <= most else f"{name[: most - 1]}…"
