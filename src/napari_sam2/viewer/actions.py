"""What a person can do with a bound session besides editing layers: step through objects and frames, run, undo.

Each method without arguments is what a key in `keys.KEYS` names; panels call them too. Nothing here touches a layer.
"""

from __future__ import annotations

from typing import Any

from napari.components import ViewerModel
from napari.layers import Image

from napari_sam2.engine.jobs import PropagateRequest
from napari_sam2.engine.plan import Direction
from napari_sam2.session.session import Session
from napari_sam2.viewer.coordinates import Grid, shown_frame, slider_of_frame
from napari_sam2.viewer.current import Current
from napari_sam2.viewer.reviewing import Reviewing
from napari_sam2.viewer.running import Notify, Work


class Actions:
    """The actions of a session shown in a viewer; see `binding.SessionBinding`."""

    viewer: ViewerModel
    session: Session
    image: Image
    grid: Grid
    current: Current
    work: Work
    notify: Notify
    reviewing: Reviewing

    def act(self, action: str) -> None:
        """Do the action of that name, one of `keys.KEYS`."""
        getattr(self, action)()

    @property
    def frame(self) -> int:
        """The frame in view."""
        return shown_frame(self.grid, self.image, self.viewer.dims.point)

    def show_frame(self, frame: int) -> None:
        """Move the slider to a frame."""
        slider = slider_of_frame(self.grid, self.image, self.viewer.dims.point, frame)
        if slider is not None:
            self.viewer.dims.set_point(*slider)

    def next_object(self) -> None:
        """Make the next existing object current, after the last one the first."""
        self._step_object(1)

    def previous_object(self) -> None:
        """Make the previous existing object current."""
        self._step_object(-1)

    def new_object(self) -> None:
        """Make a new object current; it exists from its first prompt."""
        self.current.choose(self.session.document.next_object_id(), "in")

    def flip_polarity(self) -> None:
        """Let the next clicks be outside the object instead of in it, or the other way round."""
        self.current.flip()

    def propagate_forward(self) -> None:
        """Propagate all objects to later frames."""
        self.propagate("forward")

    def propagate_both(self) -> None:
        """Propagate all objects both ways."""
        self.propagate("both")

    def propagate(self, direction: Direction = "both", **request: Any) -> None:
        """Propagate as a `PropagateRequest` says."""
        self.work.propagate(PropagateRequest(direction, **request))

    def resume(self) -> None:
        """Go on with the propagation that was interrupted when the session was last open."""
        self.work.resume()

    def stop(self) -> None:
        """Stop what runs before its next frame."""
        self.work.stop()

    def next_prompted_frame(self) -> None:
        """Go to the next frame on which the current object, or any if it has none, was prompted."""
        self._step_frame(1)

    def previous_prompted_frame(self) -> None:
        """Go to the previous such frame."""
        self._step_frame(-1)

    def go_to(self, object_id: int, frame: int) -> None:
        """Make an object current and show a frame."""
        self.current.choose(object_id)
        self.show_frame(frame)

    def next_suspicious(self) -> None:
        """Go to the mask that looks most like a mistake of a run, of those not shown yet."""
        self.reviewing.next()

    def undo(self) -> None:
        """Take the last edit back, whatever layer it was made in."""
        if not self.session.undo():
            self.notify("There is nothing to undo.")

    def redo(self) -> None:
        """Make the edit again that was taken back last."""
        if not self.session.redo():
            self.notify("There is nothing to redo.")

    def _step_object(self, step: int) -> None:
        ids = sorted(self.session.document.objects)
        if not ids:
            self.notify("There is no object yet; click on one.")
            return
        later = [one for one in ids if (one - self.current.object_id) * step > 0]
        ring = ids if step > 0 else ids[::-1]
        self.current.choose((later if step > 0 else later[::-1] or ring)[0] if later else ring[0])

    def _step_frame(self, step: int) -> None:
        document = self.session.document
        frames = list(document.prompts_of(self.current.object_id)) or [frame for _, frame in document.prompts]
        further = sorted((frame for frame in set(frames) if (frame - self.frame) * step > 0), reverse=step < 0)
        if further:
            self.show_frame(further[0])
        else:
            self.notify(f"There is no {'later' if step > 0 else 'earlier'} prompted frame.")
