"""What a person can do with a bound session besides editing layers: step through objects and frames, run, undo.

A method without arguments is what a key in `keys.KEYS` does; panels call them too. Nothing here touches a layer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from napari.components import Dims
from napari.layers import Image

from napari_sam2.engine.jobs import Direction, PropagateRequest
from napari_sam2.session.session import Session
from napari_sam2.viewer.coordinates import Grid
from napari_sam2.viewer.current import Current
from napari_sam2.viewer.reviewing import Reviewing
from napari_sam2.viewer.running import Notify, Work


class Slider:
    """The sliders of an image, first of all that of the tracked axis; set `grid` where the axes mean something else."""

    def __init__(self, dims: Dims, image: Image, grid: Grid) -> None:
        self.grid = grid
        self._dims = dims
        self._image = image

    @property
    def frame(self) -> int:
        """The frame in view, within the movie."""
        axis = self.grid.frame_axis
        if axis is None:
            return 0
        frame = int(np.rint(self._image.world_to_data(self._dims.point)[axis]))
        return min(max(frame, 0), self.grid.frame_count - 1)

    @property
    def held(self) -> dict[str, int]:
        """Where the sliders of the axes stand at which the session is held, within the image, by letter."""
        here, axes, shape = self._image.world_to_data(self._dims.point), self.grid.axes, self.grid.shape
        places = {letter: axes.index(letter) for letter in self.grid.held}
        return {letter: min(max(int(np.rint(here[at])), 0), shape[at] - 1) for letter, at in places.items()}

    def show(self, frame: int) -> None:
        """Move the slider to a frame; nothing happens with a single image."""
        if self.grid.tracked is not None:
            self.show_at({self.grid.tracked: frame})

    def show_at(self, places: Mapping[str, int]) -> None:
        """Move sliders to an index each, by letter."""
        point, ndim = self._dims.point, self._image.ndim
        here = self._image.world_to_data(point)
        for letter, index in places.items():
            here[self.grid.axes.index(letter)] = index
        world = self._image.data_to_world(here)
        for axis in (self.grid.axes.index(letter) for letter in places):
            self._dims.set_point(len(point) - ndim + axis, float(world[axis]))


class Actions:
    """The actions of a session shown in a viewer; `notify` is told where there is nothing to do."""

    def __init__(self, session: Session, current: Current, work: Work, slider: Slider, notify: Notify) -> None:
        self.reviewing = Reviewing(session, self.go_to, notify)
        self._session = session
        self._current = current
        self._work = work
        self._slider = slider
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
        """Propagate all objects to later frames."""
        self.propagate("forward")

    def propagate_both(self) -> None:
        """Propagate all objects both ways."""
        self.propagate("both")

    def propagate(
        self,
        direction: Direction = "both",
        frames: range | None = None,
        object_ids: tuple[int, ...] | None = None,
        only_stale: bool = False,
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
        self._slider.show(frame)

    def next_suspicious(self) -> None:
        """Go to the mask that looks most like a mistake of a run, of those not shown yet."""
        self.reviewing.next()

    def undo(self) -> None:
        """Take the last edit back, whatever layer it was made in."""
        if not self._session.undo():
            self._notify("There is nothing to undo.")

    def redo(self) -> None:
        """Make the edit again that was taken back last."""
        if not self._session.redo():
            self._notify("There is nothing to redo.")

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
        further = sorted((frame for frame in set(frames) if (frame - self._slider.frame) * step > 0), reverse=step < 0)
        if further:
            self._slider.show(further[0])
        else:
            self._notify(f"There is no {'later' if step > 0 else 'earlier'} prompted frame.")
