from __future__ import annotations

import numpy as np

from napari_sam2.masks.stored_masks import MaskStatus, StoredMask


def tracked(desk, object_id, frame, radius):
    rows, columns = np.mgrid[: desk.session.size[0], : desk.session.size[1]]
    logits = (radius - np.hypot(rows - 20, columns - 15 - frame)).astype(np.float32)
    desk.session.masks.put((object_id, frame), StoredMask.of_logits(0, 0, logits, MaskStatus.tracked, leg="forward"))


def test_the_mask_that_looks_wrong_is_shown_once_and_again_when_it_changed(make_desk):
    desk = make_desk(np.zeros((20, 40, 60), np.uint8))
    desk.session.add_points(3, 0, [(20, 15)])
    for frame in range(1, 20):
        tracked(desk, 3, frame, 15 if frame == 12 else 6)
    desk.binding.next_suspicious()
    assert (desk.binding.current.object_id, desk.binding.frame) == (3, 12)
    assert "Object 3 on frame 12" in desk.messages[-1]
    box = desk.labels._overlays["selection_box"]
    assert box.visible
    np.testing.assert_allclose(box.bounds, ((20 - 17, 27 - 17), (20 + 17, 27 + 17)), atol=1.01)
    desk.binding.show_frame(0)
    assert not box.visible
    desk.binding.next_suspicious()
    assert desk.binding.frame == 0
    assert desk.messages[-1] == "No more places look wrong."
    tracked(desk, 3, 12, 16)
    desk.binding.next_suspicious()
    assert desk.binding.frame == 12


def test_it_may_be_looked_for_elsewhere(make_desk):
    desk = make_desk()
    waiting = []
    desk.binding.reviewing.elsewhere = lambda function, then: waiting.append((function, then))
    desk.binding.next_suspicious()
    desk.binding.next_suspicious()
    assert len(waiting) == 1
    function, then = waiting.pop()
    then(function())
    assert desk.messages == ["No place looks wrong."]
