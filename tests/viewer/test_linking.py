"""What was found on many frames is linked in a viewer: memory looks behind the ends of tracks first."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from finding_predictor import FindingPredictor

from napari_sam2.document.objects import LinkStatus
from napari_sam2.masks.stored_masks import MaskStatus
from napari_sam2.session import Session
from napari_sam2.session.looking_on import SOURCE
from napari_sam2.viewer.running import NOTHING_TO_DO, STOPPED
from sam2_core.errors import CheckpointError

FRAMES, SIZE = 7, (60, 80)


def movie(step_px):
    """Two squares that move; the upper one is there on frames 2 to 4 only."""
    images = np.zeros((FRAMES, *SIZE), np.uint8)
    for frame in range(FRAMES):
        images[frame, 45:55, 5 + step_px * frame : 15 + step_px * frame] = 200
    images[2:5, 20:30] = np.roll(images[2:5, 45:55], 15, axis=2)
    return images


@pytest.fixture
def found(make_desk):
    """Return what makes a desk of a movie on which all cells of all frames were found."""

    def find(step_px, **how):
        predictor = FindingPredictor()
        desk = make_desk(movie(step_px), contrast_limits=(0, 255), predictor=predictor, **how)
        desk.predictor = predictor
        desk.session.proposals.find(frames=None, diameter_px=10)
        desk.ended = []
        desk.binding.work.ended.connect(desk.ended.append)
        return desk

    return find


def frames_of(session):
    return {one: session.masks.frames(one) for one in session.document.objects}


def test_memory_sees_a_slow_cell_behind_the_ends_of_its_track(found):
    desk = found(2)
    before = dict(desk.session.document.proposals)
    desk.binding.deciding.link_shown()
    assert sorted(len(frames) for frames in frames_of(desk.session).values()) == [FRAMES, FRAMES]
    assert any("Linked to 2 new tracks" in one for one in desk.ended)
    desk.session.undo()
    desk.session.undo()
    assert dict(desk.session.document.proposals) == before
    assert not desk.session.document.objects


def test_a_fast_cell_is_linked_as_it_was_found(found):
    desk = found(8)
    desk.binding.deciding.link_shown()
    assert sorted(map(len, frames_of(desk.session).values())) == [3, FRAMES]
    desk.session.undo()
    assert not desk.session.document.objects


def test_what_is_too_unsure_to_be_shown_carries_a_track_on_unless_a_person_asks_for_surer_cells(make_desk):
    images = movie(8)
    images[3][images[3] > 0] = 60
    desk = make_desk(images, contrast_limits=(0, 255), predictor=FindingPredictor())
    deciding = desk.binding.deciding
    deciding.search = replace(deciding.search, every_frame=True, diameter_px=10)
    deciding.find_cells()
    known = desk.session.document.proposals
    deciding.proposals.least_score = 0.5
    assert {known[number].frame for number in deciding.proposals.to_link()} == {0, 1, 2, 4, 5, 6}
    deciding.proposals.least_score = 0.4
    assert not deciding.proposals.shown(3)
    deciding.link_shown()
    assert sorted(map(len, frames_of(desk.session).values())) == [3, FRAMES]
    assert not deciding.proposals.to_link()


@pytest.mark.parametrize(
    ("step_px", "least", "lengths"),
    [(8, 0.4, [FRAMES]), (8, 0.2, [3, FRAMES]), (2, 0.4, [FRAMES]), (2, 0.2, [FRAMES, FRAMES])],
)
def test_a_faint_cell_is_linked_where_it_is_shown(make_desk, step_px, least, lengths):
    images = movie(step_px)
    images[:, :40][images[:, :40] > 0] = 60
    desk = make_desk(images, contrast_limits=(0, 255), predictor=FindingPredictor())
    desk.session.proposals.find(frames=None, diameter_px=10, min_score=0.15)
    deciding = desk.binding.deciding
    deciding.proposals.least_score = least
    assert len(deciding.proposals.shown(3)) == len(lengths)
    deciding.link_shown()
    tracks = frames_of(desk.session).values()
    assert sorted(sum(mask.status is MaskStatus.found for mask in frames.values()) for frames in tracks) == lengths


def test_what_was_accepted_before_is_carried_on_and_told(found):
    desk = found(8)
    desk.binding.show_frame(0)
    desk.binding.deciding.accept_shown()
    desk.binding.deciding.link_shown()
    assert desk.ended[-1] == "Linked to 1 new track with 0 divisions. Carried on: 1 object."
    assert len(frames_of(desk.session)[1]) == FRAMES


def test_what_is_locked_is_said_to_be_left(found):
    desk = found(8)
    desk.binding.show_frame(0)
    desk.binding.deciding.accept_shown()
    desk.session.set_locked(1, True)
    desk.binding.deciding.link_shown()
    assert desk.ended[-1] == "Linked to 2 new tracks with 0 divisions. Left as before: 1 object."
    assert len(frames_of(desk.session)[1]) == 1


def test_frames_on_which_a_carried_cell_was_missed_are_looked_at_again(found):
    desk = found(2)
    desk.binding.show_frame(0)
    desk.binding.deciding.accept_shown()
    gone = [n for n, one in desk.session.document.proposals.items() if one.frame == 3 and one.mask.y0 > 40]
    desk.session.proposals.remove(gone)
    desk.binding.deciding.link_shown()
    assert desk.ended[-1].endswith("Carried on: 1 object. Looked again on 1 frame where cells were missed.")
    assert desk.session.masks.get((1, 3)).status is MaskStatus.tracked


def test_stopped_while_memory_looks_nothing_is_linked(found):
    desk = found(2)
    desk.predictor.on_frame = lambda frame: desk.binding.stop()
    desk.binding.deciding.link_shown()
    assert not desk.session.document.objects
    assert desk.ended[-1] == STOPPED
    desk.predictor.on_frame = lambda frame: None
    desk.binding.deciding.link_shown()
    assert len(desk.session.document.objects) == 2


def test_a_model_that_fails_leaves_what_was_found_to_be_linked(found):
    def fail(frame):
        raise CheckpointError("The model is gone.")

    desk = found(2)
    desk.predictor.on_frame = fail
    desk.binding.deciding.link_shown()
    assert "The model is gone." in desk.messages
    assert sorted(map(len, frames_of(desk.session).values())) == [3, FRAMES]


def linking(found):
    """Return a desk on which linking has begun, and what goes on with it until memory looks, or no longer does."""
    desk = found(2, stepped=True)
    desk.binding.deciding.link_shown()

    def go_on(looks):
        while desk.binding.work.is_propagating is not looks:
            desk.runner.step()

    return desk, go_on


def test_a_click_while_what_was_found_is_linked_waits_and_linking_goes_on(found):
    desk, _ = linking(found)
    desk.runner.step()
    desk.session.add_points(9, 0, [(5, 70)])
    desk.binding.work.preview()
    desk.runner.finish()
    assert not desk.session.needs_preview
    assert desk.session.masks.get((9, 0)) is not None
    assert any("Linked to 2 new tracks" in one for one in desk.ended)


def test_a_click_while_memory_looks_is_shown_first_and_what_it_saw_is_linked(found):
    desk, go_on = linking(found)
    go_on(True)
    while not any(one.source == SOURCE for one in desk.session.document.proposals.values()):
        desk.runner.step()
    desk.session.add_points(9, 0, [(5, 70)])
    desk.binding.work.preview()
    desk.runner.finish()
    assert desk.session.masks.get((9, 0)) is not None
    assert STOPPED not in desk.ended
    assert any("Linked to 2 new tracks" in one for one in desk.ended)
    seen = [frames for each, frames in frames_of(desk.session).items() if each != 9]
    assert sorted(map(len, seen)) == [4, FRAMES], "memory had seen one frame more"


def test_stopped_while_a_click_is_shown_linking_does_not_go_on(found):
    desk, _ = linking(found)
    desk.session.add_points(9, 0, [(5, 70)])
    desk.binding.work.preview()
    while desk.binding.work.is_finding:
        desk.runner.step()
    desk.binding.stop()
    desk.runner.finish()
    assert set(desk.session.document.objects) == {9}


def test_what_is_undone_while_memory_looks_can_be_made_again(found):
    desk, go_on = linking(found)
    before = dict(desk.session.document.proposals)
    go_on(True)
    desk.binding.undo()
    desk.runner.finish()
    assert not desk.session.document.objects
    assert not desk.session.document.proposals
    assert desk.ended[-1] == STOPPED
    desk.binding.redo()
    assert dict(desk.session.document.proposals) == before


def test_what_memory_saw_can_be_undone_while_it_looks(found):
    desk, go_on = linking(found)
    go_on(True)
    while not any(one.source == SOURCE for one in desk.session.document.proposals.values()):
        desk.runner.step()
    desk.binding.undo()
    desk.runner.finish()
    assert any("Linked to 2 new tracks" in one for one in desk.ended)


def test_what_is_rejected_while_memory_looks_is_not_linked(found):
    desk, go_on = linking(found)
    go_on(True)
    number = next(number for number, one in desk.session.document.proposals.items() if one.frame == 0)
    desk.session.proposals.reject([number])
    desk.runner.finish()
    assert not desk.session.document.proposals[number].is_open
    assert sorted(map(len, frames_of(desk.session).values())) == [FRAMES - 1, FRAMES]


@pytest.mark.parametrize("is_setting", [True, False])
def test_what_changes_while_all_is_linked_again_stops_it_and_memory_does_not_look_again(found, is_setting):
    desk, go_on = linking(found)
    go_on(True)
    go_on(False)
    looked = []
    desk.predictor.on_frame = looked.append
    if is_setting:
        desk.session.change_settings(contrast_limits=((0, 250),))
    else:
        desk.session.proposals.reject([next(iter(desk.session.document.proposals))])
    desk.runner.finish()
    assert desk.ended == [STOPPED]
    assert not looked
    assert not desk.session.document.objects


def test_a_propagation_that_was_stopped_can_be_resumed_after_linking(found, tmp_path):
    """Also on another day: neither memory's look nor what fills the gap on frame 3 is a part of it."""
    desk = found(2)
    gone = [n for n, one in desk.session.document.proposals.items() if one.frame == 3 and one.mask.y0 > 40]
    desk.session.proposals.remove(gone)
    desk.session.add_points(9, 0, [(5, 70)])
    desk.session.save(tmp_path / "a.sam2")
    run = desk.session.propagate("forward")
    assert [next(run).frame_index for _ in range(3)]
    run.close()
    wanted = desk.session.interrupted_run
    snapshot = tmp_path / "a.sam2" / "snapshot-000001.safetensors"
    desk.session.flush()
    before = snapshot.read_bytes()
    desk.binding.deciding.link_shown()
    told = "Linked to 2 new tracks with 0 divisions. Left as before: 1 object."
    assert desk.ended[-1] == f"{told} Looked again on 1 frame where cells were missed."
    assert desk.session.interrupted_run == wanted
    desk.session.close()
    assert snapshot.read_bytes() == before
    with Session.open(tmp_path / "a.sam2", predictor=FindingPredictor()) as again:
        assert again.interrupted_run == wanted


def with_gaps(desk, *frames):
    """Take what was found of the lower cell away on frames."""
    gone = [n for n, one in desk.session.document.proposals.items() if one.frame in frames and one.mask.y0 > 40]
    desk.session.proposals.remove(gone)


def stop_where_gaps_are_filled(desk, frame):
    """Let memory's first look at a frame that is for the gaps be its last."""

    def stop(at):
        if at == frame and desk.session.document.objects:
            desk.binding.stop()

    desk.predictor.on_frame = stop


@pytest.mark.parametrize("is_more_found", [False, True])
def test_gaps_whose_filling_was_stopped_are_asked_for_again_by_the_next_link(found, is_more_found):
    desk = found(2)
    with_gaps(desk, 2, 4)
    stop_where_gaps_are_filled(desk, 2)
    desk.binding.deciding.link_shown()
    assert "Stopped" in desk.ended[-1]
    assert "Looked again" not in desk.ended[-1]
    (open_one,) = {span.object_id for span in desk.session.work.gap_job().spans}
    desk.predictor.on_frame = lambda frame: None
    if is_more_found:
        for frame in (0, 1):
            inside = np.zeros(SIZE, bool)
            inside[3:12, 60:70] = True
            desk.session.proposals.from_labels(inside.astype(np.uint8), "drawn", frame)
    assert desk.binding.deciding.can_link
    desk.binding.deciding.link_shown()
    assert re.search(r"Looked again on \d frames? where cells were missed\.$", desk.ended[-1])
    assert desk.session.masks.frames(open_one).keys() == set(range(FRAMES))
    assert desk.session.work.gap_job().is_empty
    assert not desk.binding.deciding.can_link


def test_gaps_of_tracks_that_a_person_says_are_right_are_left(found):
    """So are those of tracks from another program: they may be meant."""
    desk = found(2)
    with_gaps(desk, 2, 4)
    stop_where_gaps_are_filled(desk, 2)
    desk.binding.deciding.link_shown()
    before = dict(desk.session.masks.items())
    desk.session.set_links(list(desk.session.document.objects), LinkStatus.looked_at)
    desk.predictor.on_frame = lambda frame: None
    desk.binding.deciding.link_shown()
    assert desk.ended[-1] == NOTHING_TO_DO
    assert dict(desk.session.masks.items()) == before
