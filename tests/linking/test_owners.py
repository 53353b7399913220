"""Detections whose object is known: one object each, never two of one track."""

from __future__ import annotations

import pytest
from drawn_discs import disc, movie, paths

from napari_sam2.linking import Alternative, Begin, Detection, End, Kept, LinkingOptions, link, link_steps
from sam2_core.errors import PromptError

HW = (200, 200)


def moving(count: int, skip: tuple[int, ...] = ()) -> list[list[Detection]]:
    """One disc that moves; it is not there on some frames."""
    return movie(*[[] if t in skip else [(50 + 2 * t, 50.0)] for t in range(count)])


def lengths(kept: Kept, frames: list[list[Detection]]) -> list[int]:
    return sorted(len(track.nodes) for track in link(frames, kept=kept, frame_hw=HW).tracks)


def test_a_way_between_two_objects_is_cut_at_its_least_sure_link() -> None:
    frames = moving(7)
    frames[4] = [disc(62, 59)]  # a step aside, the less sure one
    linked = link(frames, kept=Kept.of(owners={(1, 0): 1, (6, 0): 2}), frame_hw=HW)
    assert [each.confidence for each in linked.links] == pytest.approx(
        [each.confidence for each in link(frames, frame_hw=HW).links if each in linked.links]
    )
    free = link(frames, frame_hw=HW).links
    between = [each for each in free if 1 <= each.before[0] < 6]
    (cut,) = {(each.before, each.after) for each in free} - {(each.before, each.after) for each in linked.links}
    least = min(between, key=lambda each: each.confidence)
    assert cut == (least.before, least.after)
    assert Alternative(*cut, False, least.confidence) in linked.alternatives


def test_two_objects_on_frames_in_a_row_are_not_one_and_what_is_free_goes_on() -> None:
    frames = movie([(50, 50)], [(50, 50), (50, 68)], [(50, 50), (50, 68)])
    assert paths(link(frames, kept=Kept.of(owners={(0, 0): 1, (1, 0): 2}), frame_hw=HW)) == {
        ((0, 0), (1, 1), (2, 1)),
        ((1, 0), (2, 0)),
    }


def test_an_object_is_one_over_what_was_found_between() -> None:
    assert lengths(Kept.of(owners={(1, 0): 1, (5, 0): 1}), moving(7)) == [7]


def test_where_no_way_joins_two_masks_of_an_object_nothing_is_linked_to_them_between() -> None:
    frames = moving(7)
    frames[5].append(disc(150, 150))
    linked = link(frames, kept=Kept.of(owners={(1, 0): 1, (5, 1): 1}), frame_hw=HW)
    assert paths(linked) == {((0, 0), (1, 0)), tuple((t, 0) for t in range(2, 7)), ((5, 1),)}


def dividing() -> list[list[Detection]]:
    """One disc that divides on frame 3."""
    before = [[(50.0, 60.0, 11.0)] for _ in range(3)]
    return movie(*before, *[[(50.0, 49 - t, 8.0), (50.0, 71 + t, 8.0)] for t in range(3)])


@pytest.mark.parametrize("owners", [{(2, 0): 1}, {(3, 0): 1}, {(1, 0): 1, (4, 1): 2}])
def test_a_known_mother_and_a_known_daughter_may_be_such(owners: dict[tuple[int, int], int]) -> None:
    linked = link(dividing(), kept=Kept.of(owners=owners), frame_hw=HW)
    assert [(one.mother, one.frame) for one in linked.divisions] == [(1, 3)]
    assert linked.tracks == link(dividing(), frame_hw=HW).tracks


def test_what_is_one_object_before_and_behind_does_not_divide() -> None:
    linked = link(dividing(), kept=Kept.of(owners={(0, 0): 1, (5, 1): 1}), frame_hw=HW)
    assert linked.divisions == ()
    assert paths(linked) == {((0, 0), (1, 0), (2, 0), (3, 1), (4, 1), (5, 1)), ((3, 0), (4, 0), (5, 0))}


def test_of_known_objects_alone_none_divides() -> None:
    linked = link(dividing(), kept=Kept.of(owners={(2, 0): 1, (3, 0): 2, (3, 1): 3}), frame_hw=HW)
    assert linked.divisions == ()
    assert len(linked.tracks) == 3


def test_where_objects_were_sought_says_where_tracks_begin_and_end_by_themselves() -> None:
    """A known object is there before and behind: beyond the frames that were looked at nobody appears or dies."""
    frames = movie(*[[(50.0, 50.0), *([(120.0, 120.0)] if 2 <= t <= 4 else [])] for t in range(7)])
    kept = Kept.of(owners={(t, 0): 1 for t in range(7)}, links=[((t, 0), (t + 1, 0)) for t in range(6)])

    def borders(sought: range | None) -> tuple[Begin, End]:
        steps = link_steps(frames, LinkingOptions(), kept=kept, frame_hw=HW, sought=sought)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                (track,) = [each for each in end.value.tracks if len(each.nodes) == 3]
                return track.begins, track.ends

    assert borders(range(2, 5)) == (Begin.first_frame, End.last_frame)
    assert borders(None) == (Begin.appears, End.dies)


def test_an_owner_of_what_is_not_there_is_refused() -> None:
    with pytest.raises(PromptError, match="no detection 3 on frame 0"):
        link(moving(2), kept=Kept.of(owners={(0, 3): 1}))
