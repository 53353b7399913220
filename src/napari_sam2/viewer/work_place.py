"""Where on the axes that it does not follow a session works, and where the viewer is.

As long as nothing is made, the session comes along: the first prompt, or search, says where it works, and which channel
the model sees where that was the one in view.
"""

from __future__ import annotations

from collections.abc import Mapping

from napari_sam2.session.session import Session
from napari_sam2.viewer.sight import Sight


class WorkPlace:
    """A session and the sliders of its image."""

    def __init__(self, session: Session, sight: Sight) -> None:
        self._session = session
        self._sight = sight
        self._followed = sight.channel
        """The channel that was in view when the session was opened, or settled."""

    @property
    def channels_apart(self) -> tuple[int, int] | None:
        """Return the one channel that the model sees and the one in view; None where it sees that or several."""
        seen, shown = self._session.movie.movie.channels or (), self._sight.channel
        return (seen[0], shown) if len(seen) == 1 and shown is not None and seen[0] != shown else None

    def work_at(self, places: Mapping[str, int]) -> bool:
        """Hold the session at other places, by letter, as long as nothing is made; return whether it is there now."""
        held = self._sight.grid.held
        wanted = {**held, **places}
        if wanted != held and not self._session.holds_work:
            self._session.change_settings(fixed=wanted)
        return wanted == self._sight.grid.held

    def show(self, frame: int) -> None:
        """Show a frame where the session works; as long as nothing is made, it comes along to where the viewer is."""
        self.work_at(self._sight.held)
        self._sight.show(frame)

    def settle(self) -> bool:
        """Hold the session where the viewer is, as the first prompt does; return whether it is there."""
        apart = self.channels_apart
        if apart is not None and apart[0] == self._followed and not self._session.holds_work:
            self._session.change_settings(channels=(apart[1],))
            self._followed = apart[1]
        return self.work_at(self._sight.held)
