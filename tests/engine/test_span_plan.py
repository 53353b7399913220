from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.document.document import Document
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.prompt import Prompt
from napari_sam2.document.track_events import Division
from napari_sam2.engine.jobs import PropagateRequest, Span
from napari_sam2.engine.remembered_frames import Remembered
from napari_sam2.engine.span_plan import Pass, passes_of, plan_spans
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stored_masks import MaskStatus, StoredMask
from sam2_core.errors import PromptError

FRAMES = 20
MASK = StoredMask.of_mask(np.ones((4, 4), bool), MaskStatus.tracked, leg="forward")


def document(*keys, locked=()):
    objects = [ObjectInfo(one, locked=True) for one in locked]
    return Document.of([Prompt(one, frame, ((1.0, 1.0),), (1,)) for one, frame in keys], objects)


def spans(request, *keys, masks=None, locked=()):
    found = plan_spans(request, document(*keys, locked=locked), masks or MaskStore((4, 4), FRAMES), FRAMES)
    return [(span.leg, span.object_id, span.anchor, list(span.frames)) for span in found]


def test_both_directions_go_from_the_first_prompt():
    assert spans(PropagateRequest("both"), (1, 5), (1, 9)) == [
        ("forward", 1, 5, list(range(5, 20))),
        ("backward", 1, 5, list(range(4, -1, -1))),
    ]


def test_backward_goes_from_the_last_prompt_and_forward_from_the_first():
    back, forth = (PropagateRequest(way) for way in ("backward", "forward"))
    assert spans(back, (1, 5), (1, 9)) == [("backward", 1, 9, list(range(9, -1, -1)))]
    assert spans(forth, (1, 5), (1, 9)) == [("forward", 1, 5, list(range(5, 20)))]


def test_both_directions_cover_every_frame_of_every_object_once():
    found = spans(PropagateRequest("both"), (1, 0), (2, 4), (3, 5), (3, 8))
    for object_id in (1, 2, 3):
        frames = [frame for _, one, _, frames in found if one == object_id for frame in frames]
        assert sorted(frames) == list(range(20)), object_id
    assert [one for leg, one, _, _ in found if leg == "backward"] == [2, 3]  # 1 is prompted on the first frame


def test_a_range_cuts_the_legs_and_leaves_out_what_lies_outside():
    assert spans(PropagateRequest("both", range(3, 8)), (1, 5), (2, 12)) == [
        ("forward", 1, 5, [5, 6, 7]),
        ("backward", 1, 5, [4, 3]),
        ("backward", 2, 12, [7, 6, 5, 4, 3]),
    ]


def test_until_the_next_prompt_ends_before_it():
    request = PropagateRequest("forward", range(7, 20), until_next_prompt=True)
    assert spans(request, (1, 5), (1, 9), (1, 15), (2, 0)) == [
        ("forward", 1, 5, [7, 8]),
        ("forward", 2, 0, list(range(7, 20))),
    ]


def test_only_stale_goes_from_the_first_to_the_last_frame_that_is_stale_or_missing():
    masks = MaskStore((4, 4), FRAMES)
    for frame in range(1, 20):
        masks.put((1, frame), MASK.with_status(MaskStatus.stale) if 11 <= frame < 15 else MASK)
        masks.put((2, frame), MASK)
    request = PropagateRequest("forward", only_stale=True)
    assert spans(request, (1, 0), (2, 0), masks=masks) == [("forward", 1, 0, [11, 12, 13, 14])]
    masks.remove((2, 19))
    assert spans(request, (1, 0), (2, 0), masks=masks)[1] == ("forward", 2, 0, [19])


def test_locked_objects_are_left_out_and_unknown_ones_named():
    assert [one[1] for one in spans(PropagateRequest("forward"), (1, 0), (2, 0), locked=[1])] == [2]
    with pytest.raises(PromptError, match="object 7 does not exist"):
        spans(PropagateRequest(object_ids=(7,)), (1, 0))
    with pytest.raises(PromptError, match="no prompts"):
        spans(PropagateRequest())


def test_an_object_without_prompts_cannot_be_asked_for():
    known = document((1, 0)).with_object(ObjectInfo(2))
    with pytest.raises(PromptError, match="object 2 has no prompt"):
        plan_spans(PropagateRequest(object_ids=(2,)), known, MaskStore((4, 4), FRAMES), FRAMES)


def test_passes_visit_each_frame_of_a_leg_once_with_those_who_are_under_way():
    begins = {
        Span("forward", 1, 0, range(10)): 0,
        Span("forward", 2, 4, range(4, 10)): 4,
        Span("forward", 3, 0, range(6)): 0,
        Span("backward", 2, 4, range(3, -1, -1)): 4,
    }
    assert passes_of(begins) == (
        Pass("forward", range(4), (1, 3)),
        Pass("forward", range(4, 6), (1, 2, 3)),
        Pass("forward", range(6, 10), (1, 2)),
        Pass("backward", range(4, -1, -1), (2,)),
    )


def test_frame_0_is_no_backward_pass_of_its_own():
    begins = {
        Span("backward", 1, 3, range(2, -1, -1)): 3,
        Span("backward", 2, 3, range(2, 0, -1)): 3,
    }
    assert passes_of(begins) == (Pass("backward", range(3, -1, -1), (1, 2)),)


def test_a_backward_pass_may_end_before_frame_0():
    assert passes_of({Span("backward", 1, 5, range(4, 0, -1)): 5}) == (Pass("backward", range(5, 0, -1), (1,)),)
    two = {Span("backward", 1, 5, range(4, 0, -1)): 5, Span("backward", 2, 3, range(2, 0, -1)): 3}
    assert [one.frames for one in passes_of(two)] == [range(5, 3, -1), range(3, 0, -1)]


@pytest.fixture
def remembered():
    made = Remembered()
    for frame in range(1, 20):
        made.add([1], "forward", frame)
    return made


def begin(remembered, span, *keys):
    return remembered.begins([span], document(*keys))[span]


def test_a_span_begins_with_the_last_frame_that_is_whole(remembered):
    span = Span("forward", 1, 0, range(11, 20))
    remembered.prompt_changed((1, 10))
    assert begin(remembered, span, (1, 0), (1, 10)) == 10
    remembered.prompt_changed((1, 5))
    assert begin(remembered, span, (1, 0), (1, 5), (1, 10)) == 5


def test_a_span_begins_at_its_anchor_where_nothing_is_known(remembered):
    assert begin(remembered, Span("forward", 2, 3, range(11, 20)), (2, 3)) == 3
    assert begin(remembered, Span("backward", 1, 15, range(9, -1, -1)), (1, 15)) == 15
    assert begin(remembered, Span("forward", 1, 0, range(20)), (1, 0)) == 0


def test_a_frame_that_was_tracked_the_other_way_is_not_known_any_more(remembered):
    remembered.add([1], "backward", 8)
    assert begin(remembered, Span("forward", 1, 0, range(12, 20)), (1, 0)) == 7
    assert not remembered.holds(1, "forward", 8)


def test_what_is_remembered_goes_through_json(remembered):
    again = Remembered.from_json(remembered.to_json(hidden=()))
    assert all(again.holds(1, "forward", frame) for frame in range(1, 20))
    assert not Remembered.from_json(remembered.to_json(hidden={(1, "forward")})).holds(1, "forward", 5)


def test_only_what_is_stale_or_missing_is_wanted_and_stretches_that_lie_apart_stay_apart():
    masks = MaskStore((4, 4), FRAMES)
    for frame in range(1, 20):
        masks.put((1, frame), MASK.with_status(MaskStatus.stale) if frame in (3, 4, 12) else MASK)
    assert spans(PropagateRequest("forward"), (1, 0), masks=masks) == [
        ("forward", 1, 0, [3, 4]),
        ("forward", 1, 0, [12]),
    ]
    again = PropagateRequest("forward", only_stale=False)
    assert spans(again, (1, 0), masks=masks) == [("forward", 1, 0, list(range(20)))]


def test_passes_that_follow_one_another_with_the_same_objects_are_one():
    early, late = Span("forward", 1, 0, range(1, 5)), Span("forward", 1, 0, range(9, 12))
    assert passes_of({early: 0, late: 0}) == (Pass("forward", range(12), (1,)),)
    assert passes_of({early: 0, late: 8}) == (Pass("forward", range(5), (1,)), Pass("forward", range(8, 12), (1,)))


@pytest.mark.parametrize("only_stale", [True, False])
def test_evidence_is_never_asked_for_again(only_stale):
    masks = MaskStore((4, 4), FRAMES)
    for frame in range(8, 12):
        masks.put((1, frame), MASK.with_status(MaskStatus.found))
    request = PropagateRequest("both", range(4, 16), only_stale=only_stale)
    assert spans(request, (1, 8), masks=masks) == [
        ("forward", 1, 8, [12, 13, 14, 15]),
        ("backward", 1, 8, [7, 6, 5, 4]),
    ]


def test_nobody_is_sought_before_birth_or_after_division():
    family = document((1, 3), (2, 9), (3, 9)).with_division(Division(1, 8, (2, 3)))
    found = plan_spans(PropagateRequest("both"), family, MaskStore((4, 4), FRAMES), FRAMES)
    assert [(span.leg, span.object_id, span.frames) for span in found] == [
        ("forward", 1, range(3, 8)),
        ("forward", 2, range(9, 20)),
        ("forward", 3, range(9, 20)),
        ("backward", 1, range(2, -1, -1)),
        ("backward", 2, range(8, 7, -1)),
        ("backward", 3, range(8, 7, -1)),
    ]
