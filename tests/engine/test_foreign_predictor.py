"""A predictor of one's own: what it must answer, and what a session makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.engine.foreign_predictor import taken_in
from napari_sam2.session import Session, SessionSettings
from sam2_core.errors import CheckpointError
from sam2_core.inference.memory.snapshots import Snapshot

FRAMES = 20


class FewState:
    def __init__(self, movie, objects=None, chosen=None):
        self.movie = movie
        self.objects = {} if objects is None else objects
        self.chosen = chosen

    def select(self, ids):
        return FewState(self.movie, self.objects, tuple(ids))

    @property
    def obj_ids(self):
        return {one: None for one in self.objects if self.chosen is None or one in self.chosen}


class FewCalls:
    """A square in the middle of whatever is shown, and no more calls and names than a session needs."""

    image_size = 64

    def init_state(self, m):
        return FewState(m)

    def answer(self, state, frame):
        plane = np.full((state.movie.height, state.movie.width), -5, np.float32)
        plane[state.movie.height // 2 - 3 : state.movie.height // 2 + 3, 4:10] = 5
        ids = list(state.obj_ids)
        return frame, ids, np.broadcast_to(plane, (len(ids), 1, *plane.shape))

    def add_new_points_or_box(
        self, st, frame_idx, obj_id, points=None, labels=None, box=None, clear_old_points=True, need_output=True
    ):
        st.objects[obj_id] = frame_idx
        return self.answer(st, frame_idx)

    def add_new_mask(self, st, frame_idx, obj_id, mask, need_output=True):
        st.objects[obj_id] = frame_idx
        return self.answer(st, frame_idx)

    def clear_all_prompts_in_frame(self, st, f, o, need_output=True):
        pass

    def remove_object(self, st, o, strict=False, need_output=True):
        st.objects.pop(o, None)
        return [], []

    def propagate_in_video(self, st, start_frame_idx, max_frame_num_to_track, reverse=False):
        step = -1 if reverse else 1
        for frame in range(start_frame_idx, start_frame_idx + step * max_frame_num_to_track, step):
            if 0 <= frame < len(st.movie):
                yield self.answer(st, frame)


class WithSnapshots(FewCalls):
    def snapshot(self, state):
        return Snapshot({"count": np.array([len(state.objects)])}, {"objects": sorted(state.objects.items())})

    def restore(self, movie, snapshot):
        return FewState(movie, dict(snapshot.meta["objects"]))


def movie(height=60, width=80):
    return np.zeros((FRAMES, height, width), np.uint8)


@pytest.mark.parametrize("given", [FewCalls(), lambda: FewCalls()], ids=["predictor", "maker"])  # noqa: PLW0108
def test_few_calls_are_enough_for_a_session(given):
    with Session.open(movie(), predictor=given) as session:
        first, second = session.new_object(), session.new_object()
        session.add_points(first, 0, [(30, 5)])
        session.add_points(second, 5, [(30, 5)])
        list(session.propagate())
        assert all(session.masks.mask(second, frame).sum() == 36 for frame in range(FRAMES))
        session.add_points(first, 0, [(31, 6)], [0])
        assert [update.object_ids for update in session.preview()] == [(first,)]
        session.undo()
        session.remove_object(second)
        assert [update.object_ids for update in session.preview()] == [(first,)]


def test_it_is_looked_through_windows_where_objects_are_small():
    settings = SessionSettings(view="windows", object_diameter_px=6)
    with Session.open(movie(300, 400), predictor=FewCalls(), settings=settings) as session:
        for place in ((50, 60), (200, 300)):
            session.add_points(session.new_object(), 0, [place])
        list(session.propagate())
        assert session.view_sentence.startswith("View: windows")
        assert all(session.masks.mask(one, FRAMES - 1).sum() == 36 for one in (1, 2))


def stopped(predictor, folder):
    with Session.open(movie(), predictor=predictor) as session:
        session.add_points(session.new_object(), 0, [(30, 5)])
        session.save(folder)
        for update in session.propagate():
            if update.frame_index == 9:
                break


def test_a_run_goes_on_where_snapshots_are_kept_and_else_says_that_it_cannot(tmp_path):
    stopped(WithSnapshots(), tmp_path / "a.sam2")
    with Session.open(tmp_path / "a.sam2", predictor=WithSnapshots()) as session:
        assert [update.frame_index for update in session.resume()][-1] == FRAMES - 1
    stopped(FewCalls(), tmp_path / "b.sam2")
    with (
        Session.open(tmp_path / "b.sam2", predictor=FewCalls()) as session,
        pytest.raises(CheckpointError, match="keeps no snapshots"),
    ):
        list(session.resume())


def test_what_is_no_predictor_is_refused_by_name():
    with pytest.raises(CheckpointError, match="list is no video predictor; it must have image_size, init_state, "):
        taken_in([])
