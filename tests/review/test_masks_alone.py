from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.masks.mask_store import MaskStatus, StoredMask
from napari_sam2.review.masks_alone import LEAST, doubtful_masks, suspicions

SIZE = (120, 160)
Y, X = np.mgrid[: SIZE[0], : SIZE[1]]


def disc(frame: int, radius: float = 10.0, shift: float = 0.0, **about) -> StoredMask:
    """Return a cell that moves by two pixels per frame."""
    logits = radius - np.hypot(Y - 60 - shift, X - 30 - 2 * frame)
    return StoredMask.of_logits(0, 0, logits.astype(np.float32), **({"score": 7.0, "leg": "forward"} | about))


def track(count: int = 30, **changed: StoredMask) -> dict[int, StoredMask]:
    """Return a cell that was followed without a fault but on the frames `f12=...`."""
    frames = {0: disc(0, status=MaskStatus.prompted, leg="prompt")}
    frames |= {frame: disc(frame) for frame in range(1, count)}
    return frames | {int(name[1:]): mask for name, mask in changed.items()}


def named(frames: dict[int, StoredMask]) -> list[tuple[int, tuple[str, ...]]]:
    return [(one.frame, one.reasons) for one in doubtful_masks(frames)]


def test_a_cell_that_was_followed_well_is_not_named():
    assert named(track()) == []


def test_growth_and_steady_motion_are_not_named():
    frames = {frame: disc(frame, radius=8.0 * 1.03**frame) for frame in range(30)}
    assert named(frames) == []


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (disc(12, radius=20.0), "4.1 times as large"),
        (disc(12, radius=5.0), "0.2 times as large"),
        (disc(12, shift=25.0), "0% overlap with before"),
        (disc(12, score=-1.0), "less sure, by 8.0"),
        (StoredMask.united(disc(12, radius=8.0), disc(12, radius=5.5, shift=30.0)), "apart from the rest"),
        (StoredMask.empty(score=-5.0, leg="forward"), "no longer there"),
    ],
)
def test_one_bad_frame_is_named_once_and_its_recovery_is_not(mask, words):
    ((frame, reasons),) = named(track(f12=mask))
    assert frame == 12
    assert words in " ".join(reasons)


def test_a_cell_that_comes_back_after_a_gap_is_named_where_it_comes_back():
    gone = {f"f{frame}": StoredMask.empty(leg="forward") for frame in range(10, 20)}
    assert [frame for frame, _ in named(track(**gone))] == [10, 20]


def test_from_a_lasting_jump_to_another_cell_only_the_jump_is_named():
    jumped = {f"f{frame}": disc(frame, shift=30.0) for frame in range(15, 30)}
    assert [frame for frame, _ in named(track(**jumped))] == [15]


def test_a_mask_in_pieces_over_many_frames_is_named_once():
    torn = {f"f{frame}": StoredMask.united(disc(frame), disc(frame, radius=6.0, shift=30.0)) for frame in range(10, 20)}
    assert len(named(track(**torn))) == 1


def test_backward_tracking_is_judged_in_its_own_direction():
    frames = {frame: disc(frame, leg="backward") for frame in range(20)}
    frames |= {frame: disc(frame, shift=30.0, leg="backward") for frame in range(8)}
    assert [frame for frame, _ in named(frames)] == [7]


@pytest.mark.parametrize("status", [MaskStatus.prompted, MaskStatus.edited])
def test_what_a_person_said_is_never_named(status):
    assert named(track(f12=disc(12, shift=30.0, status=status))) == []


def test_a_score_is_compared_with_those_of_its_own_leg_only():
    """On prompted frames the model answers on another level: measured with cells-nano, about 10 higher."""
    assert named(track(f0=disc(0, score=18.0, status=MaskStatus.prompted, leg="prompt"))) == []


def test_stale_masks_are_named_too():
    ((frame, _),) = named(track(f12=disc(12, shift=30.0, status=MaskStatus.stale)))
    assert frame == 12


def test_degrees_are_shares_and_only_faults_pass_the_least_one():
    found = suspicions(track(f12=disc(12, radius=40.0, score=-20.0, shift=60.0)))
    assert [one.frame for one in found] == list(range(1, 30))
    assert all(0 <= one.degree <= 1 for one in found)
    assert [one.frame for one in found if one.degree >= LEAST] == [12]


@pytest.mark.parametrize("frames", [{}, {4: disc(4)}])
def test_nothing_is_said_of_no_masks_or_a_single_one(frames):
    assert doubtful_masks(frames) == []
