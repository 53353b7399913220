"""What a program found and a person decides about: proposals are looked for, shown, accepted as objects, or rejected.

Order: `find` (or `find_job`, run by the session) looks for objects without a click, or `from_labels` takes those of
another program; `shown` says which are to be decided about; `accept` makes objects of them, each with its mask as a
prompt. What a person made is never overwritten: a proposal on top of an object is neither shown nor accepted
(`masks.ground`). Every call is one step that can be undone; accepting many costs as many times what one costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sam2.document.document import Document
from napari_sam2.document.plain_values import whole_numbers
from napari_sam2.document.prompt_parts import Mask, checked_labels, cut_labels
from napari_sam2.document.proposal_map import ProposalMap
from napari_sam2.document.proposals import Proposal, ProposalState
from napari_sam2.document.proposing import accepted, forgotten, rejected
from napari_sam2.engine.jobs import LEAST_SCORE, FindJob, FindRequest, LinkJob
from napari_sam2.engine.updates import FoundTracks, FrameUpdate
from napari_sam2.linking import LinkingOptions
from napari_sam2.masks.ground import Ground
from napari_sam2.session.found import Proposed, Search, best_first, new_ids, one_each, propose
from napari_sam2.session.linked import LinkedObjects, link_job
from napari_sam2.session.looking_on import SOURCE, LookingOn, ends_job, reach_of
from napari_sam2.session.made_by_jobs import PROPOSE, PROPOSE_SEEN
from napari_sam2.session.saving import Saving
from napari_sam2.session.state import SessionState
from napari_sam2.session.steps import Steps
from napari_sam2.session.work import SessionWork
from sam2_core.errors import PromptError

Region = ArrayLike
"""Pixels (H, W) bool, or a box (y0, x0, y1, x1)."""


class Proposals:
    """The proposals of a session; `session.document.proposals` holds all of them by number, also decided ones."""

    def __init__(self, state: SessionState, saving: Saving, work: SessionWork) -> None:
        self._state = state
        self._steps = Steps(state, saving)
        self._work = work

    def find(  # noqa: PLR0913 - one keyword per thing that a script may want to say
        self,
        frames: int | Sequence[int] | None = 0,
        *,
        diameter_px: float | None = None,
        min_diameter_px: float | None = None,
        max_diameter_px: float | None = None,
        region: Region | None = None,
        keep_border: bool = True,
        min_score: float = LEAST_SCORE,
    ) -> Proposed:
        """Find the objects of frames without a click, propose them, and return what came of it.

        Parameters
        ----------
        frames
            0-based; all where None.
        diameter_px
            Of a typical object in pixels; found by the program where neither this nor the settings say it.
        min_diameter_px, max_diameter_px
            Smaller and larger objects are left out.
        region
            Where to look, see `Region`; everywhere where None.
        keep_border
            Whether objects that touch the border of the frame count.
        min_score
            Less sure ones are left out; 0 to 1.

        Raises
        ------
        PromptError, StackError, CheckpointError
            If something asked for cannot be, a frame cannot be read, or the model cannot be had or finds nothing.
        """
        if frames is None:
            frames = range(self._state.masks.frame_count)
        chosen = tuple(whole_numbers(frames, "frame"))
        pixels = None if region is None else self._pixels(region)
        request = FindRequest(chosen, diameter_px, min_diameter_px, max_diameter_px, pixels, keep_border, min_score)
        came = Proposed()
        for update in self._work.run(self.find_job(request)):
            came = came.joined(self._work.take(update) or Proposed())
        return came

    def find_job(self, request: FindRequest) -> FindJob:
        """Return the job that finds objects without a click; `session.run` it, and `session.accept` its updates.

        Raises
        ------
        PromptError
            If there is no such frame, or the region is of another size.
        """
        frames = tuple(map(self._state.checked_frame, request.frames))
        if not frames:
            raise PromptError("no frame is given to look at; give at least one.")
        region = None if request.region is None else self._pixels(request.region)
        known = self._state.settings.object_diameter_px
        diameter = known if request.diameter_px is None else request.diameter_px
        asked = replace(request, frames=frames, region=region, diameter_px=diameter)
        return FindJob(self._work.ready(), asked, Path(self._state.settings.model).name)

    def add(
        self,
        frame: int,
        masks: Sequence[ArrayLike | Mask],
        source: str,
        scores: Sequence[float] | None = None,
        labels: Sequence[int] | None = None,
    ) -> Proposed:
        """Propose masks of a frame, (H, W) each, instead of what the source proposed there before.

        Parameters
        ----------
        source
            What found them.
        scores
            One per mask, larger is surer; all 1 where None.
        labels
            The object id that each would like; where None, or where an id is taken, they get the next ones.

        Raises
        ------
        PromptError
            If there is no such frame, a mask is empty or of another size, or they are of different number.
        """
        frame = self._state.checked_frame(frame)
        drawn = [mask if isinstance(mask, Mask) else Mask(mask) for mask in masks]
        for mask in drawn:
            mask.within(*self._state.masks.size)
        sure = one_each(len(drawn), scores, "scores", 1.0)
        named = one_each(len(drawn), labels, "labels", None)
        rows = zip(drawn, sure, named, strict=True)
        found = [Proposal(frame, mask, score, source, label=label) for mask, score, label in rows]
        return propose(self._state, self._steps, found, Search(frame, source, PROPOSE))

    def from_labels(
        self, labels: ArrayLike, source: str, frame: int = 0, scores: Sequence[float] | None = None
    ) -> Proposed:
        """Propose the objects of a label image (H, W): of Cellpose, StarDist, a threshold; accepting keeps free ids.

        Parameters
        ----------
        labels
            Whole numbers, 0 for nothing.
        source
            What made them.
        scores
            One per object, by ascending label; all 1 where None.

        Raises
        ------
        PromptError
            If it is of another size, or there is no such frame.
        """
        masks = cut_labels(checked_labels(labels, self._state.masks.size))
        return self.add(frame, list(masks.values()), source, scores, list(masks))

    def shown(self, frame: int) -> dict[int, Proposal]:
        """Return the proposals of a frame to decide about, number -> proposal, best first; none on top of an object."""
        state = self._state
        here = ProposalMap.of(state.document.proposals).on_frame(state.checked_frame(frame))
        waiting = {number: one for number, one in here.items() if one.is_open}
        if not waiting:
            return {}
        ground = Ground.of_objects(state.document, state.masks, frame, [one.mask for one in waiting.values()])
        return {number: waiting[number] for number in best_first(waiting) if not ground.is_taken(waiting[number].mask)}

    def chosen(
        self,
        frame: int | None = None,
        min_score: float | None = None,
        region: Region | None = None,
        point_yx: Sequence[float] | None = None,
    ) -> tuple[int, ...]:
        """Return the numbers of those that are shown and meet all that is asked for, best first.

        Parameters
        ----------
        frame
            On all frames where None.
        min_score
            With this score or a higher one.
        region
            With more than half of their pixels there: (H, W) bool, or a box (y0, x0, y1, x1).
        point_yx
            The one there: of several the best.

        Raises
        ------
        PromptError
            If the region is neither.
        """
        frames = ProposalMap.of(self._document.proposals).frames() if frame is None else [frame]
        found = {number: one for at in frames for number, one in self.shown(at).items()}
        if min_score is not None:
            found = {number: one for number, one in found.items() if one.score >= min_score}
        if region is not None:
            pixels = self._pixels(region)
            found = {number: one for number, one in found.items() if _share_in(pixels, one.mask) > 0.5}
        if point_yx is not None:
            there = [number for number, one in found.items() if one.mask.holds(*map(float, point_yx))]
            return tuple(there[:1])
        return tuple(best_first(found))

    def accept(self, numbers: int | Iterable[int] | None = None) -> tuple[int, ...]:
        """Make objects of proposals, and return their ids; the better ones first, and none on top of another object.

        Parameters
        ----------
        numbers
            All that are shown where None; see `chosen`.

        Raises
        ------
        PromptError
            If there is no such proposal.
        """
        ids = new_ids(self._state, self.chosen() if numbers is None else self._known(numbers))
        if ids:
            self._steps.make(accepted(self._document, ids), _counted("accept", len(ids)))
        return tuple(ids.values())

    def link(
        self,
        numbers: int | Iterable[int] | None = None,
        options: LinkingOptions | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> LinkedObjects:
        """Link proposals of many frames to tracks; see `linked`.

        A track carries on the object that it fits, on frames on which that has no mask; each of the others becomes an
        object that was found, not prompted. Mothers become parents of their daughters. What a person said stays: where
        an object begins, ends, is absent or locked, nothing is added, and two objects never become one. Proposals on
        top of an object, or of a better proposal, are left.

        Parameters
        ----------
        numbers
            All that are shown where None; see `chosen`.
        options
            How they are linked; see `linked.linking_for` where None.
        progress
            Is told how far it is, (done, total); what it raises ends the work, and nothing is changed.

        Raises
        ------
        PromptError
            If there is no such proposal.
        """
        linked = LinkedObjects()
        for update in self._work.run(self.link_job(numbers, options)):
            if progress is not None:
                progress(update.done, update.total)
            linked = self._work.take(update) or linked
        return linked

    def look_on(
        self,
        reach: int | None = None,
        options: LinkingOptions | None = None,
        region: NDArray[np.bool_] | None = None,
    ) -> Iterator[FrameUpdate]:
        """Let memory propose cells that were missed behind the ends of what `link` would make, and yield what it sees.

        All of it is one step of undo. What was found before is linked best after that.

        Parameters
        ----------
        reach
            Frames behind an end; None for 3 where cells move by less than half of their size from frame to frame, and
            none elsewhere, nor along Z.
        options
            How they are linked; see `linking_for` where None.
        region
            (H, W) bool, where to look; the whole frame where None.

        Raises
        ------
        CheckpointError, StackError
            The model cannot be had, or a frame not be read.
        """
        linked = [update.tracks for update in self._work.run(self.link_job(options=options))]
        if linked and linked[-1] is not None:
            looking = self.looking_on(linked[-1], reach, region)
            for update in self._work.run(looking.job) if not looking.job.is_empty else ():
                looking.take(update)
                yield update

    def looking_on(
        self, tracks: FoundTracks, reach: int | None = None, region: NDArray[np.bool_] | None = None
    ) -> LookingOn:
        """Return the look behind the ends of tracks, whose job `session.run` runs; see `look_on`."""

        def add(frame: int, found: list[Proposal]) -> dict[int, Proposal]:
            known = self._document.proposals
            if not any(n in known and known[n].mask is one.mask for n, one in tracks.sought_on(frame).items()):
                return {}  # it was undone, and a step now would be in the way of redo
            run = -1 - job.revision  # searches have revisions, which are none of these
            search = Search(frame, SOURCE, PROPOSE_SEEN, run, kept=tracks.frames[frame])
            numbers = propose(self._state, self._steps, found, search).numbers
            return {number: self._document.proposals[number] for number in numbers}

        along_time = self._state.movie.movie.track_axis == "T"
        job = ends_job(tracks, self._work.ready(), reach_of(tracks, reach) if along_time else 0)
        return LookingOn(tracks, job, self._state.masks.size, add, region)

    def link_job(self, numbers: int | Iterable[int] | None = None, options: LinkingOptions | None = None) -> LinkJob:
        """Return the job that links proposals; `session.run` it, and `session.accept` its updates. See `link`.

        Raises
        ------
        PromptError
            If there is no such proposal.
        """
        taken = new_ids(self._state, self.chosen() if numbers is None else self._known(numbers))
        return link_job(self._state, self._work.ready(), list(taken), options)

    def reject(self, numbers: int | Iterable[int] | None = None) -> None:
        """Show proposals no more, also when the same is found again; all that are shown where None.

        Raises
        ------
        PromptError
            If there is no such proposal, or it is an object already.
        """
        chosen = self.chosen() if numbers is None else self._known(numbers)
        done = [number for number in chosen if self._document.proposals[number].state is ProposalState.accepted]
        if done:
            raise PromptError(f"proposal {done[0]} was accepted and is an object; remove the object instead.")
        if chosen:
            self._steps.make(rejected(self._document, chosen), _counted("reject", len(chosen)))

    def remove(self, numbers: int | Iterable[int] | None = None) -> None:
        """Forget proposals, whatever was decided about them; all of them where None. Objects stay.

        Raises
        ------
        PromptError
            If there is no such proposal.
        """
        chosen = list(self._document.proposals) if numbers is None else self._known(numbers)
        if chosen:
            self._steps.make(forgotten(self._document, chosen), _counted("remove", len(chosen)))

    @property
    def _document(self) -> Document:
        return self._state.document

    def _known(self, numbers: int | Iterable[int]) -> list[int]:
        """Return numbers of proposals that there are, each once."""
        known = self._document.proposals
        chosen = list(dict.fromkeys(whole_numbers(numbers, "proposal")))
        missing = [number for number in chosen if number not in known]
        if missing:
            raise PromptError(f"there is no proposal {missing[0]}; there are {list(known)[:20] or 'none'}.")
        return chosen

    def _pixels(self, region: Region) -> NDArray[np.bool_]:
        """Return the pixels (H, W) of a region."""
        size, given = self._state.masks.size, np.asarray(region)
        if given.shape == size:
            return given.astype(bool)
        if given.shape != (4,):
            raise PromptError(
                f"the region of shape {given.shape} cannot be used; give pixels of shape {size}, or a box of four "
                "numbers, y0, x0, y1, x1."
            )
        pixels = np.zeros(size, bool)
        y0, x0, y1, x1 = (max(0, round(float(edge))) for edge in given)
        pixels[y0:y1, x0:x1] = True
        return pixels


def _share_in(pixels: NDArray[np.bool_], mask: Mask) -> float:
    return float(pixels[mask.rows, mask.columns][mask.inside].mean())


def _counted(verb: str, count: int) -> str:
    return f"{verb} a proposal" if count == 1 else f"{verb} {count} proposals"
