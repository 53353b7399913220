"""Where the pointer rests, ready to click, the model looks already: the click is answered sooner.

Nothing is shown of it, and nothing comes of it but what a click there would be answered from.
"""

from __future__ import annotations

from napari.components import ViewerModel

from napari_sam2.document.prompt_parts import PointYX
from napari_sam2.session.session import Session
from napari_sam2.viewer.prompt_layers import PromptLayers
from napari_sam2.viewer.proposal_layer import ProposalLayer
from napari_sam2.viewer.sight import Sight

STILL = 2
"""So many calls of `poll` find the pointer where it was, and the same frame: not while a movie is played."""


class LookingAhead:
    """Follows the pointer over the image, each time that `poll` is called."""

    def __init__(
        self, viewer: ViewerModel, session: Session, prompts: PromptLayers, found: ProposalLayer, sight: Sight
    ) -> None:
        self._viewer = viewer
        self._session = session
        self._prompts = prompts
        self._found = found
        self._sight = sight
        self._before = self._looked_at = self._place
        self._still = 0

    @property
    def _place(self) -> tuple[object, ...]:
        return (self._sight.frame, *self._sight.cursor)

    def poll(self) -> None:
        """Have the model look, if the pointer has not moved for some calls, and nothing else is to be done."""
        place = self._place
        self._still = self._still + 1 if place == self._before else 0
        self._before = place
        if self._still < STILL or place == self._looked_at or not self._sight.is_at_work:
            return
        located = self._sight.locate(self._sight.cursor)
        if located is None or (self._adds(*located) and self._session.work.look_at(*located)):
            self._looked_at = place

    def _adds(self, frame: int, place_yx: PointYX) -> bool:
        """Return whether a click would add to a prompt: as a point, or beside what there is to be decided about."""
        points, found = self._prompts.points, self._found
        active = self._viewer.layers.selection.active  # a viewer may hand out proxies of layers, which are equal
        if active is not None and active == found.layer:
            return found.proposals.at(frame, place_yx) is None
        return points is not None and points == active and points.mode == "add"
