"""napari's Tracks layer beside a session: made when asked for, in step with the document, gone when it is removed."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.viewer import track_lines


@pytest.fixture
def tracked(desk):
    """A desk with two objects tracked over all frames."""
    for object_id, x in ((1, 15), (2, 40)):
        desk.binding.current.choose(object_id)
        desk.points.add((0, 20, x))
    desk.binding.propagate_forward()
    desk.lines = desk.binding.lines
    desk.lines.clock = iter(range(0, 10000, 10)).__next__
    return desk


def test_tracks_are_drawn_on_request_only(tracked):
    tracked.binding.poll()
    assert tracked.lines.layer is None
    tracked.binding.toggle_tracks()
    layer = tracked.lines.layer
    assert layer in tracked.viewer.layers
    frames = tracked.session.frame_count
    assert len(layer.data) == 2 * frames
    np.testing.assert_array_equal(np.unique(layer.data[:, 0]), (1, 2))
    np.testing.assert_allclose(layer.data[0], (1, 0, 20, 15), atol=1)
    tracked.binding.toggle_tracks()
    assert layer not in tracked.viewer.layers
    assert tracked.lines.layer is None


def test_tracks_follow_masks_and_parents_and_undo(tracked):
    tracked.binding.toggle_tracks()
    layer, frames = tracked.lines.layer, tracked.session.frame_count
    tracked.binding.current.choose(3)
    tracked.points.add((4, 10, 10))
    tracked.binding.poll()
    assert len(layer.data) == 2 * frames + 1
    tracked.session.divide(mother=1, frame=4, daughters=[3])
    tracked.binding.poll()
    assert layer.graph == {3: [1]}
    tracked.session.undo()
    tracked.session.undo()
    tracked.binding.poll()
    assert layer.graph == {}
    assert len(layer.data) == 2 * frames


def test_only_what_changed_is_measured(tracked, monkeypatch):
    measured = []
    tracked.lines.elsewhere = lambda function, then: (measured.append(function), then(function()))
    taken = tracked.lines._taken
    monkeypatch.setattr(tracked.lines, "_taken", lambda: (measured.append(masks := taken()), masks)[1])
    tracked.binding.toggle_tracks()
    measured.clear()
    tracked.points.add((0, 22, 42))
    tracked.binding.poll()
    (masks, _) = measured
    assert {object_id: set(of) for object_id, of in masks.items()} == {2: set(range(tracked.session.frame_count))}


def test_where_measuring_failed_all_is_measured_again_with_the_next_change(tracked, monkeypatch):
    tracked.binding.toggle_tracks()
    layer, frames = tracked.lines.layer, tracked.session.frame_count
    failures = [MemoryError()]

    def elsewhere(function, then):
        """Run as a worker does: what fails is told to others, and nothing comes back."""
        try:
            lines = function()
        except MemoryError:
            return
        then(lines)

    def measured(*given):
        if failures:
            raise failures.pop()
        return measure(*given)

    measure = track_lines._measured
    tracked.lines.elsewhere = elsewhere
    monkeypatch.setattr(track_lines, "_measured", measured)
    for object_id, x in ((3, 10), (4, 30)):
        tracked.binding.current.choose(object_id)
        tracked.points.add((4, 10, x))
        tracked.binding.poll()
    assert len(layer.data) == 2 * frames + 2


def test_a_layer_that_was_removed_stays_away(tracked):
    tracked.binding.toggle_tracks()
    tracked.viewer.layers.remove(tracked.lines.layer)
    tracked.points.add((0, 22, 42))
    tracked.binding.poll()
    assert tracked.lines.layer is None
    assert any("was removed" in text for text in tracked.messages)


def test_without_a_mask_there_is_a_word(desk):
    desk.binding.toggle_tracks()
    assert desk.binding.lines.layer is None
    assert "There are no tracks to show: no object has a mask yet." in desk.messages


def test_a_layer_that_comes_late_for_a_session_that_is_closed_is_dropped(tracked):
    waiting = []
    tracked.lines.elsewhere = lambda function, then: waiting.append((function, then))
    tracked.binding.toggle_tracks()
    tracked.binding.unbind()
    for function, then in waiting:
        then(function())
    assert tracked.lines.layer is None
