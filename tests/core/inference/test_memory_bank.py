"""Which memories a frame looks at, as plain lists, and what a bank keeps."""

from __future__ import annotations

import pytest
import torch

from sam2_core.inference.memory.memory_bank import (
    PACKED_LOGIT,
    MemoryBank,
    MemoryEntry,
    PackedMask,
    SelectionRule,
    select_conditioning,
    select_memories,
    track_together,
)

ALL = SelectionRule()
FOUR = SelectionRule(max_conditioning_frames=4, keeps_first=True)


def test_a_young_object_looks_at_its_prompt_and_the_frames_since() -> None:
    selection = select_memories([0], [1, 2], 3, False, ALL)
    assert selection.spatial == ((0, 6), (1, 1), (2, 0))
    assert selection.pointers == ((0, 3), (2, 1), (1, 2))


def test_an_old_object_looks_at_six_frames_and_fifteen_pointers() -> None:
    selection = select_memories([0], range(1, 40), 40, False, ALL)
    assert selection.spatial == ((0, 6), (34, 5), (35, 4), (36, 3), (37, 2), (38, 1), (39, 0))
    assert selection.pointers == ((0, 40), *((40 - age, age) for age in range(1, 16)))


def test_backward_the_past_lies_ahead() -> None:
    selection = select_memories([20], range(10, 20), 9, True, ALL)
    assert selection.spatial == ((20, 6), (15, 5), (14, 4), (13, 3), (12, 2), (11, 1), (10, 0))
    assert selection.pointers[:3] == ((20, 11), (10, 1), (11, 2))


def test_missing_frames_leave_their_slot_empty() -> None:
    assert select_memories([0], [1, 3], 5, False, ALL).spatial == ((0, 6), (1, 3), (3, 1))


def test_a_prompt_ahead_is_seen_but_does_not_point() -> None:
    selection = select_memories([0, 9], [1, 2], 3, False, ALL)
    assert [frame for frame, _ in selection.spatial] == [0, 9, 1, 2]
    assert [frame for frame, _ in selection.pointers] == [0, 2, 1]


def test_conditioning_frames_keep_the_order_in_which_they_were_made() -> None:
    assert select_conditioning([7, 2, 5], 6, ALL) == [7, 2, 5]


def test_too_many_conditioning_frames_official() -> None:
    rule = SelectionRule(max_conditioning_frames=3)
    assert select_conditioning([0, 10, 20, 30, 40], 22, rule) == [20, 30, 10]
    assert select_conditioning([0, 10, 20, 30, 40], 50, rule) == [40, 30, 20]


def test_too_many_conditioning_frames_interactive_keeps_the_first() -> None:
    assert select_conditioning([0, 10, 20, 30, 40], 36, FOUR) == [0, 40, 30, 20]


def test_a_conditioning_frame_left_out_counts_as_a_tracked_one() -> None:
    rule = SelectionRule(max_conditioning_frames=1, keeps_first=True)
    selection = select_memories([0, 9], range(1, 9), 10, False, rule)
    assert selection.spatial[-1] == (9, 0)


def test_a_mask_of_a_cell_takes_a_few_hundred_bytes() -> None:
    y, x = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    logits = 30 - ((y - 100) ** 2 / 4 + (x - 150) ** 2).sqrt()[None]
    packed = PackedMask.pack(logits)
    assert len(packed.bits) == 8192
    assert len(packed.deflated) < 600
    assert torch.equal(packed.logits() > 0, logits > 0)


def entry(score: float = 1.0) -> MemoryEntry:
    logits = torch.linspace(-3, 3, 64).reshape(1, 8, 8)
    return MemoryEntry(logits, torch.ones(4), torch.tensor([score]), torch.ones(2, 2, 2))


def test_packing_keeps_the_mask_and_the_pointer() -> None:
    packed = entry().packed()
    assert packed.memory_features is None
    assert isinstance(packed.mask, PackedMask)
    assert len(packed.mask.bits) == 8
    assert torch.equal(packed.low_res_logits > 0, entry().low_res_logits > 0)
    assert packed.low_res_logits.abs().unique().tolist() == [PACKED_LOGIT]
    assert torch.equal(packed.object_pointer, entry().object_pointer)
    assert packed.packed() is packed


@pytest.mark.parametrize(("keep", "whole"), [(3, [7, 8, 9]), (None, list(range(10)))])
def test_a_bank_keeps_the_newest_frames_whole(keep: int | None, whole: list[int]) -> None:
    bank = MemoryBank(keep)
    for frame in range(10):
        bank.track(frame, entry())
    assert [frame for frame, known in bank.tracked.items() if known.memory_features is not None] == whole
    assert sorted(bank.tracked) == list(range(10))


def test_objects_recorded_together_keep_what_each_would_alone() -> None:
    """Banks of different ages: one has nothing to pack yet, and what is packed is its own."""
    together, alone = ([MemoryBank(2), MemoryBank(2), MemoryBank(None)] for _ in range(2))
    for banks in (together, alone):
        banks[0].track(-1, entry(0.5))
    for frame in range(5):
        entries = [MemoryEntry(torch.randn(1, 8, 8), torch.ones(4), torch.ones(1), torch.ones(2, 2, 2)) for _ in alone]
        track_together(frame, zip(together, entries, strict=True))
        for bank, known in zip(alone, entries, strict=True):
            bank.track(frame, known)
    for one, other in zip(together, alone, strict=True):
        assert one.tracked.keys() == other.tracked.keys()
        assert one.recent == other.recent
        for frame, known in one.tracked.items():
            assert isinstance(known.mask, PackedMask) == isinstance(other.tracked[frame].mask, PackedMask)
            assert torch.equal(known.low_res_logits, other.tracked[frame].low_res_logits)
    assert isinstance(together[1].tracked[0].mask, PackedMask)
    assert isinstance(together[2].tracked[0].mask, torch.Tensor)


def test_a_frame_tracked_again_is_new() -> None:
    bank = MemoryBank(2)
    for frame in (0, 1, 0, 1, 0):
        bank.track(frame, entry())
    assert all(known.memory_features is not None for known in bank.tracked.values())


def test_conditioning_takes_the_place_of_tracking_and_is_never_packed() -> None:
    bank = MemoryBank(1)
    bank.track(3, entry())
    bank.condition(3, entry())
    bank.track(4, entry())
    bank.track(5, entry())
    assert 3 not in bank.tracked
    assert bank.conditioning[3].memory_features is not None
    assert (bank.reaches(3, False), bank.reaches(2, False), bank.reaches(2, True)) == (True, False, True)


@pytest.mark.parametrize(
    ("conditioning", "frame", "reverse", "seen"),
    [
        ([0], 6, False, [1, 2, 3, 4, 5]),
        ([0, 4], 6, False, [5]),
        ([0, 4], 3, False, [1, 2]),  # the correction lies ahead
        ([10], 7, True, [8, 9]),
        ([5, 10], 3, True, [4]),
        ([5, 10], 7, True, [8, 9]),
        ([0, 10], 6, True, [7, 8, 9]),
    ],
)
def test_behind_a_correction_the_frames_of_the_error_are_not_looked_at(conditioning, frame, reverse, seen):
    tracked = set(range(11)) - set(conditioning)
    past = {one for one in tracked if (one > frame if reverse else one < frame)}
    selection = select_memories(conditioning, past, frame, reverse, SelectionRule(corrections_supersede=True))
    assert sorted(known for known, slot in selection.spatial if slot < 6) == seen
    assert {known for known, _ in selection.pointers} <= {*seen, *conditioning}


@pytest.mark.parametrize(
    ("frame", "reverse", "expected"),
    [
        (20, False, [(6, 5), (9, 4), (12, 3), (18, 1), (19, 0)]),
        (4, True, [(18, 5), (15, 4), (12, 3), (9, 2), (6, 1), (5, 0)]),
    ],
)
def test_all_but_the_newest_memory_lie_on_multiples_of_the_stride(frame: int, reverse: bool, expected) -> None:
    """By hand from ``_prepare_memory_conditioned_features``: of frame 20, 19, then 18, 15, ...; 15 is missing."""
    tracked = set(range(25)) - ({15} if not reverse else set())
    rule = SelectionRule(memory_stride=3)
    selected = select_memories([0 if not reverse else 24], tracked, frame, reverse, rule)
    assert list(selected.spatial[1:]) == expected
