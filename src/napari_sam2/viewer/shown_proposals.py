"""Which proposals of a frame a person sees: those to be decided about, and of them the ones that are sure enough.

The session says which there are, once after each change; a score only filters them, so it may follow a slider. Of what
changed in the session `changed` tells with `tell`, so that several changes of one step are drawn once.
"""

from __future__ import annotations

from itertools import islice

from psygnal import Signal

from napari_sam2.document.prompt_parts import PointYX
from napari_sam2.document.proposal_map import ProposalMap
from napari_sam2.document.proposals import Proposal, ProposalState
from napari_sam2.engine.jobs import LEAST_LINKED_SCORE, LEAST_SCORE
from napari_sam2.session.session import Session


class ShownProposals:
    """The proposals of a session as they are shown; `changed` is emitted when that is something else."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        self._session = session
        self._least_score = LEAST_SCORE
        self._diameter_px: float | None = None
        self._found: dict[int, dict[int, Proposal]] = {}
        self._is_due = False

    @property
    def least_score(self) -> float:
        """Less sure ones are not shown; 0 to 1."""
        return self._least_score

    @least_score.setter
    def least_score(self, score: float) -> None:
        if score != self._least_score:
            self._least_score = score
            self.changed.emit()

    @property
    def diameter_px(self) -> float | None:
        """Size that is shown as a circle beside the cells, in pixels of the image; None for none."""
        return self._diameter_px

    @diameter_px.setter
    def diameter_px(self, diameter_px: float | None) -> None:
        if diameter_px != self._diameter_px:
            self._diameter_px, self._is_due = diameter_px, False  # what is due is drawn with it
            self.changed.emit()

    @property
    def on_several_frames(self) -> bool:
        """Whether there are some that are sure enough on several frames, one of them to decide about.

        Where they are on one frame only, those that were accepted on one beside it count too.
        """
        known = ProposalMap.of(self._session.document.proposals)
        open_on = (frame for frame in known.frames() if any(map(self._is_sure, known.on_frame(frame).values())))
        first_two = list(islice(open_on, 2))
        beside = [frame + step for frame in first_two for step in (-1, 1)]
        accepted = (one.state is ProposalState.accepted for frame in beside for one in known.on_frame(frame).values())
        return len(first_two) > 1 or any(accepted)

    def to_link(self) -> tuple[int, ...]:
        """Return the numbers of those of all frames that are sure enough, best first; see `on_several_frames`.

        At the usual score, or a lower one, less sure ones come along, on which a track that goes on may rely.
        """
        if not self.on_several_frames:
            return ()
        least = LEAST_LINKED_SCORE if self._least_score <= LEAST_SCORE else self._least_score
        return self._session.proposals.chosen(min_score=least)

    def found(self, frame: int) -> dict[int, Proposal]:
        """Return those of a frame to decide about, number -> proposal, best first."""
        if frame not in self._found:
            self._found[frame] = self._session.proposals.shown(frame)
        return self._found[frame]

    def shown(self, frame: int) -> dict[int, Proposal]:
        """Return those that are sure enough, best first."""
        return {number: one for number, one in self.found(frame).items() if self._is_sure(one)}

    def at(self, frame: int, place_yx: PointYX) -> int | None:
        """Return the number of the one that is shown at a place, of several the best; None where there is none."""
        there = (number for number, one in self.shown(frame).items() if one.mask.holds(*place_yx))
        return next(there, None)

    def forget(self, frame: int | None = None) -> None:
        """Ask the session anew about a frame, or all: something was decided, or an object has changed."""
        if frame is None:
            self._found.clear()
        else:
            self._found.pop(frame, None)
        self._is_due = True

    def tell(self) -> bool:
        """Emit `changed` if something was forgotten since the last time; return whether it was."""
        is_due, self._is_due = self._is_due, False
        if is_due:
            self.changed.emit()
        return is_due

    def _is_sure(self, one: Proposal) -> bool:
        return one.is_open and one.score >= self._least_score
