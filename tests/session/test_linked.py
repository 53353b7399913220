"""Proposals of all frames are linked: tracks become objects with parents, as one step; what a person made stays."""

from __future__ import annotations

import numpy as np
import pytest
from finding_predictor import FindingPredictor

from napari_sam2.document.track_events import Division
from napari_sam2.lineage.tracks import links_of, tracks_of
from napari_sam2.linking import LinkingOptions
from napari_sam2.masks.stored_masks import MaskStatus
from napari_sam2.session import Session
from napari_sam2.session.looking_on import SOURCE, ends_job

FRAMES, SIZE = 6, (60, 80)


def movie():
    """One square that moves and is missed on frame 3, and one that divides on frame 3."""
    frames = np.zeros((FRAMES, *SIZE), np.uint8)
    for frame, image in enumerate(frames):
        if frame != 3:
            image[6:15, 6 + 2 * frame : 15 + 2 * frame] = 200
        if frame < 3:
            image[36:48, 28:48] = 250
        else:
            image[36:48, 26:36] = 250
            image[36:48, 40:50] = 250
    return frames


@pytest.fixture
def session():
    with Session.open(movie(), axes="TYX", predictor=FindingPredictor()) as made:
        made.change_settings(contrast_limits=((0, 255),))
        made._state.history.clear()
        made.proposals.find(frames=None, diameter_px=10)
        yield made


def everything(session):
    return dict(session.document.objects), dict(session.document.proposals), dict(sorted(session.masks.items()))


def test_tracks_become_objects_with_masks_that_were_found(session):
    masks = {(one.frame, one.mask) for one in session.document.proposals.values()}
    linked = session.proposals.link()
    assert (len(linked.object_ids), linked.divisions) == (4, 1)
    assert {mask.status for _, mask in session.masks.items()} == {MaskStatus.found}
    assert {(frame, mask.drawn(SIZE)) for (_, frame), mask in session.masks.items()} == masks
    assert not session.document.proposals
    assert not session.document.prompts
    assert {info.source for info in session.document.objects.values()} == {"cells-nano"}


@pytest.mark.parametrize(("reach", "frames"), [(2, {"forward": [5, 6], "backward": [2, 1]}), (0, {}), (9, None)])
def test_memory_looks_on_behind_both_ends_of_a_track_as_far_as_it_is_asked_to(reach, frames):
    images = np.zeros((10, *SIZE), np.uint8)
    images[3:5, 20:30, 30:40] = 200
    images[:8, 45:55, 30:40] = 200  # on the last two frames nothing is found, so nobody looks there
    with Session.open(images, axes="TYX", predictor=FindingPredictor()) as session:
        session.change_settings(contrast_limits=((0, 255),))
        session.proposals.find(frames=None, diameter_px=10)
        (tracks,) = [one.tracks for one in session.run(session.proposals.link_job()) if one.tracks is not None]
        spans = ends_job(tracks, 0, reach).spans
    seen = {span.leg: list(span.frames) for span in spans if span.frames}
    assert seen == (frames if frames is not None else {"forward": [5, 6, 7], "backward": [2, 1, 0]})


@pytest.mark.parametrize(
    ("step_px", "reach", "looked"), [(2, None, {1, 2, 3, 6, 7, 8}), (2, 1, {3, 6}), (8, None, set()), (8, 1, {3, 6})]
)
def test_memory_looks_on_by_itself_where_cells_move_slowly(step_px, reach, looked):
    """A square of 10 px that is there on frames 4 and 5 of 9, another one is on all."""
    images = np.zeros((9, *SIZE), np.uint8)
    for frame in range(9):
        images[frame, 45:55, 5 + step_px * frame : 15 + step_px * frame] = 200
    for frame in (4, 5):
        images[frame, 20:30, 5 + step_px * frame : 15 + step_px * frame] = 200
    with Session.open(images, axes="TYX", predictor=FindingPredictor()) as session:
        session.change_settings(contrast_limits=((0, 255),))
        session.proposals.find(frames=None, diameter_px=10)
        before = dict(session.document.proposals)
        (tracks,) = [one.tracks for one in session.run(session.proposals.link_job()) if one.tracks is not None]
        looking = session.proposals.looking_on(tracks, reach)
        for update in session.run(looking.job):
            looking.take(update)
        known = session.document.proposals
        seen = {number: one.frame for number, one in known.items() if one.source == SOURCE}
        assert set(seen.values()) == looked
        assert seen.keys() <= set(looking.left(known))
        assert session.undo() is True
        if looked:
            assert dict(session.document.proposals) == before, "all of it is one step"


def test_what_memory_saw_before_stays_when_it_looks_once_more():
    """One square is on frames 2 to 4, one on 2 to 5: the second look sees the first one where it saw the other."""
    images = np.zeros((7, *SIZE), np.uint8)
    images[:, 25:35, 30:40] = images[2:5, 5:15, 30:40] = images[2:6, 45:55, 30:40] = 200
    with Session.open(images, axes="TYX", predictor=FindingPredictor()) as session:
        session.change_settings(contrast_limits=((0, 255),))
        session.proposals.find(frames=None, diameter_px=10)
        for count in (4, 7):
            list(session.proposals.look_on(1))
            assert sum(one.source == SOURCE for one in session.document.proposals.values()) == count
        session.proposals.link()
        assert [len(session.masks.frames(one)) for one in session.document.objects] == [7, 7, 7]


def test_a_division_makes_a_parent_and_what_was_missed_is_a_gap(session):
    session.proposals.link()
    (division,) = session.document.divisions
    tracks = tracks_of(session.document, session.masks)
    assert division == Division(division.mother, 3, division.daughters)
    assert (tracks[division.mother].begin, tracks[division.mother].end) == (0, 2)
    assert [tracks[one].parent for one in division.daughters] == [division.mother] * 2
    (other,) = set(tracks) - {division.mother, *division.daughters}
    assert tracks[other].gaps == ((3, 3),)


def test_how_sure_each_link_is_stays_with_the_objects_and_goes_with_an_undo(session):
    session.proposals.link()
    document, tracks = session.document, tracks_of(session.document, session.masks)
    assert set(links_of(tracks)) == {
        (source, (one, frame))
        for source, (one, frame) in links_of(tracks)
        if document.claims[one].confidence(frame) is not None
    }
    (division,) = document.divisions
    sure = [tracks[one].claims.confidence(3) for one in division.daughters]
    assert sure[0] == sure[1] > 0.5
    assert session.undo()
    assert not session.document.claims


def test_without_divisions_and_gaps_tracks_end(session):
    linked = session.proposals.link(options=LinkingOptions(divisions=False, longest_gap=0))
    assert linked.divisions == 0
    assert not session.document.divisions
    assert len(linked.object_ids) == 4


def test_a_frame_on_which_a_cell_was_missed_is_in_doubt(session):
    session.proposals.link()
    reasons = [reason for item in session.review.items() for reason in item.reasons]
    assert any(reason.startswith("missed on 1 frame before") for reason in reasons), reasons


def test_linking_is_one_step(session):
    before = everything(session)
    session.proposals.link()
    after = everything(session)
    assert session.undo_text == "link cells"
    assert session.undo()
    assert everything(session) == before
    assert session.redo()
    assert everything(session) == after


def test_what_a_person_made_stays_and_is_not_linked(session):
    session.add_points(7, 0, [(10, 10)])
    list(session.propagate())
    kept = session.masks.frames(7)
    linked = session.proposals.link()
    assert 7 not in linked.object_ids
    assert session.masks.frames(7) == kept
    assert min(linked.object_ids) == 8


def test_a_stopped_linking_changes_nothing(session):
    before = everything(session)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.proposals.link(progress=stop)
    assert everything(session) == before


def test_nothing_to_link_is_no_step(session):
    session.proposals.remove()
    assert session.proposals.link().object_ids == ()
    assert session.undo_text.startswith("remove")


def test_a_linked_session_is_saved_and_opened(session, tmp_path):
    session.proposals.link()
    session.save(tmp_path / "linked.sam2")
    session.close()
    with Session.open(tmp_path / "linked.sam2", predictor=FindingPredictor(), images=movie()) as again:
        assert everything(again) == everything(session)
        assert again.document.divisions == session.document.divisions
        assert again.document.events == session.document.events


def test_gaps_are_filled_by_memory_and_nothing_else_changes(session):
    session.proposals.link()
    found = dict(session.masks.items())
    (track,) = [one for one in tracks_of(session.document, session.masks).values() if one.gaps]
    document = session.document
    for _ in session.fill_gaps():
        pass
    assert session.masks.get((track.object_id, 3)).status is MaskStatus.tracked
    assert {key: mask for key, mask in session.masks.items() if key in found} == found
    assert len(session.masks) == len(found) + 1
    assert session.document is document
    assert session.interrupted_run is None
    assert not list(session.fill_gaps())
