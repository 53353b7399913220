"""What came of a search, in sentences."""

from __future__ import annotations

from napari_sam2.document.plain_values import counted
from napari_sam2.session.found import Proposed


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


def _of_size(diameter_px: float | None) -> str:
    return "" if diameter_px is None else f" of about {diameter_px:.0f} px"
