"""What a person does about what a program found on the frame in view: look for it, accept it, reject it, add to it.

Which proposal is meant: the one that `next_proposal` went to, until the mouse moves; then the one under the mouse.
Everything is a step of the session that can be undone. Nothing here touches a layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from napari.layers import Labels, Shapes
from psygnal import Signal

from napari_sam2.document.prompt_parts import PointYX
from napari_sam2.document.proposals import Proposal
from napari_sam2.engine.jobs import LEAST_LINKED_SCORE, FindRequest
from napari_sam2.session.found import Proposed
from napari_sam2.session.session import Session
from napari_sam2.viewer.current import Current
from napari_sam2.viewer.foreign_layers import labels_of
from napari_sam2.viewer.running import Notify, Work
from napari_sam2.viewer.shown_proposals import ShownProposals
from napari_sam2.viewer.sight import Sight
from napari_sam2.viewer.telling import told_found
from sam2_core.errors import PromptError

_NONE_SHOWN = "No found cell is shown on this frame."


@dataclass(frozen=True, slots=True)
class Search:
    """What the next search is told besides the frame in view.

    Attributes
    ----------
    diameter_px
        Of a typical cell; None where the program is to find out.
    min_diameter_px, max_diameter_px
        Smaller and larger ones are left out.
    keep_border
        Whether cells that touch the border of the image count.
    every_frame
        Whether all frames are looked at instead of the one in view.
    region
        Layer inside whose shapes is looked, as they are when the search begins; None for the whole frame.
    """

    diameter_px: float | None = None
    min_diameter_px: float | None = None
    max_diameter_px: float | None = None
    keep_border: bool = True
    every_frame: bool = False
    region: Shapes | None = None

    def request(self, sight: Sight) -> FindRequest:
        """Return what is asked for, given what is in view: also cells that are too unsure to be shown, for linking.

        Raises
        ------
        PromptError
            If no pixel of the image is inside of the region.
        """
        frames = tuple(range(sight.grid.frame_count)) if self.every_frame else (sight.frame,)
        region = None if self.region is None else sight.inside(self.region)
        limits = self.min_diameter_px, self.max_diameter_px
        return FindRequest(frames, self.diameter_px, *limits, region, self.keep_border, LEAST_LINKED_SCORE)


@dataclass(frozen=True, slots=True)
class Visit:
    """A proposal of a frame that a person was led to, and where the mouse was then, in the world."""

    frame: int
    score: float
    number: int
    cursor: tuple[float, ...]

    def is_after(self, other: Visit) -> bool:
        """Return whether it comes later in the order in which proposals are visited."""
        return (self.score, -self.number) > (other.score, -other.number)


class Deciding:
    """The decisions about the proposals of a session; `notify` is told where there is nothing to decide about.

    `looked_at` is emitted with a place (y0, x0, y1, x1), as displayed, of the proposal that a person should look at.

    Parameters
    ----------
    settle
        Has the session work where the viewer is, if it can; returns whether it does.

    Attributes
    ----------
    proposals
        Which are shown.
    search
        What the next search is told.
    """

    looked_at = Signal(tuple)

    def __init__(
        self,
        session: Session,
        current: Current,
        work: Work,
        sight: Sight,
        notify: Notify,
        settle: Callable[[], bool],
    ) -> None:
        self.proposals = ShownProposals(session)
        self.search = Search()
        self._session = session
        self._current = current
        self._work = work
        self._sight = sight
        self._notify = notify
        self._settle = settle
        self._went_to: Visit | None = None

    def find_cells(self) -> None:
        """Look for all cells as `search` says, without a click; what was found and not decided is replaced."""
        if not self._sight.is_there:
            self._notify(self._sight.obstacle)
            return
        if not self._settle():
            self._notify("The session works at another place than this one; go there, or work here in another session.")
            return
        try:
            self._work.find(self.search.request(self._sight))
        except PromptError as error:
            self._notify(str(error))

    def take_labels(self, layer: Labels) -> Proposed:
        """Propose the objects of any Labels layer on the frame in view, as it is there; their ids are kept.

        Raises
        ------
        PromptError
            If the layer has other axes, or another size, than the image.
        """
        if not self._sight.is_there:
            raise PromptError(self._sight.obstacle)
        if not self._settle():
            raise PromptError("the session works at another place than this one; go there to take labels over.")
        frame = self._sight.frame
        came = self._session.proposals.from_labels(labels_of(layer, self._sight.grid, frame), layer.name, frame)
        self._notify(told_found(came, "Taken over"))
        return came

    def size_cells(self, diameter_px: float | None) -> None:
        """Say how large a typical cell is, for the next search, and show it; None where the program is to find out."""
        self.search = replace(self.search, diameter_px=diameter_px)
        self.proposals.diameter_px = diameter_px

    def click(self, position: Any) -> None:
        """Accept the proposal at a position of the world; where none is, a cell is added by a click there."""
        located = self._sight.locate(position)
        if located is None:
            self._notify(self._sight.obstacle or "The click lies outside of the image and was not taken.")
            return
        frame, place = located
        number = self.proposals.at(frame, place)
        if number is not None:
            self._accept((number,))
        elif (there := self._object_at(frame, place)) is not None:
            self._current.choose(there)
            self._notify(f"Object {there} is there already; it is the current one now.")
        elif self._settle():
            self._current.choose(self._session.document.next_object_id(), "in")
            self._session.add_points(self._current.object_id, frame, [place])

    def accept_here(self) -> None:
        """Make an object of the proposal that is meant."""
        self._accept(self._meant())

    def reject_here(self) -> None:
        """Reject the proposal that is meant."""
        if numbers := self._meant():
            self._session.proposals.reject(numbers)

    def accept_shown(self) -> None:
        """Make objects of all that are shown on the frame in view."""
        self._accept(self._all_shown())

    def reject_shown(self) -> None:
        """Reject all that are shown on the frame in view."""
        if numbers := self._all_shown():
            self._session.proposals.reject(numbers)

    @property
    def can_link(self) -> bool:
        """Whether found cells are shown on several frames, or gaps of tracks are left to be filled."""
        return self._sight.is_at_work and (self.proposals.on_several_frames or self._work.has_gaps)

    def link_shown(self) -> None:
        """Link what is shown on all frames to tracks, with divisions, less sure ones too (`ShownProposals.to_link`).

        Where nothing is left to be linked, go on with gaps whose filling was stopped.
        """
        if self.can_link:
            self._work.link(self.proposals.to_link(), self.proposals.least_score)
        else:
            self._notify("Found cells are shown on fewer than two frames; look for them on all frames first.")

    def next_proposal(self) -> None:
        """Go to the next proposal that is shown on the frame in view, the least sure first."""
        frame, last = self._sight.frame, self._went_to
        shown = self._shown()
        ring = [Visit(frame, one.score, number, self._sight.cursor) for number, one in reversed(shown.items())]
        if not ring:
            self._notify(_NONE_SHOWN)
            return
        later = [] if last is None or last.frame != frame else [visit for visit in ring if visit.is_after(last)]
        self._went_to = went_to = (later or ring)[0]
        one = shown[went_to.number]
        rows, columns = one.mask.rows, one.mask.columns
        place = (float(rows.start), float(columns.start), float(rows.stop), float(columns.stop))
        self._sight.bring(frame, place)
        self.looked_at.emit(self._sight.as_displayed(place))
        self._notify(f"Found cell with score {one.score:.2f}: accept it (Shift+Y) or reject it (Shift+X).")

    def tell(self) -> bool:
        """Show what there is to decide about, if that has changed; whether it has. Nothing shown: no circle either."""
        told = self.proposals.tell()
        if told and not self.proposals.shown(self._sight.frame):
            self.proposals.diameter_px = None
        return told

    def counts(self) -> tuple[int, int]:
        """Return how many of the frame in view are to be decided about, and how many of them are shown."""
        found = self.proposals.found(self._sight.frame) if self._sight.is_at_work else {}
        return len(found), len(self._shown())

    def _shown(self) -> dict[int, Proposal]:
        """Return those that are in view, best first: none at another place than where the session works."""
        return self.proposals.shown(self._sight.frame) if self._sight.is_at_work else {}

    def _accept(self, numbers: tuple[int, ...]) -> None:
        """Make objects of proposals; one by itself becomes the current one."""
        ids = self._session.proposals.accept(numbers) if numbers else ()
        if len(ids) == 1:
            self._current.choose(ids[0])

    def _meant(self) -> tuple[int, ...]:
        """Return the number of the proposal that is meant; none, and says so, where there is none."""
        visit, frame = self._went_to, self._sight.frame
        if visit is not None and (visit.frame, visit.cursor) == (frame, self._sight.cursor):
            if visit.number in self._shown():
                return (visit.number,)
        elif (located := self._sight.locate(self._sight.cursor)) is not None:
            number = self.proposals.at(*located)
            if number is not None:
                return (number,)
        self._notify("There is no found cell under the mouse.")
        return ()

    def _all_shown(self) -> tuple[int, ...]:
        numbers = tuple(self._shown())
        if not numbers:
            self._notify(_NONE_SHOWN)
        return numbers

    def _object_at(self, frame: int, place_yx: PointYX) -> int | None:
        """Return the object whose label is at a place; None where there is none."""
        y, x = (round(part) for part in place_yx)
        return int(self._session.labels(frame)[y, x]) or None
