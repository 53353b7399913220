"""Divisions, events and proposals of a document: they follow what is done to its objects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_sam2.document.difference import difference
from napari_sam2.document.document import Document
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.document.proposals import Proposal, ProposalState
from napari_sam2.document.track_events import Division, EventKind, TrackEvent
from sam2_core.errors import PromptError

ENTERS = TrackEvent(1, 0, EventKind.enters)
ABSENT = TrackEvent(3, 7, EventKind.absent, 9)


@pytest.fixture
def family():
    """Object 1 divides into 2 and 3 on frame 5, 3 into 4 on frame 12; 6 is somebody else."""
    document = Document.of([Prompt(one, 0, ((1.0, 1.0),), (1,)) for one in (1, 2, 3, 4, 6)])
    document = document.with_division(Division(3, 12, (4,))).with_division(Division(1, 5, (2, 3)))
    return replace(document, events=(ABSENT, ENTERS))


def parents(document):
    return {one: info.parent for one, info in document.objects.items() if info.parent is not None}


def test_a_division_makes_its_mother_the_parent_and_all_come_in_order(family):
    assert parents(family) == {2: 1, 3: 1, 4: 3}
    assert family.divisions == (Division(1, 5, (2, 3)), Division(3, 12, (4,)))
    assert family.events == (ENTERS, ABSENT)
    again = family.with_division(Division(1, 5, (3, 6)))
    assert again.divisions[0] == Division(1, 5, (3, 6))


def test_a_daughter_with_another_parent_is_no_daughter_any_more(family):
    new = family.with_object(ObjectInfo(2, parent=6)).with_object(ObjectInfo(4))
    assert new.divisions == (Division(1, 5, (3,)),)
    assert family.with_division(Division(6, 3, (3,))).divisions == (
        Division(6, 3, (3,)),
        Division(1, 5, (2,)),
        Division(3, 12, (4,)),
    )


def test_prompts_change_nothing_of_it(family):
    new = family.with_prompts({(9, 1): Prompt(9, 1, ((1.0, 1.0),), (1,)), (1, 0): None})
    assert (new.divisions, new.events) == (family.divisions, family.events)


def test_what_happened_to_an_object_goes_with_it(family):
    new = family.without_object(3)
    assert new.divisions == (Division(1, 5, (2,)),)
    assert new.events == (ENTERS,)
    assert family.without_object(1).divisions == (Division(3, 12, (4,)),)


def test_merging_hands_divisions_and_events_over(family):
    new = family.merged(2, 3)
    assert new.divisions == (Division(1, 5, (2,)), Division(2, 12, (4,)))
    assert parents(new) == {2: 1, 4: 2}
    assert new.events == (ENTERS, replace(ABSENT, object_id=2))
    assert family.merged(1, 3).divisions == (Division(1, 5, (2,)), Division(1, 12, (4,)))
    assert family.merged(6, 1).divisions[0] == Division(6, 5, (2, 3))


def test_swapping_exchanges_what_happens_from_the_frame_on_and_swapping_again_undoes_it(family):
    new = family.swapped(3, 6, 8)
    assert new.divisions == (Division(1, 5, (2, 3)), Division(6, 12, (4,)))
    assert parents(new) == {2: 1, 3: 1, 4: 6}
    parts = replace(ABSENT, last_frame=7), replace(ABSENT, object_id=6, frame=8)
    assert new.events == (ENTERS, *parts), "an absence is parted where names change"
    assert family.swapped(3, 6, 7).events == (ENTERS, replace(ABSENT, object_id=6))
    for pair in ((3, 6), (2, 3), (1, 6)):
        for frame in (0, 8, 20):
            assert difference(family.swapped(*pair, frame).swapped(*pair, frame), family).is_empty


def test_a_mother_and_her_daughter_can_be_swapped(family):
    new = family.swapped(1, 3, 5)
    assert new.divisions == (Division(1, 12, (4,)), Division(3, 5, (2, 1)))[::-1]
    assert parents(new) == {2: 3, 1: 3, 4: 1}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Division(1, 5, ()), r"object 1 cannot divide into \[\]"),
        (lambda: Division(1, 5, (2, 2)), "each once"),
        (lambda: Division(1, 5, (1, 2)), "give other objects"),
        (lambda: TrackEvent(1, 5, EventKind.absent), "an absence has a last frame"),
        (lambda: TrackEvent(1, 5, EventKind.dies, 6), "every other event is on one frame"),
        (lambda: Document.of([], [ObjectInfo(1)]).with_division(Division(1, 2, (3,))), "object 3 does not exist"),
        (lambda: Document({}, {1: ObjectInfo(1), 2: ObjectInfo(2)}, divisions=(Division(1, 3, (2,)),)), "whose parent"),
        (lambda: Document({}, {1: ObjectInfo(1)}, events=(ABSENT,)), "object 3 does not exist"),
    ],
)
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(PromptError, match=words):
        make()


def test_the_difference_names_proposals_and_tracks(family):
    mask = Mask(np.eye(4, dtype=bool))
    proposals = {1: Proposal(0, mask, 0.9, "grid"), 2: Proposal(0, mask, 0.4, "grid")}
    old = replace(family, proposals=proposals)
    accepted = replace(proposals[2], state=ProposalState.accepted, mask=Mask(np.eye(4, dtype=bool)))
    new = replace(old, proposals={2: accepted, 5: proposals[1]}, events=(ENTERS,)).without_object(4)
    diff = difference(old, new)
    assert diff.proposals == (1, 2, 5)
    assert diff.tracks == (3, 4)
    again = {1: Proposal(0, Mask(np.eye(4, dtype=bool)), 0.9, "grid"), 2: proposals[2]}
    assert difference(old, replace(old, proposals=again)).is_empty
    assert not difference(family, replace(family, events=(ENTERS,))).is_empty
