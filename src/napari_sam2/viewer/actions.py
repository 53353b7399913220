"""What a person can do with a bound session besides editing layers: step through objects and frames, run, undo.

A method without arguments is what a key in `keys.KEYS` does; panels call them too. Nothing here touches a layer.
"""

from __future__ import annotations

from psygnal import Signal

from napari_sam2.document.reviews import At, Place, ReviewRecord
from napari_sam2.engine.jobs import Direction, PropagateRequest
from napari_sam2.session.session import Session
from napari_sam2.viewer.current import Current
from napari_sam2.viewer.deciding import Deciding
from napari_sam2.viewer.lineage_verbs import LineageVerbs
from napari_sam2.viewer.picking import Picking
from napari_sam2.viewer.reviewing import Reviewing
from napari_sam2.viewer.running import Notify, Work
from napari_sam2.viewer.sampling import Sampling
from napari_sam2.viewer.sight import Sight
from napari_sam2.viewer.surgery_verbs import SurgeryVerbs


class Actions:
    """The actions of a session shown in a viewer; `notify` is told where there is nothing to do.

    `looked_at` is emitted with a place (y0, x0, y1, x1) on the frame in view that a person should look at.
    """

    looked_at = Signal(tuple)

    def __init__(
        self, session: Session, current: Current, work: Work, sight: Sight, deciding: Deciding, notify: Notify
    ) -> None:
        self.sampling = Sampling(session, self.look_at, notify)
        self.reviewing = Reviewing(session, self.look_at, notify, lambda: self.sampling.of is not None)
        self.picking = Picking(session, sight)
        self.deciding = deciding
        self.lineage = LineageVerbs(session, current, sight, notify)
        self.surgery = SurgeryVerbs(work, current, sight, self.picking, self.reviewing, notify)
        self._session = session
        self._current = current
        self._work = work
        self._sight = sight
        self._notify = notify

    def next_object(self) -> None:
        """Make the next existing object current, after the last one the first."""
        self._step_object(1)

    def previous_object(self) -> None:
        """Make the previous existing object current."""
        self._step_object(-1)

    def new_object(self) -> None:
        """Make a new object current; it exists from its first prompt."""
        self._current.choose(self._session.document.next_object_id(), "in")

    def flip_polarity(self) -> None:
        """Let the next clicks be outside the object instead of in it, or the other way round."""
        self._current.flip()

    def propagate_forward(self) -> None:
        """Propagate all objects to later frames, where masks are stale or missing."""
        self.propagate("forward")

    def propagate_both(self) -> None:
        """Propagate all objects both ways, where masks are stale or missing."""
        self.propagate("both")

    def propagate(
        self,
        direction: Direction = "both",
        frames: range | None = None,
        object_ids: tuple[int, ...] | None = None,
        only_stale: bool = True,
        until_next_prompt: bool = False,
    ) -> None:
        """Propagate as a `PropagateRequest` says."""
        self._work.propagate(PropagateRequest(direction, frames, object_ids, only_stale, until_next_prompt))

    def resume(self) -> None:
        """Go on with the propagation that was interrupted when the session was last open."""
        self._work.resume()

    def stop(self) -> None:
        """Stop what runs before its next frame."""
        self._work.stop()

    def next_prompted_frame(self) -> None:
        """Go to the next frame on which the current object, or any if it has none, was prompted."""
        self._step_frame(1)

    def previous_prompted_frame(self) -> None:
        """Go to the previous such frame."""
        self._step_frame(-1)

    def go_to(self, object_id: int, frame: int) -> None:
        """Make an object current and show a frame."""
        self._current.choose(object_id)
        self._sight.show(frame)

    def look_at(self, place: Place) -> None:
        """Show a place: its object becomes the current one, and where it is on its frame the middle of the view."""
        if place.at is not At.proposal:
            self._current.choose(place.object_id)
        self._sight.show(place.frame)
        box = self._session.review.box_of(place)
        if box is not None:
            self._sight.bring(place.frame, box, centred=True)
            self.picking.rest()
            self.looked_at.emit(self._sight.as_displayed(box))

    def next_suspicious(self) -> None:
        """Go to the mask that looks most like a mistake of a run, of those not shown yet."""
        self.reviewing.next()

    def undo(self) -> None:
        """Take the last edit back, whatever layer it was made in, and say which it was."""
        text, decided = self._session.undo_text, self._session.document.review
        done = self._session.undo()
        self._follow_step(decided)
        self._notify(f"Undone: {text}." if done else "There is nothing to undo.")

    def redo(self) -> None:
        """Make the edit again that was taken back last, and say which it was."""
        text, decided = self._session.redo_text, self._session.document.review
        done = self._session.redo()
        self._follow_step(decided)
        self._notify(f"Done again: {text}." if done else "There is nothing to redo.")

    def _follow_step(self, decided: ReviewRecord) -> None:
        """Go to what an undo or redo has changed among what was decided or judged."""
        self.reviewing.follow_step(decided)
        self.sampling.follow_step(decided)

    def _step_object(self, step: int) -> None:
        ids = sorted(self._session.document.objects)
        if not ids:
            self._notify("There is no object yet; click on one.")
            return
        ring = ids if step > 0 else ids[::-1]
        later = [one for one in ring if (one - self._current.object_id) * step > 0]
        self._current.choose((later or ring)[0])

    def _step_frame(self, step: int) -> None:
        document = self._session.document
        frames = list(document.prompts_of(self._current.object_id)) or [frame for _, frame in document.prompts]
        further = sorted((frame for frame in set(frames) if (frame - self._sight.frame) * step > 0), reverse=step < 0)
        if further:
            self._sight.show(further[0])
        else:
            self._notify(f"There is no {'later' if step > 0 else 'earlier'} prompted frame.")
