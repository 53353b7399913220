"""What a correction costs in a session: its object alone, from the corrected frame on."""

from __future__ import annotations

from stand_ins import movie

from napari_sam2.session import Session, SessionSettings
from sam2_core import SAM2VideoPredictor

FRAMES = 8
CLICKS = {1: (35, 112), 2: (38, 191), 3: (100, 71)}  # y, x of discs of the movie


def test_only_the_corrected_object_is_tracked_from_the_correction_on(nano, tracked):
    with Session.open(
        movie(FRAMES, seed=11)[..., 1], predictor=SAM2VideoPredictor(nano), settings=SessionSettings(view="full")
    ) as session:
        for object_id, (y, x) in CLICKS.items():
            session.add_points(object_id, 0, [(y, x)])
        list(session.propagate())
        assert sum(tracked) == 3 * (FRAMES - 1)
        tracked.clear()
        session.add_points(2, 4, [(10, 10)], labels=[0])
        updates = list(session.propagate(objects="stale"))
        assert {object_id for update in updates for object_id in update.object_ids} == {2}
        assert sorted({update.frame_index for update in updates}) == [4, 5, 6, 7]
        assert sum(tracked) <= 1 + FRAMES - 5  # the click looks back once, then frames 5 to 7
        tracked.clear()
        list(session.propagate(objects="stale"))
        assert not tracked
