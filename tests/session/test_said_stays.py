"""What was said of tracks outlasts what is done with them: linked anew, cut, swapped, merged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from disc_predictor import DiscPredictor
from linked_squares import there

from napari_sam2.document.objects import LinkStatus
from napari_sam2.document.reviews import ReviewState
from napari_sam2.document.track_events import EventKind, TrackEvent
from napari_sam2.io.track_files import TrackedLabels
from napari_sam2.session import Session
from napari_sam2.stacks import open_labels

FRAMES, SIZE = 8, (60, 80)


def square(frame):
    mask = np.zeros(SIZE, bool)
    mask[6:15, 6 + 2 * frame : 15 + 2 * frame] = True
    return mask


@pytest.fixture
def session():
    """One square: object 1 on frames 0 to 2, painted on 2; 2 on frames 3 to 5; 3 behind it, which comes from 2."""
    labels = np.zeros((FRAMES, *SIZE), np.uint16)
    for frame, one in enumerate([1, 1, 0, 2, 2, 2, 3, 3]):
        labels[frame][square(frame)] = one
    with Session.open(np.zeros(labels.shape, np.uint8), axes="TYX", predictor=DiscPredictor()) as made:
        made.import_tracks(TrackedLabels(open_labels(labels, "TYX"), {3: 2}))
        made.edit_mask(1, 2, square(2))
        assert made.document.divisions == ()
        yield made


def everything(session):
    document = session.document
    said = dict(document.objects), document.divisions, document.events, dict(document.claims)
    return said, document.review.decisions, dict(sorted(session.masks.items()))


def test_without_a_word_of_it_the_two_are_one(session):
    """Else nothing below says anything."""
    assert session.relink() == (1,)
    assert there(session, 1) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(("frame", "changed"), [(0, ()), (4, ()), (5, (1,))])
def test_a_track_that_ends_far_from_what_was_said_of_it_is_kept(frame, changed):
    labels = np.zeros((FRAMES, *SIZE), np.uint16)
    for at, one in enumerate([1, 1, 1, 1, 1, 1, 2, 2]):
        labels[at][square(at)] = one
    with Session.open(np.zeros(labels.shape, np.uint8), axes="TYX", predictor=DiscPredictor()) as session:
        session.import_tracks(TrackedLabels(open_labels(labels, "TYX"), {}))
        session.edit_mask(1, frame, square(frame))
        assert session.relink() == changed


@pytest.mark.parametrize(
    "event",
    [
        TrackEvent(1, 2, EventKind.dies),
        TrackEvent(1, 2, EventKind.leaves),
        TrackEvent(1, 3, EventKind.dies),  # where it was not seen any more
        TrackEvent(2, 3, EventKind.appears),
        TrackEvent(2, 3, EventKind.enters),
        TrackEvent(2, 2, EventKind.appears),
        TrackEvent(1, 3, EventKind.absent, 4),
    ],
)
def test_an_event_that_was_said_is_not_linked_over(session, event):
    session.lineage.add_event(event)
    before = everything(session)
    assert session.relink() == ()
    assert everything(session) == before
    session.undo()
    assert session.relink() == (1,)


def test_an_event_that_was_taken_back_is_not_said(session):
    event = TrackEvent(1, 2, EventKind.dies)
    session.lineage.add_event(event)
    session.lineage.remove_event(event)
    assert session.relink() == (1,)
    session.undo()
    session.undo()
    assert session.relink() == ()


def test_what_was_said_within_a_track_goes_with_it(session):
    """It contradicts a mask that a program linked, and no mask that a person made."""
    session.lineage.add_event(TrackEvent(2, 4, EventKind.dies))
    session.relink()
    assert session.document.events == (TrackEvent(1, 4, EventKind.dies),)


def test_what_was_painted_since_says_more_than_an_end(session):
    session.lineage.add_event(TrackEvent(1, 1, EventKind.dies))
    session.edit_mask(1, 2, square(2))
    assert session.relink() == (1,)
    assert session.document.events == ()


def test_a_parent_that_makes_no_division_stays_when_its_object_becomes_part_of_another(session):
    assert session.relink() == (1,)
    assert session.document.objects[3].parent == 1
    session.undo()
    assert session.document.objects[3].parent == 2


def test_a_parent_goes_on_as_nobody_but_its_child(session):
    """Frame 6 is the child's; another square there fits the parent better."""
    labels = np.zeros((FRAMES, *SIZE), np.uint16)
    for frame, one in enumerate([1, 1, 1, 1, 1, 1, 4, 4]):
        labels[frame][square(frame)] = one
    for frame in (6, 7):
        labels[frame][20:29, 30:39] = 3
    with Session.open(np.zeros(labels.shape, np.uint8), axes="TYX", predictor=DiscPredictor()) as made:
        made.import_tracks(TrackedLabels(open_labels(labels, "TYX"), {3: 1}))
        made.edit_mask(1, 5, square(5))
        before = everything(made)
        assert made.relink() == ()
        assert everything(made) == before


@pytest.mark.parametrize("verb", ["cut", "swap"])
def test_a_parent_that_makes_no_division_follows_what_of_it_is_there(session, verb):
    if verb == "cut":
        other = session.surgery.break_here(2, 5)
    else:
        other = 1
        session.swap_objects(1, 2, 4)
    assert session.document.objects[3].parent == other
    session.undo()
    assert session.document.objects[3].parent == 2


def test_a_parent_stays_where_only_what_is_behind_its_child_is_exchanged(session):
    session.swap_objects(1, 2, 7)
    assert session.document.objects[3].parent == 2


@pytest.mark.parametrize("names", [("a", "b"), ("a", "a"), ("", "b")])
def test_two_that_were_named_differently_stay_two(session, names):
    for one, name in enumerate(names, start=1):
        session.rename_object(one, name)
    stay = names == ("a", "b")
    assert session.relink() == (() if stay else (1,))
    assert {info.name for info in session.document.objects.values() if info.name} == {name for name in names if name}


def test_two_names_stay_where_a_third_without_one_lies_between_them():
    """An object beside them is painted too, so that links of all three are open."""
    labels = np.zeros((FRAMES, *SIZE), np.uint16)
    for frame, one in enumerate([1, 1, 1, 2, 3, 3, 3, 3]):
        labels[frame][square(frame)] = one
        labels[frame][np.roll(square(frame), 14, axis=0)] = 7
    with Session.open(np.zeros(labels.shape, np.uint8), axes="TYX", predictor=DiscPredictor()) as made:
        made.import_tracks(TrackedLabels(open_labels(labels, "TYX"), {}))
        for one, frame in ((1, 2), (7, 4)):
            made.edit_mask(one, frame, made.labels(frame) == one)
        made.rename_object(1, "a")
        made.relink()
        assert there(made, 1) == list(range(FRAMES))
        made.undo()
        made.rename_object(3, "b")
        made.relink()
        assert {one: info.name for one, info in made.document.objects.items()} == {1: "a", 3: "b", 7: ""}
        assert (there(made, 1), there(made, 3)) == ([0, 1, 2, 3], [4, 5, 6, 7])


def test_what_was_decided_goes_with_the_object(session):
    (item,) = (item for item in session.review.items() if item.place.object_id == 2)
    session.review.dismiss(item)
    number = session.review.sample("links", 20).places.index((2, 5))
    session.review.answer("links", number, True)
    assert session.relink() == (1,)
    sample = session.document.review.samples["links"]
    assert (sample.places[number], sample.answers[number]) == ((1, 5), True)
    decisions = session.document.review.decisions
    assert [(place, one.place, one.state) for place, one in decisions.items()] == [
        (replace(item.place, object_id=1), replace(item.place, object_id=1), ReviewState.dismissed)
    ]


def test_a_short_track_that_was_found_right_stays_as_it_is(session):
    (item,) = (one for one in session.review.items(kind="short track") if one.place.object_id == 2)
    session.review.accept(item)
    before = everything(session)
    assert session.relink() == ()
    assert everything(session) == before


def test_merging_leaves_no_end_in_the_middle(session):
    session.lineage.add_event(TrackEvent(1, 2, EventKind.dies))
    session.lineage.add_event(TrackEvent(2, 3, EventKind.appears))
    session.lineage.add_event(TrackEvent(2, 5, EventKind.leaves))
    session.merge_objects(1, 2)
    assert session.document.events == (TrackEvent(1, 5, EventKind.leaves),)


def test_merging_two_that_were_said_to_begin_on_one_frame_leaves_one_beginning(session):
    session.lineage.add_event(TrackEvent(1, 0, EventKind.appears))
    session.lineage.add_event(TrackEvent(2, 0, EventKind.enters))
    session.lineage.add_event(TrackEvent(3, 6, EventKind.appears))
    session.merge_objects(1, 2)
    assert [(one.object_id, one.frame) for one in session.document.events] == [(1, 0), (3, 6)]


@pytest.mark.parametrize("edit", [lambda s: s.merge_objects(4, 5), lambda s: s.swap_objects(4, 5, 3)])
def test_of_objects_without_a_mask_one_end_holds_too(session, edit):
    for frame in (2, 4):
        session.lineage.add_event(TrackEvent(session.new_object(), frame, EventKind.dies))
    edit(session)
    assert [(one.object_id, one.frame) for one in session.document.events] == [(4, 4)]


def test_swapping_leaves_no_end_or_beginning_in_the_middle_but_what_was_said_there(session):
    session.lineage.add_event(TrackEvent(1, 2, EventKind.dies))
    session.lineage.add_event(TrackEvent(2, 3, EventKind.appears))
    session.lineage.add_event(TrackEvent(2, 5, EventKind.leaves))
    session.swap_objects(1, 2, 3)
    assert session.document.events == (TrackEvent(1, 5, EventKind.leaves),)
    assert session.undo()
    session.lineage.add_event(TrackEvent(2, 4, EventKind.leaves))
    session.swap_objects(1, 2, 3)
    assert session.document.events == (TrackEvent(1, 4, EventKind.leaves),)


def random_tracks(rng):
    """Return labels of squares in rows that change their number now and then, and parents of some of them."""
    labels, first, last = np.zeros((FRAMES, *SIZE), np.uint16), {}, {}
    for row in range(4):
        one = 0
        for frame in range(FRAMES):
            if rng.random() < 0.1:
                continue
            if not one or rng.random() < 0.25:
                one = len(first) + 1
            y, x = 4 + 14 * row, 6 + 2 * frame + 3 * row + int(rng.integers(-1, 2))
            labels[frame, y : y + 10, x : x + 10] = one
            first.setdefault(one, frame)
            last[one] = frame
    earlier = {one: [other for other in last if last[other] < first[one]] for one in first}
    parents = {one: int(rng.choice(some)) for one, some in earlier.items() if some and rng.random() < 0.3}
    return TrackedLabels(open_labels(labels, "TYX"), parents)


def say_something(session, one, rng):
    frames = there(session, one)
    kind = [EventKind.dies, EventKind.leaves, EventKind.appears][rng.integers(3)]
    frame = int(rng.choice(frames))
    items = session.review.items()
    ways = [
        lambda: session.lineage.add_event(TrackEvent(one, frames[-1] if kind.is_end else frames[0], kind)),
        lambda: session.rename_object(one, f"cell {one}"),
        lambda: session.set_locked(one, True),
        lambda: session.edit_mask(one, frame, session.labels(frame) == one),
        lambda: session.set_links([one], LinkStatus.looked_at),
        lambda: session.review.accept(items[rng.integers(len(items))]) if items else None,
    ]
    if one not in session.document.locked:
        ways[rng.integers(len(ways))]()


def what_was_said(session):
    """Return it by the masks that it is about, whichever number they have."""
    masks = {one: [(frame, session.masks.get((one, frame)).box_yx) for frame in there(session, one)]
             for one in session.document.objects}  # fmt: skip
    infos = session.document.objects.values()
    events = []
    for one in session.document.events:
        of = masks[one.object_id]
        beyond = [at for at in of if at[0] >= one.frame], [at for at in of if at[0] <= one.frame]
        nearest = beyond[0][:1] if one.kind.is_begin else beyond[1][-1:]
        events.append((one.kind, one.frame, nearest))
    kin = {
        (masks[info.object_id][0], [at for at in masks[info.parent] if at[0] < masks[info.object_id][0][0]][-1])
        for info in infos
        if info.parent is not None
    }
    names = sorted(info.name for info in infos if info.name)
    locked = {one: masks[one] for one in session.document.locked}
    return {"events": sorted(events), "parents": kin, "names": names, "locked": locked}


def test_of_whatever_was_said_nothing_is_lost(rng):
    changed = 0
    for _ in range(25):
        with Session.open(np.zeros((FRAMES, *SIZE), np.uint8), axes="TYX", predictor=DiscPredictor()) as session:
            session.import_tracks(random_tracks(rng))
            ids = list(session.document.objects)
            for _ in range(6):
                say_something(session, int(rng.choice(ids)), rng)
            before, decided = what_was_said(session), len(session.document.review.decisions)
            changed += bool(session.relink())
            assert what_was_said(session) == before
            assert len(session.document.review.decisions) == decided
            once = everything(session)
            assert session.relink() == ()
            assert everything(session) == once, "what was linked anew is linked anew to the same"
    assert changed
