"""Whether a saved session holds what a job made and nothing else, so that the same job may replace it."""

from __future__ import annotations

from pathlib import Path

from napari_sam2.document.objects import LinkStatus
from napari_sam2.io import SavedSession, load_session
from napari_sam2.masks.stored_masks import MaskStatus
from sam2_core.errors import StackError

PROPOSE = "propose objects"
PROPOSE_SEEN = "propose what memory saw"
LINK = "link cells"
READ_PROMPTS = "read prompts"
_STEPS = frozenset({PROPOSE, PROPOSE_SEEN, LINK, READ_PROMPTS})
"""What jobs call their steps. One that begins with prompts makes no other; one that finds links once, at last."""


def check_only_made(folder: Path, else_do: str) -> None:
    """Return nothing if a session holds nothing but what a job made.

    Parameters
    ----------
    else_do
        What else a person may do than to move it away.

    Raises
    ------
    StackError
        If somebody worked on it since, and did not undo that; or it cannot be read.
    """
    if _is_a_persons(load_session(folder)):
        raise StackError(f"{folder} was worked on since, and would be replaced; move it away, {else_do}.")


def _is_a_persons(saved: SavedSession) -> bool:
    document, steps = saved.document, [step.text for step in saved.history.done]
    by_prompts = READ_PROMPTS in steps
    by_hand = {LinkStatus.looked_at} if by_prompts else set(LinkStatus) - {LinkStatus.linked}
    is_said = any(info.name or info.locked or info.links in by_hand for info in document.objects.values())
    is_painted = any(mask.status is MaskStatus.edited for _, mask in saved.masks)
    made = [READ_PROMPTS] if by_prompts else [*(step for step in steps if step in (PROPOSE, PROPOSE_SEEN)), LINK]
    is_edited = steps not in (made, made[:-1]) or any(step.text in _STEPS for step in saved.history.undone)
    is_prompted = bool(document.prompts) and not by_prompts
    return is_said or is_painted or is_edited or is_prompted or bool(document.review.decisions)
