"""What was found on many frames is linked in a viewer: memory looks behind the ends of tracks first."""

from __future__ import annotations

import numpy as np
import pytest
from finding_predictor import FindingPredictor

from napari_sam2.viewer.running import STOPPED
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

    def find(step_px):
        predictor = FindingPredictor()
        desk = make_desk(movie(step_px), contrast_limits=(0, 255), predictor=predictor)
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
    assert any("Linked to 2 tracks" in one for one in desk.ended)
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
