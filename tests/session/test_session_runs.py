from __future__ import annotations

import threading

import numpy as np
import pytest
from disc_predictor import DiscPredictor

from napari_sam2.session import CancelToken, PropagateRequest, Session, SessionSettings
from sam2_core.errors import CheckpointError, PromptError, StackError

FRAMES, SIZE = 12, (40, 60)


def opened(predictor=None, **options):
    return Session.open(np.zeros((FRAMES, *SIZE), np.uint8), predictor=predictor or DiscPredictor(), **options)


@pytest.fixture
def predictor():
    return DiscPredictor()


@pytest.fixture
def session(predictor):
    made = opened(predictor)
    yield made
    made.close()


def labels(session):
    return np.stack([session.labels(frame) for frame in range(FRAMES)])


def runs(predictor):
    return [call[1:] for call in predictor.calls if call[0] == "propagate"]


def test_prompts_are_shown_and_carried_both_ways(session):
    session.add_points(1, 4, [(10, 20)])
    session.add_points(2, 6, [(30, 20)])
    updates = list(session.propagate())
    assert [update.leg for update in updates[:2]] == ["prompt", "prompt"]
    assert [update.done for update in updates][-1] == updates[-1].total
    assert session.status(1).tolist() == [2] * 4 + [1] + [2] * 7
    assert session.status(2).tolist() == [2] * 6 + [1] + [2] * 5
    assert session.labels(4)[10, 20] == 1
    assert session.labels(0)[10, 16] == 1
    assert all(score > 0 for update in updates for score in update.object_score_logits)
    assert not session.needs_preview


def test_any_way_to_the_same_prompts_gives_the_same_labels(session):
    straight = opened()
    straight.add_points(1, 0, [(10, 10), (12, 12)], [1, 0])
    straight.add_points(2, 3, [(30, 30)])
    list(straight.propagate())
    session.add_points(1, 0, [(20, 20)])
    session.add_points(2, 3, [(30, 30)])
    list(session.propagate())
    session.undo()
    session.undo()
    session.add_points(1, 0, [(10, 10)])
    list(session.preview())
    session.add_points(1, 0, [(12, 12)], [0])
    session.add_points(2, 3, [(30, 30)])
    session.add_points(3, 3, [(5, 5)])
    session.remove_object(3)
    list(session.propagate())
    assert np.array_equal(labels(session), labels(straight))
    straight.close()


def test_a_click_that_is_added_is_one_more_call_and_any_other_edit_gives_that_prompt_anew(session, predictor):
    for one in range(1, 6):
        session.add_points(one, 0, [(10, 10 * one)])
    list(session.preview())
    predictor.calls.clear()
    session.add_points(3, 0, [(12, 30)])
    list(session.preview())
    assert [(call[0], call[2]) for call in predictor.calls] == [("points", 3)]
    predictor.calls.clear()
    session.undo()
    list(session.preview())
    assert [(call[0], call[2]) for call in predictor.calls] == [("clear", 3), ("points", 3)]


def test_a_prompt_that_came_back_by_redo_is_there_with_its_mask(session):
    session.add_points(1, 0, [(10, 10)])
    list(session.preview())
    shown = session.labels(0)
    session.undo()
    assert session.labels(0).max() == 0
    session.redo()
    assert np.array_equal(session.labels(0), shown)
    assert not session.needs_preview
    assert list(session.preview()) == []


def test_setting_up_many_objects_reads_out_each_once(session):
    for one in range(1, 30):
        session.add_points(one, 0, [(10, one)])
    updates = list(session.preview())
    assert [update.object_ids for update in updates] == [(one,) for one in range(1, 30)]


def test_only_what_is_stale_is_run_again_and_only_behind_the_correction(session, predictor):
    session.add_points(1, 0, [(10, 10)])
    session.add_points(2, 0, [(30, 10)])
    list(session.propagate())
    before = {key: mask for key, mask in session.masks.items() if key[0] == 2}
    session.add_points(1, 7, [(20, 20)])
    assert session.status(1).tolist() == [1] + [2] * 6 + [4] * 5
    predictor.calls.clear()
    updates = list(session.propagate(objects="stale"))
    assert [update.frame_index for update in updates] == [7, 8, 9, 10, 11]
    assert {one for update in updates for one in update.object_ids} == {1}
    assert runs(predictor) == [(7, 5, False)]
    assert {key: mask for key, mask in session.masks.items() if key[0] == 2} == before
    assert 4 not in session.status(1)
    assert list(session.propagate(objects="stale")) == []


def lock(session):
    session.set_locked(1, True)


def prompt_everywhere(session):
    for frame in range(1, FRAMES):
        session.add_points(1, frame, [(10, 10)])
    list(session.preview())


NOTHING = {
    "nothing is stale": (lambda session: list(session.propagate()), {}),
    "all are locked": (lock, {}),
    "every frame is prompted": (prompt_everywhere, {}),
    "the range is done": (lambda session: list(session.propagate(frames=range(4))), {"frames": range(4)}),
    "up to the next prompt is done": (lambda session: list(session.propagate()), {"until_next_prompt": True}),
    "the other way is done": (lambda session: list(session.propagate("both")), {"direction": "backward"}),
}


@pytest.mark.parametrize("case", NOTHING)
def test_a_run_with_nothing_to_do_is_known_beforehand_and_leaves_nothing_behind(session, predictor, case):
    made, asked = NOTHING[case]
    session.add_points(1, 0, [(10, 10)])
    list(session.preview())
    made(session)
    request = PropagateRequest(**asked)
    assert not session.anything_to_do(request)
    assert session.propagate_job(request).is_empty
    predictor.calls.clear()
    assert list(session.propagate(**asked)) == []
    assert (predictor.calls, session.interrupted_run) == ([], None)


def test_all_masks_are_made_again_from_scratch_where_that_is_asked_for(session, predictor):
    session.add_points(1, 0, [(10, 10)])
    list(session.propagate())
    again = PropagateRequest(only_stale=False)
    assert session.anything_to_do(again)
    predictor.calls.clear()
    assert {update.frame_index for update in session.propagate(only_stale=False)} == set(range(FRAMES))
    assert runs(predictor) == [(0, FRAMES, False)]


def test_without_prompts_there_is_nothing_to_do(session):
    assert not session.anything_to_do()
    session.edit_mask(1, 2, np.zeros(SIZE, bool))
    assert not session.anything_to_do()
    with pytest.raises(PromptError, match="no prompts"):
        session.propagate_job()


def test_a_run_that_is_resumed_after_edits_comes_to_its_end(session):
    session.add_points(1, 0, [(10, 10)])
    run = session.propagate()
    next(update for update in run if update.leg == "forward")
    run.close()
    for frame in range(2, FRAMES):
        session.edit_mask(1, frame, np.zeros(SIZE, bool))
    session.set_locked(1, True)
    assert session.interrupted_run is not None
    list(session.resume())
    assert session.interrupted_run is None


def test_what_a_click_during_a_run_left_over_is_what_the_next_run_does(session):
    session.add_points(1, 0, [(10, 10)])
    session.add_points(2, 0, [(30, 10)])
    for update in session.propagate():
        if update.frame_index == 5:
            break
    session.add_points(1, 3, [(12, 12)])
    assert session.interrupted_run is None
    assert session.anything_to_do()
    found = {(one, update.frame_index) for update in session.propagate() for one in update.object_ids}
    assert found == {(1, frame) for frame in range(3, FRAMES)} | {(2, frame) for frame in range(6, FRAMES)}
    with opened() as straight:
        for one, frame, place in ((1, 0, (10, 10)), (2, 0, (30, 10)), (1, 3, (12, 12))):
            straight.add_points(one, frame, [place])
        list(straight.propagate())
        assert np.array_equal(labels(session)[3:], labels(straight)[3:])


def test_painted_masks_and_locked_objects_are_not_overwritten(session):
    mask = np.zeros(SIZE, bool)
    mask[2:9, 2:9] = True
    session.add_points(1, 0, [(10, 10)])
    session.add_points(2, 0, [(30, 30)])
    list(session.propagate())
    session.edit_mask(1, 5, mask)
    session.set_locked(2, True)
    before = {key: stored for key, stored in session.masks.items() if key[0] == 2}
    list(session.propagate())
    assert np.array_equal(session.masks.mask(1, 5), mask)
    assert session.status(1).tolist() == [1] + [2] * 4 + [3] + [2] * 6
    assert {key: stored for key, stored in session.masks.items() if key[0] == 2} == before
    with pytest.raises(PromptError, match="no prompt"):
        session.propagate(objects=[session.new_object()])


def test_undo_of_an_unlock_brings_the_mask_that_the_lock_kept(session, monkeypatch):
    session.add_points(1, 0, [(10, 10)])
    list(session.preview())
    session.set_locked(1, True)
    session.change_settings(even_out=True)
    monkeypatch.setattr("disc_predictor.RADIUS", 3.5)
    list(session.preview())
    kept = session.masks.get((1, 0))
    session.set_locked(1, False)
    list(session.preview())
    anew = session.masks.get((1, 0))
    assert anew != kept
    session.undo()
    assert session.masks.get((1, 0)) == kept
    session.redo()
    assert session.masks.get((1, 0)) == anew


def test_an_edit_during_a_run_makes_void_what_comes_for_its_object_alone(session):
    session.add_points(1, 0, [(10, 10)])
    session.add_points(2, 0, [(30, 10)])
    job = session.propagate_job()
    for update in session.run(job):
        if update.leg == "forward" and update.frame_index == 5:
            session.add_points(1, 3, [(12, 12)])
        session.accept(update)
    assert session.status(1).tolist() == [1, 2, 2, 4, 4] + [0] * 7
    assert session.status(2).tolist() == [1] + [2] * 11
    assert session.needs_preview
    list(session.preview())
    assert session.status(1)[3] == 1


def test_a_late_preview_is_dropped(session):
    session.add_points(1, 0, [(10, 10)])
    (late,) = list(session.run(session.preview_job()))
    session.add_points(1, 0, [(12, 12)])
    assert not session.accept(late)
    assert session.needs_preview
    session.remove_object(1)
    assert not session.accept(late)


def test_a_run_is_cancelled_between_frames_and_goes_on_from_another_thread(predictor):
    seen = []
    session = opened(predictor)
    predictor.on_frame = lambda frame: (seen.append(frame), frame == 4 and session.cancel())
    session.add_points(1, 0, [(10, 10)])
    updates = []
    job = session.propagate_job(PropagateRequest("forward"))
    thread = threading.Thread(target=lambda: updates.extend(session.run(job, CancelToken())))
    thread.start()
    thread.join()
    assert seen == [0, 1, 2, 3, 4], "the frame in work is the last"
    for update in updates:
        session.accept(update)
    assert session.interrupted_run == PropagateRequest("forward")
    predictor.on_frame = seen.append
    list(session.resume())
    assert session.status(1).tolist() == [1] + [2] * 11
    assert session.interrupted_run is None
    assert seen[5:] == [4, 5, 6, 7, 8, 9, 10, 11], "the last finished frame is looked at once more"
    session.close()


def test_leaving_a_run_stops_it(session, predictor):
    session.add_points(1, 0, [(10, 10)])
    for update in session.propagate("forward"):
        if update.frame_index == 3:
            break
    assert session.interrupted_run == PropagateRequest("forward")
    assert session.status(1)[:4].all()
    assert not session.status(1)[8:].any()
    session.add_points(1, 1, [(10, 10)])
    assert session.interrupted_run is None
    with pytest.raises(StackError, match="interrupted"):
        session.resume()


def test_settings_that_change_what_the_model_sees_make_masks_stale_and_keep_prompts(predictor):
    made = []
    session = opened(lambda: made.append(1) or predictor)
    session.add_points(1, 0, [(10, 10)])
    assert made == [], "nothing is loaded before the first job"
    list(session.propagate())
    document = session.document
    changes = []
    session.events.settings_changed.connect(lambda old, new: changes.append((old.overlaps, new.overlaps)))
    session.change_settings(overlaps="keep")
    assert changes == [("logits", "keep")]
    assert 4 not in session.status(1)
    session.change_settings(contrast_limits=((0, 100),))
    assert session.document is document
    assert session.status(1).tolist() == [4] * 12
    assert session.needs_preview
    list(session.propagate(objects="stale"))
    assert 4 not in session.status(1)
    assert made == [1], "another contrast loads no model"
    session.change_settings(model="another")
    list(session.preview())
    assert made == [1, 1]
    with pytest.raises(StackError, match="tracked axis"):
        session.change_settings(track_axis="T")
    session.close()


def test_what_the_model_cannot_do_is_raised_where_the_run_is_iterated():
    def missing():
        raise CheckpointError("model x is not known")

    session = opened(missing)
    session.add_points(1, 0, [(10, 10)])
    with pytest.raises(CheckpointError, match="model x"):
        list(session.propagate())
    assert not session.is_running
    session.close()


def test_small_objects_are_looked_at_in_windows_once_their_size_is_known():
    session = Session.open(np.zeros((3, 400, 600), np.uint8), predictor=DiscPredictor())
    session.add_points(1, 0, [(200, 200)])
    list(session.propagate())
    assert session.view_sentence.startswith("View: windows")
    assert session.labels(2)[200, 200] == 1
    session.close()
    session = Session.open(
        np.zeros((3, 400, 600), np.uint8), predictor=DiscPredictor(), settings=SessionSettings(view="full")
    )
    session.add_points(1, 0, [(200, 200)])
    list(session.propagate())
    assert session.view_sentence == "View: full frame."
    session.close()


LARGE = (40, 400, 600)


def click(session, object_id, place):
    session.add_points(object_id, 0, [place])
    list(session.preview())


def test_the_size_of_objects_is_settled_by_the_first_run_and_kept(tmp_path):
    session = Session.open(np.zeros(LARGE, np.uint8), predictor=DiscPredictor())
    for object_id in (1, 2, 3):
        click(session, object_id, (100 * object_id, 100))
    assert session.settings.estimated_diameter_px is None
    before = {key: session.masks.get(key) for key in session.document.prompts}
    list(session.propagate("forward", range(3)))
    size = session.settings.estimated_diameter_px
    assert size == pytest.approx(11, abs=1)
    assert f"{size:.3g} px" in session.view_sentence
    assert {key: session.masks.get(key) for key in before} == before, "no prompt and no mask of one is lost"
    session.add_box(4, 0, (0, 0, 300, 300))
    list(session.propagate("forward", range(3)))
    assert session.settings.estimated_diameter_px == size, "it is taken once"
    sentence = session.view_sentence
    folder = session.save(tmp_path / "work.sam2")
    session.close()
    with Session.open(folder, predictor=DiscPredictor()) as again:
        assert again.settings.estimated_diameter_px == size
        list(again.preview())
        assert again.view_sentence.split(";")[0] == sentence.split(";")[0]
        again.change_settings(object_diameter_px=50)
        list(again.preview())
        assert "as given" in again.view_sentence


def test_another_size_at_the_first_run_changes_the_view_and_loses_no_prompt():
    predictor = DiscPredictor()
    session = Session.open(np.zeros(LARGE, np.uint8), predictor=predictor)
    click(session, 1, (200, 200))
    small = session.view_sentence
    for object_id in (2, 3):
        session.add_box(object_id, 0, (100, 100 * object_id, 140, 100 * object_id + 40))
    session.edit_mask(4, 0, np.arange(600) < np.full((400, 1), 1))
    list(session.propagate("forward", range(3)))
    assert session.settings.estimated_diameter_px == pytest.approx(31, abs=9)
    assert session.view_sentence != small
    assert session.status(1).tolist()[:3] == [1, 2, 2]
    assert session.status(4).tolist()[:3] == [3, 2, 2]
    assert session.labels(2)[200, 200] == 1
    session.close()


def test_a_script_without_previews_takes_the_median_of_all_objects():
    session = Session.open(np.zeros(LARGE, np.uint8), predictor=DiscPredictor())
    for object_id in (1, 2, 3):
        session.add_points(object_id, 0, [(100 * object_id, 100)])
    list(session.propagate("forward", range(2)))
    assert session.settings.estimated_diameter_px == pytest.approx(11, abs=1)
    assert "estimated from the first prompts" in session.view_sentence
    session.close()


def test_a_prompt_that_was_measured_is_not_given_again_until_it_changes():
    predictor = DiscPredictor()
    session = Session.open(np.zeros((4, 40, 60), np.uint8), predictor=predictor)
    session.add_points(1, 0, [(10, 10)])
    session.add_points(2, 0, [(30, 40)])

    def given():
        said = [call[2] for call in predictor.calls if call[0] == "points"]
        predictor.calls.clear()
        return said

    first = {update.object_ids[0]: update for update in session.propagate("forward") if update.leg == "prompt"}
    assert (sorted(first), given()) == ([1, 2], [1, 2])
    assert session.labels(0)[10, 10] == 1
    session.add_points(1, 0, [(20, 20)])
    list(session.preview())
    assert given() == [1]
    assert session.labels(0)[15, 15] == 1, "the disc lies in the middle of both clicks"
    session.undo()
    list(session.preview())
    assert given() == [1]
    assert session.labels(0)[10, 10] == 1
    session.close()


def test_clicks_outside_the_object_alone_answer_the_mask_that_is_there_after_reopening_too(tmp_path):
    with opened() as session:
        session.add_points(1, 0, [(20, 20)])
        list(session.propagate())
        tracked, folder = session.masks.mask(1, 4), session.save(tmp_path / "a.sam2")

    def said_on_frame_4(again):
        list(again.preview())
        return [call[0] for call in predictor.calls if call[0] in ("mask", "points") and call[1] == 4]

    predictor = DiscPredictor()
    with Session.open(folder, images=np.zeros((FRAMES, *SIZE), np.uint8), predictor=predictor) as again:
        again.add_points(1, 4, [(24, 24)], [0])
        assert said_on_frame_4(again) == ["mask", "points"], "the click counts, and does not come alone"
        assert np.count_nonzero(again.masks.mask(1, 4)) < np.count_nonzero(tracked)
    predictor = DiscPredictor()
    with Session.open(folder, images=np.zeros((FRAMES, *SIZE), np.uint8), predictor=predictor) as again:
        assert said_on_frame_4(again) == [], "nobody waits for it"
        again.add_points(1, 5, [(24, 24)])
        assert said_on_frame_4(again) == ["mask"], "what it left is there already"
