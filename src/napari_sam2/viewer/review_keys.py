"""The keys while somebody reviews: through the places in doubt, and surgery on the tracks, a letter each.

A panel has them in its window while it shows the review, and no longer; some are napari's or ours otherwise (1, 2, 3,
S, H, X), which is why they are bound on no layer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from app_model.types import KeyCode, KeyMod

from napari_sam2.viewer.actions import Actions
from napari_sam2.viewer.keys import Key
from napari_sam2.viewer.reviewing import Reviewing
from napari_sam2.viewer.surgery_verbs import SurgeryVerbs


def right(actions: Actions) -> None:
    """Say that all is right at the place in view, of the list or of the sample that is being judged."""
    (actions.reviewing.accept if actions.sampling.of is None else actions.sampling.right)()


def wrong(actions: Actions) -> None:
    """Say that the place of the sample in view is wrong; without a sample, go to the next object."""
    (actions.next_object if actions.sampling.of is None else actions.sampling.wrong)()


def back(actions: Actions) -> None:
    """Go back to the place that was shown before."""
    (actions.reviewing.back if actions.sampling.of is None else actions.sampling.back)()


def first_alternative(actions: Actions) -> None:
    """Do the first of what is offered."""
    actions.reviewing.fix(1)


def second_alternative(actions: Actions) -> None:
    """Do the second of what is offered."""
    actions.reviewing.fix(2)


def third_alternative(actions: Actions) -> None:
    """Do the third of what is offered."""
    actions.reviewing.fix(3)


def _reviewing(do: Callable[[Reviewing], None]) -> Callable[[Actions], None]:
    """Return what goes through the places in doubt."""

    @wraps(do)
    def done(actions: Actions) -> None:
        do(actions.reviewing)

    return done


def _surgery(do: Callable[[SurgeryVerbs], None]) -> Callable[[Actions], None]:
    """Return what cuts or joins tracks."""

    @wraps(do)
    def done(actions: Actions) -> None:
        do(actions.surgery)

    return done


REVIEW_KEYS = (
    Key(KeyCode.KeyW, "Next place", _reviewing(Reviewing.next)),
    Key(KeyMod.Shift | KeyCode.KeyW, "The place above in the list", _reviewing(Reviewing.previous)),
    Key(KeyCode.KeyT, "Back to the place shown before", back),
    Key(KeyCode.KeyY, "Right: accept, and on to the next", right),
    Key(KeyCode.KeyI, "Does not matter: dismiss, and on to the next", _reviewing(Reviewing.dismiss)),
    Key(KeyCode.KeyO, "Accept all of this kind that are sure enough", _reviewing(Reviewing.accept_alike)),
    Key(KeyCode.Digit1, "The first alternative (cyan), and on to the next", first_alternative),
    Key(KeyCode.Digit2, "The second alternative (pink)", second_alternative),
    Key(KeyCode.Digit3, "The third alternative (green)", third_alternative),
    Key(KeyCode.KeyN, "Wrong, while a sample is judged; else the next object", wrong),
    Key(KeyCode.KeyZ, "Where is it: the cell to the middle, blinking", _surgery(SurgeryVerbs.find)),
    Key(KeyCode.KeyC, "Connect the current or chosen cell and this one", _surgery(SurgeryVerbs.connect)),
    Key(KeyCode.KeyB, "Break here: another cell from this frame on", _surgery(SurgeryVerbs.break_here)),
    Key(KeyCode.KeyD, "Divide here, into the two nearest or chosen ones", _surgery(SurgeryVerbs.divide)),
    Key(KeyCode.KeyE, "End here: this frame is its last", _surgery(SurgeryVerbs.end)),
    Key(KeyCode.KeyF, "First here: this frame is its first", _surgery(SurgeryVerbs.begin)),
    Key(KeyCode.KeyA, "Absent here, or from where it was chosen to here", _surgery(SurgeryVerbs.absent)),
    Key(KeyCode.KeyX, "Delete from here on; on its first frame, all of it", _surgery(SurgeryVerbs.delete_from)),
    Key(KeyCode.KeyR, "Track again from here, to the next prompt", _surgery(SurgeryVerbs.track_on)),
    Key(KeyMod.Shift | KeyCode.KeyR, "Track back from here, to the prompt before", _surgery(SurgeryVerbs.track_back)),
    Key(KeyCode.KeyS, "Swap two from here on", _surgery(SurgeryVerbs.swap)),
    Key(KeyCode.KeyH, "Merge into one", _surgery(SurgeryVerbs.merge)),
    Key(KeyCode.KeyL, "Looked at: the whole track is right", _surgery(SurgeryVerbs.looked_at)),
)
"""The verbs about cells are about the one under the mouse, or those chosen with Shift+click."""
