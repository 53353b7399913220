"""What was found becomes proposals: where an object is already, and where it was rejected before, none is made.

And which ids they get as objects.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from napari_sam2.document.proposal_map import ProposalMap
from napari_sam2.document.proposals import Proposal, ProposalState
from napari_sam2.document.proposing import proposed
from napari_sam2.engine.updates import FoundUpdate
from napari_sam2.masks.ground import Ground
from napari_sam2.session.state import SessionState
from napari_sam2.session.steps import Steps
from sam2_core.errors import PromptError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Proposed:
    """What came of what was found.

    Attributes
    ----------
    numbers
        Of the new proposals, in the order in which they were given.
    on_objects
        How many were left out because they lie on top of an object.
    rejected_before
        How many were left out because the same source had proposed the same, and it was rejected.
    diameter_px
        Of a typical object, as it was told or found; None where nothing tells it.
    remark
        What a person should know, for example why nothing was found; else empty.
    """

    numbers: tuple[int, ...] = ()
    on_objects: int = 0
    rejected_before: int = 0
    diameter_px: float | None = None
    remark: str = ""

    def joined(self, other: Proposed) -> Proposed:
        """Return what came of both; of the size and the remark the later one counts, where it says something.

        Why nothing was found on one frame is no remark any more where something was found on another.
        """
        numbers = self.numbers + other.numbers
        return Proposed(
            numbers,
            self.on_objects + other.on_objects,
            self.rejected_before + other.rejected_before,
            other.diameter_px or self.diameter_px,
            "" if numbers else other.remark or self.remark,
        )


@dataclass(frozen=True, slots=True)
class Search:
    """Where something was found, and how that becomes a step.

    Attributes
    ----------
    frame, source
        On which frame, and by what.
    text
        Of the step.
    run
        Of which search it is a part: all of one are taken back in one step.
    kept
        Numbers that stay of what the source had proposed there.
    """

    frame: int
    source: str
    text: str = "find cells"
    run: int | None = None
    kept: Container[int] = ()


def propose(state: SessionState, steps: Steps, found: Sequence[Proposal], search: Search) -> Proposed:
    """Return what came of what a source found on a frame; what it had proposed there and nobody decided is replaced."""
    document, size, frame, source = state.document, state.masks.size, search.frame, search.source
    objects = Ground.of_objects(document, state.masks, frame)
    known = ProposalMap.of(document.proposals).on_frame(frame)
    rejected = Ground(size, {n: one.mask for n, one in known.items() if _is_rejected(one, source)})
    free = [one for one in found if not objects.is_taken(one.mask)]
    new = [one for one in free if not rejected.is_known(one.mask)]
    first = document.next_proposal()
    steps.make(proposed(document, new, frame, source, search.kept), search.text, run=search.run)
    return Proposed(tuple(range(first, first + len(new))), len(found) - len(free), len(free) - len(new))


def take_found(state: SessionState, steps: Steps, update: FoundUpdate) -> Proposed | None:
    """Return what came of an update; None where it has nothing yet, or the model sees other frames by now."""
    found = update.found
    if found is None or state.is_outlived(update.revision):
        return None
    frame, pairs = update.frame_index, zip(found.masks, found.scores, strict=True)
    proposals = [Proposal(frame, mask, score, found.source) for mask, score in pairs]
    made = propose(state, steps, proposals, Search(frame, found.source, run=update.revision))
    return made.joined(Proposed(diameter_px=found.diameter_px, remark=found.remark))


def _is_rejected(one: Proposal, source: str) -> bool:
    return one.state is ProposalState.rejected and one.source == source


def new_ids(state: SessionState, numbers: Iterable[int]) -> dict[int, int]:
    """Return the ids that proposals get as objects, best first; without those that are, or are on top of one."""
    proposals = state.document.proposals
    open_ones = {n: proposals[n] for n in numbers if proposals[n].state is not ProposalState.accepted}
    taken = state.every_object()
    following = max(taken, default=0) + 1
    free = _free(state, open_ones, following)
    wanted, ids = {one.label for one in open_ones.values()} - {None}, dict[int, int]()
    for number in best_first(free):
        label = free[number].label
        if label is not None and label not in taken:
            ids[number] = label
        else:
            while following in taken or following in wanted:
                following += 1
            ids[number] = following
        taken.add(ids[number])
    return ids


def _free(state: SessionState, proposals: Mapping[int, Proposal], above: int) -> dict[int, Proposal]:
    """Return the proposals that are not on top of an object nor of a better one; object ids are below `above`."""
    every, free = ProposalMap.of(proposals), dict[int, Proposal]()
    for frame in every.frames():  # the ground of one frame at a time: each takes as much as four images
        there, ground = every.on_frame(frame), Ground.of_objects(state.document, state.masks, frame)
        for number in best_first(there):
            if not ground.is_taken(there[number].mask):
                ground.take(above + number, there[number].mask)
                free[number] = there[number]
    return free


def one_each(count: int, given: Sequence[T] | None, what: str, usual: T) -> list[T]:
    """Return what is given for each mask, and the usual for all where nothing is.

    Raises
    ------
    PromptError
        If it is given for another number of masks.
    """
    values = [usual] * count if given is None else list(given)
    if len(values) != count:
        raise PromptError(f"{len(values)} {what} are given for {count} masks; give one for each.")
    return values


def best_first(proposals: Mapping[int, Proposal]) -> list[int]:
    """Return the numbers of proposals, the surest first."""
    return sorted(proposals, key=lambda number: (-proposals[number].score, number))
