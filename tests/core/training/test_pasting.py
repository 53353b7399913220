"""New arrangements: pasted cells are seen where they are labelled, cover little, and lie on the ground of the image."""

from __future__ import annotations

import numpy as np
import pytest

from sam2_core.errors import StackError
from sam2_core.training.pack import Record, pack_record
from sam2_core.training.pasting import COVERED, pasted_record

GROUND, SHINING, HALO = 90, 200, 20


def still_of(centres_yx: list[tuple[int, int]], ground: int = GROUND, side: int = 128) -> Record:
    """Uniform discs of 9 px with a dark rim of 2 px around them, on a flat ground."""
    rows, columns = np.mgrid[:side, :side]
    image, labels = np.full((side, side), ground, np.uint8), np.zeros((side, side), np.uint16)
    for identity, (y, x) in enumerate(centres_yx, start=1):
        away = np.hypot(rows - y, columns - x)
        image[away < 11] = ground - HALO
        image[away < 9] = ground + SHINING - GROUND
        labels[away < 9] = identity
    record = pack_record("discs", "still", image, labels)
    assert record is not None
    return Record(record.info, image[None], labels[None])  # as drawn, without its contrast stretched


def test_what_is_pasted_is_seen_where_it_is_labelled_and_nowhere_else():
    base = still_of([(20, 20), (100, 100)])
    pasted = pasted_record(base, [base], 8, np.random.default_rng(5), "discs pasted")
    image, labels = pasted.images[0], pasted.labels[0]
    assert pasted.info.group == "discs pasted"
    assert len(np.unique(labels)) - 1 > 5, "seed 5"
    middle = (GROUND + SHINING) / 2
    differs = (image > middle) != (labels > 0)
    assert differs.mean() < 0.01, f"seed 5: {differs.mean():.2%} of the pixels shine without a label or the other way"


def test_a_pasted_cell_takes_at_most_a_quarter_of_another_and_the_base_stays_as_it_is():
    base = still_of([(y, x) for y in range(16, 128, 24) for x in range(16, 128, 24)])
    before = base.labels.copy(), base.images.copy()
    areas = np.bincount(base.labels.ravel())
    taken = []
    for seed in range(20):
        pasted = pasted_record(base, [base], 1, np.random.default_rng(seed), "discs pasted")
        left = np.bincount(pasted.labels.ravel(), minlength=areas.size)[: areas.size]
        taken.append(1.0 - (left / areas)[1:].min())
    assert 0.0 < max(taken) <= COVERED, f"seeds 0 to 19: {taken}"
    assert np.array_equal(base.labels, before[0])
    assert np.array_equal(base.images, before[1])


def test_cells_of_a_brighter_image_lie_on_the_ground_of_the_one_they_come_to():
    base, donor = still_of([(20, 20)]), still_of([(64, 64)], ground=140)
    pasted = pasted_record(base, [donor], 6, np.random.default_rng(2), "discs pasted")
    new = pasted.labels[0] > 1
    assert new.any()
    assert np.abs(np.median(pasted.images[0][new]) - SHINING) <= 2
    assert np.median(pasted.images[0][pasted.labels[0] == 0]) == GROUND
    assert pasted.images[0].min() >= GROUND - HALO - 2  # rims came along, nothing darker was made


def test_the_same_seed_gives_the_same_arrangement_and_another_seed_another():
    base = still_of([(20, 20), (100, 100)])
    first, again, other = (
        pasted_record(base, [base], 6, np.random.default_rng(seed), "discs pasted") for seed in (1, 1, 2)
    )
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.labels, other.labels)


def test_a_full_image_takes_no_more():
    base = still_of([(y, x) for y in range(10, 128, 18) for x in range(10, 128, 18)])
    pasted = pasted_record(base, [base], 30, np.random.default_rng(0), "discs pasted")
    assert np.array_equal(pasted.labels, base.labels)


def test_donors_without_whole_cells_are_refused():
    base = still_of([(20, 20)])
    with pytest.raises(StackError, match="lie whole in their image"):
        pasted_record(base, [still_of([(2, 64)])], 3, np.random.default_rng(0), "discs pasted")
