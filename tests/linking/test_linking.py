"""What links, on movies small enough to say what is right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_discs import disc, grid, movie, paths

from napari_sam2.linking import Begin, Detection, End, Kept, LinkingOptions, detections_of, link, link_steps
from sam2_core.errors import PromptError

HW = (200, 200)


def test_neighbours_that_move_keep_their_tracks() -> None:
    frames = movie(*[[(50 + 3 * t, 50.0), (50.0, 90 + 3 * t), (120 - 2 * t, 60.0)] for t in range(6)])
    linked = link(frames, frame_hw=HW)
    assert paths(linked) == {tuple((t, k) for t in range(6)) for k in range(3)}
    assert [track.begins for track in linked.tracks] == [Begin.first_frame] * 3
    assert {track.ends for track in linked.tracks} == {End.last_frame}
    assert all(0.9 < each.confidence <= 1 for each in linked.links)


def test_frames_beyond_the_first_and_the_last_sight_say_nothing() -> None:
    """On frames of a movie that nobody looked at, no cell dies, and none appears behind them."""
    frames = movie(*[[(50 + 3 * t, 50.0), (120 - 2 * t, 60.0)] for t in range(4)])
    linked = link([[], [], *frames, []], frame_hw=HW)
    assert [track.nodes[0][0] for track in linked.tracks] == [2, 2]
    assert {track.begins for track in linked.tracks} == {Begin.first_frame}
    assert {track.ends for track in linked.tracks} == {End.last_frame}


@pytest.mark.parametrize("drift", [True, False])
def test_a_sheet_that_moves_a_spacing_a_frame_is_followed_by_its_drift(drift: bool) -> None:
    frames = movie(*[grid(6, 22.0, shift=(0.0, 20.0 * t), jitter=4.0) for t in range(3)])
    linked = link(frames, LinkingOptions(drift=drift))
    whole = {tuple((t, k) for t in range(3)) for k in range(36)}
    assert (paths(linked) == whole) is drift
    if drift:
        assert linked.drift == pytest.approx(np.array([[0, 0], [0, 20], [0, 20]]), abs=1.0)


def rod(y: float, x: float, length: int = 40) -> Detection:
    """A rod of 10 px with its middle at a place; it may lie outside of the frame."""
    return Detection((round(y) - 5, round(x) - length // 2), np.ones((10, length), bool))


def test_two_rods_that_go_further_than_they_are_long_together_are_followed_and_one_divides() -> None:
    ways = [(0, 0), (10, -60), (14, -110), (20, -175)]
    frames = [[rod(60 + dy, 180 + dx), rod(90 + dy, 190 + dx + 2 * t)] for t, (dy, dx) in enumerate(ways)]
    dy, dx = 25, -230
    frames.append([rod(60 + dy, 169 + dx, 20), rod(60 + dy, 191 + dx, 20), rod(90 + dy, 198 + dx)])
    linked = link(frames, frame_hw=HW)
    assert linked.drift == pytest.approx(np.diff([(0, 0), *ways, (dy, dx)], axis=0), abs=4.0)
    assert [(one.mother, one.frame) for one in linked.divisions] == [(1, 4)]
    assert paths(linked) == {
        ((0, 0), (1, 0), (2, 0), (3, 0)),
        (*((t, 1) for t in range(4)), (4, 2)),
        ((4, 0),),
        ((4, 1),),
    }


def test_two_that_go_different_ways_carry_nobody_along() -> None:
    linked = link([[rod(50, 50), rod(120, 120)], [rod(50, 95), rod(160, 120)]])
    assert not linked.drift.any()


@pytest.mark.parametrize("seed", range(3))
def test_many_that_wander_by_themselves_carry_nobody_along(seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = [np.array(grid(6, 30.0, jitter=5.0))[:, :2]]
    for _ in range(4):
        places.append(places[-1] + rng.normal(0, 7.0, places[-1].shape))
    assert np.abs(link(movie(*[list(map(tuple, each)) for each in places])).drift).max() < 5.0


def test_two_populations_that_cross_a_still_one_are_not_dragged_along() -> None:
    still = [grid(4, 30.0, jitter=5.0) for _ in range(4)]
    frames = movie(*[[*each, (15.0 + 12 * t, 15.0)] for t, each in enumerate(still)])
    linked = link(frames)
    assert np.abs(linked.drift).max() < 1.0
    assert {tuple((t, k) for t in range(4)) for k in range(17)} == paths(linked)


def test_a_mother_becomes_two_daughters() -> None:
    frames = movie(
        [(60, 60, 10), (120, 120, 9)],
        [(60, 60, 10), (120, 120, 9)],
        [(53, 60, 7), (67, 60, 7), (120, 120, 9)],
        [(51, 60, 7), (69, 60, 7), (120, 120, 9)],
    )
    linked = link(frames, frame_hw=HW)
    (division,) = linked.divisions
    tracks = {track.track_id: track for track in linked.tracks}
    assert tracks[division.mother].nodes == ((0, 0), (1, 0))
    assert tracks[division.mother].ends is End.divides
    assert division.frame == 2
    assert [tracks[each].nodes[0] for each in division.daughters] == [(2, 0), (2, 1)]
    assert {tracks[each].parent for each in division.daughters} == {division.mother}
    assert {tracks[each].begins for each in division.daughters} == {Begin.divided}
    assert link(frames, LinkingOptions(divisions=False), frame_hw=HW).divisions == ()


def test_a_division_of_which_a_daughter_vanishes_at_once_is_none() -> None:
    mother, daughters = [(60, 60, 10), (130, 130, 9)], [(53, 60, 7), (67, 60, 7), (130, 130, 9)]
    frames = movie(mother, mother, mother, daughters, [(53, 60, 7), (130, 130, 9)], [(53, 60, 7), (130, 130, 9)])
    linked = link(frames, frame_hw=HW)
    assert linked.divisions == ()
    assert any(len(track.nodes) == 6 and track.nodes[2:4] == ((2, 0), (3, 0)) for track in linked.tracks)
    said = Kept.of(links=[((2, 0), (3, 0)), ((2, 0), (3, 1))])
    assert len(link(frames, kept=said, frame_hw=HW).divisions) == 1


def test_what_could_as_well_be_otherwise_is_less_sure() -> None:
    even, uneven = (
        link(movie([(60, 60, 10)], daughters)).divisions[0].confidence
        for daughters in ([(53, 60, 7), (67, 60, 7)], [(52, 60, 7.6), (68, 62, 6.2)])
    )
    assert even > uneven
    near, far = (link(movie([(60.0, 60.0)], [(60.0, 60.0 + way)])).links[0].confidence for way in (2, 16))
    assert near > far


def test_a_gap_is_bridged_as_far_as_allowed() -> None:
    still = [(120.0, 120.0), (60.0, 60.0)]
    frames = movie(still, still, still[:1], still, still)
    assert ((0, 1), (1, 1), (3, 1), (4, 1)) in paths(link(frames))
    assert ((0, 1), (1, 1)) in paths(link(frames, LinkingOptions(longest_gap=0)))
    longer = movie(still, still[:1], still[:1], still)
    assert ((0, 1), (3, 1)) not in paths(link(longer))
    assert ((0, 1), (3, 1)) in paths(link(longer, LinkingOptions(longest_gap=2)))


def test_who_comes_and_goes_at_the_border_enters_and_leaves() -> None:
    stays = (100.0, 100.0)
    frames = movie(
        [stays, (60, 180), (150, 60)], [stays, (60, 191), (150, 60)], [stays, (20, 9)], [stays, (20, 18), (100, 40)]
    )
    tracks = {track.nodes[0]: track for track in link(frames, frame_hw=HW).tracks}
    assert tracks[0, 1].ends is End.leaves
    assert tracks[0, 2].ends is End.dies
    assert tracks[2, 1].begins is Begin.enters
    assert tracks[3, 2].begins is Begin.appears


def test_two_that_become_one_are_an_error_of_which_one_goes_on() -> None:
    frames = movie([(60, 60), (60, 74)], [(60, 60), (60, 74)], [(60, 63)], [(60, 63)])
    linked = link(frames, frame_hw=HW)
    assert ((0, 0), (1, 0), (2, 0), (3, 0)) in paths(linked)
    assert linked.divisions == ()
    assert len(linked.tracks) == 2


def test_what_a_person_said_is_kept_whatever_it_costs() -> None:
    frames = movie(*[[(50.0, 50.0), (50.0, 80.0), (150.0, 150.0)]] * 4)
    kept = Kept.of(
        links=[((0, 0), (1, 1)), ((1, 2), (2, 0)), ((1, 2), (2, 1))],
        apart=[((2, 2), (3, 2))],
        begins=[(3, 0)],
        ends=[(0, 1)],
    )
    linked = link(frames, kept=kept, frame_hw=HW)
    links = {(each.before, each.after): each for each in linked.links}
    for pair in kept.links:
        assert links[pair].is_kept
        assert links[pair].confidence == 1
    tracks = {track.nodes[0]: track for track in linked.tracks}
    assert tracks[0, 0].nodes == ((0, 0), (1, 1))
    assert tracks[0, 1].nodes == ((0, 1),)
    assert tracks[3, 0].nodes == ((3, 0),)
    assert ((2, 2), (3, 2)) not in links
    (division,) = [each for each in linked.divisions if each.frame == 2]
    assert tracks[2, 0].parent == tracks[2, 1].parent == division.mother


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (Kept.of(links=[((0, 0), (1, 7))]), "no detection 7 on frame 1 of 2"),
        (Kept.of(links=[((1, 0), (0, 0))]), "later frame"),
        (Kept.of(links=[((0, 0), (1, 0)), ((0, 1), (1, 0))]), "linked to 2 earlier ones"),
        (Kept.of(links=[((0, 0), (1, 0))], ends=[(0, 0)]), "kept and excluded"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_words(kept: Kept, words: str) -> None:
    with pytest.raises(PromptError, match=words):
        link(movie([(50, 50), (90, 90)], [(50, 50)]), kept=kept)


@pytest.mark.parametrize("counts", [(), (0,), (0, 0), (3,), (0, 3), (3, 0, 3), (1, 1)])
def test_empty_and_single_frames_are_movies_too(counts: tuple[int, ...]) -> None:
    frames = movie(*[[(50.0, 40.0 * k + 40) for k in range(count)] for count in counts])
    linked = link(frames)
    assert sorted(linked.track_ids()) == [(t, k) for t, count in enumerate(counts) for k in range(count)]
    assert linked.drift.shape == (len(counts), 2)


def test_the_order_of_detections_changes_nothing() -> None:
    rng = np.random.default_rng(5)
    frames = movie(*[grid(6, 18.0, shift=(6.0 * t, 3.0 * t), jitter=6.0, seed=3) for t in range(5)])
    order = [rng.permutation(len(each)) for each in frames]
    straight = link(frames)
    shuffled = link([[each[i] for i in at] for each, at in zip(frames, order, strict=True)])

    def original(node: tuple[int, int]) -> tuple[int, int]:
        return node[0], int(order[node[0]][node[1]])

    again = {(original(each.before), original(each.after)): each.confidence for each in shuffled.links}
    assert again == {(each.before, each.after): each.confidence for each in straight.links}
    assert link(frames).links == straight.links


def test_progress_is_told_and_may_end_the_work() -> None:
    told: list[tuple[int, int]] = []
    frames = movie(*[[(50.0, 50.0)]] * 9)
    link(frames, progress=lambda *each: told.append(each))
    assert told == sorted(told)
    assert told[-1] == (9, 9)
    steps = link_steps(frames)
    next(steps)
    steps.close()


def test_detections_of_labels_have_place_area_and_intensity() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[10:14, 20:26], labels[30, 30] = 7, 70
    image = np.full((40, 40), 3.0)
    image[10:14, 20:23] = 5.0
    found = detections_of(labels, image)
    assert list(found) == [7, 70]
    assert (found[7].area, found[7].centroid_yx, found[7].intensity) == (24, (11.5, 22.5), 4.0)
    assert found[70].corner_yx == (30, 30)
    with pytest.raises(PromptError, match="whole numbers"):
        detections_of(labels.astype(float))


def test_a_detection_without_pixels_is_refused() -> None:
    assert disc(5, 5, 2).area > 0
    with pytest.raises(PromptError, match="at least one"):
        type(disc(5, 5))((0, 0), np.zeros((2, 2), bool))


def test_a_doubtful_link_comes_with_what_else_may_be() -> None:
    frames = movie([(60, 44, 10), (60, 82, 10)], [(60, 62.5, 10)], [(60, 62.5, 10)])
    linked = link(frames, LinkingOptions(divisions=False, drift=False, longest_gap=0))
    (doubtful,) = [each for each in linked.links if each.after == (1, 0)]
    (other,) = linked.alternatives
    assert {doubtful.before, other.before} == {(0, 0), (0, 1)}
    assert other.after == (1, 0)
    assert not other.is_division
    assert 0 < other.confidence <= 1 - doubtful.confidence


def test_what_is_unsure_is_left_out_unless_it_is_linked_to_something_sure() -> None:
    unsure = {(1, 1): 0.3, (0, 2): 0.3, (2, 1): 0.3, (1, 3): 0.3, (2, 2): 0.3}
    places = [[(40, 40), (150, 150)], [(40, 41), (100, 20)], [(40, 42), (150, 152)]]
    frames = movie([*places[0], (90, 90)], [*places[1], (90, 91), (20, 150)], [*places[2], (20, 151)])
    frames = [
        [replace(each, score=unsure.get((t, k), 0.9)) for k, each in enumerate(frame)] for t, frame in enumerate(frames)
    ]
    linked = link(frames, LinkingOptions(least_score=0.4), frame_hw=HW)
    assert linked.left_out == ((1, 1), (1, 3), (2, 2)), "the latter two are linked, and both are unsure"
    assert {each.after for each in linked.links} == {(1, 0), (2, 0), (2, 1), (1, 2)}
    assert {node for track in linked.tracks for node in track.nodes} == {
        (0, 0), (1, 0), (2, 0), (0, 1), (2, 1), (0, 2), (1, 2)
    }  # fmt: skip
    assert link(frames, frame_hw=HW).left_out == ()


def test_what_is_much_smaller_than_the_others_has_to_be_twice_as_sure_unless_the_border_cuts_it() -> None:
    places = [(50, 50), (50, 100), (100, 50), (100, 100)]
    bits = {"dirt": (150, 60, 2.5), "at the border": (0, 150, 2.5), "sure": (150, 150, 2.5), "grows": (150, 100, 2.5)}
    scores = {"dirt": 0.7, "at the border": 0.5, "sure": 0.85, "grows": 0.7}
    frames = [
        [*movie(places)[0], *(replace(disc(*at), score=scores[name]) for name, at in bits.items())],
        [*movie(places)[0], replace(disc(150, 100, 6), score=0.7)],
    ]
    frames[0][5] = type(frames[0][5])((0, 150), frames[0][5].mask[3:], 0.5)
    assert link(frames, LinkingOptions(least_score=0.4), frame_hw=HW).left_out == ((0, 4),)
    assert link(frames, frame_hw=HW).left_out == ()


def test_what_a_person_linked_is_a_track_however_unsure_it_is() -> None:
    frames = [
        [replace(each, score=0.1) for each in frame] for frame in movie([(50, 50), (90, 90)], [(50, 51), (20, 20)])
    ]
    linked = link(frames, LinkingOptions(least_score=0.4), kept=Kept.of(links=[((0, 1), (1, 1))]))
    assert paths(linked) == {((0, 1), (1, 1))}
    assert linked.left_out == ((0, 0), (1, 0))
    assert link(frames, LinkingOptions(least_score=0.4)).tracks == ()


@pytest.mark.parametrize("least", [-0.1, 1.5, float("nan")])
def test_a_least_score_that_no_score_can_have_is_refused(least: float) -> None:
    with pytest.raises(PromptError, match="least_score is"):
        LinkingOptions(least_score=least)
