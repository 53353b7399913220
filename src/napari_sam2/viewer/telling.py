"""What came of an edit, of a search and of linking, in sentences."""

from __future__ import annotations

from collections.abc import Callable

from napari_sam2.document.plain_values import counted
from napari_sam2.session.found import Proposed
from napari_sam2.session.linked import LinkedObjects
from napari_sam2.session.session import Session
from sam2_core.errors import PromptError

ALREADY = "That is so already; nothing was changed."


def told_step(session: Session, edit: Callable[[], str], otherwise: str = ALREADY) -> str:
    """Make an edit, and return what it says was done; something else where it made no step that Undo takes back."""
    before = session.edits.revision
    told = edit()
    return otherwise if session.edits.revision == before else f"{told} Undo takes that back."


def check_divides(frame: int) -> None:
    """Return nothing if somebody can divide on a frame.

    Raises
    ------
    PromptError
        On the first one.
    """
    if frame == 0:
        raise PromptError("Nobody divides on frame 0, the first one: go to the first frame that shows the daughters.")


def told_found(came: Proposed, verb: str = "Found", unsure: int = 0) -> str:
    """Return what came of a search, or of labels that were taken over, in sentences; so many are not shown at first."""
    count = len(came.numbers)
    others = f", and {unsure} less sure" if unsure else ""
    told = [f"{verb}: {counted(count - unsure, 'cell')}{_of_size(came.diameter_px)}{others}."] if count else []
    if came.on_objects:
        told.append(f"{counted(came.on_objects, 'cell')} on top of objects that are there left out.")
    if came.rejected_before:
        told.append(f"{counted(came.rejected_before, 'cell')} that you rejected before left out.")
    if came.remark:
        told.append(came.remark)
    return " ".join(told) or "No cell was found; if there are some, say how large they are."


def told_linked(linked: LinkedObjects, objects: int) -> str:
    """Return what came of linking, where there are so many objects now."""
    told = [f"Linked to {counted(len(linked.object_ids), 'new track')} with {counted(linked.divisions, 'division')}."]
    if linked.carried_on:
        told.append(f"Carried on: {counted(len(linked.carried_on), 'object')}.")
    if others := objects - len(linked.object_ids) - len(linked.carried_on):
        told.append(f"Left as before: {counted(others, 'object')}.")
    return " ".join(told)


def told_gaps(told_before: str, frames: int, is_stopped: bool) -> str:
    """Return what was said of linking, and on how many frames objects were looked for on which they were missed."""
    looked = f"Looked again on {counted(frames, 'frame')} where cells were missed."
    return f"{told_before} {'Stopped before gaps were filled; Link goes on.' if is_stopped else looked}".lstrip()


def _of_size(diameter_px: float | None) -> str:
    return "" if diameter_px is None else f" of about {diameter_px:.0f} px"
