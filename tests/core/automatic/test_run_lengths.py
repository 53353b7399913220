from __future__ import annotations

import numpy as np
import pytest

from sam2_core.automatic.run_lengths import coco_rle, coco_string, run_lengths


@pytest.mark.parametrize(
    ("rows", "counts"),
    [
        ([".#.", ".#.", "..."], [3, 2, 4]),
        (["#..", "...", "..#"], [0, 1, 7, 1]),
        ([".##", ".##", ".##"], [3, 6]),  # from the foot of a column to the head of the next
        (["#.#", "#..", "##."], [0, 3, 2, 2, 2]),
        (["...", "...", "..."], [9]),
        (["###", "###", "###"], [0, 9]),
    ],
)
def test_runs_go_down_the_columns_zeros_first(rows, counts) -> None:
    mask = np.array([[letter == "#" for letter in row] for row in rows])
    assert run_lengths(mask, (0, 0), (3, 3)) == {"size": [3, 3], "counts": counts}


def test_a_patch_lies_where_its_corner_says() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        size = tuple(rng.integers(4, 9, 2).tolist())
        mask = np.zeros(size, dtype=bool)
        (y0, y1), (x0, x1) = (sorted(rng.choice(side + 1, 2, replace=False)) for side in size)
        mask[y0:y1, x0:x1] = rng.random((y1 - y0, x1 - x0)) < 0.6
        found = run_lengths(mask[y0:y1, x0:x1], (int(x0), int(y0)), size)
        values = np.repeat(np.arange(len(found["counts"])) % 2, found["counts"])
        assert np.array_equal(values.reshape(size[::-1]).T.astype(bool), mask)
        assert 0 not in found["counts"][1:]


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ([9], "9"),  # 9 = 0b01001: chr(48 + 9)
        ([0, 9], "09"),
        ([16], "`0"),  # its fifth bit is set, so a second character says that it is not negative: 48 + 16 + 32, 48
        ([3, 2, 4], "324"),
        ([3, 2, 4, 1], "324O"),  # 1 - 2 = -1: all five bits set, nothing more: 48 + 31
        ([100, 40, 7, 5, 1000], "T3X17mNQo0"),
    ],
)
def test_numbers_are_written_in_cocos_characters(counts, text) -> None:
    assert coco_string(counts) == text
    assert counts_of(text) == counts
    assert coco_rle({"size": [2, 3], "counts": counts}) == {"size": [2, 3], "counts": text}


def test_what_was_written_can_be_read_as_pycocotools_reads_it() -> None:
    rng = np.random.default_rng(1)
    for size in (1, 2, 3, 40):
        counts = rng.integers(1, 5000, size).tolist()
        assert counts_of(coco_string(counts)) == counts


def counts_of(text: str) -> list[int]:
    """Return the run lengths of a string: ``rleFrString`` of maskApi.c (https://github.com/cocodataset/cocoapi)."""
    counts: list[int] = []
    codes = iter(text)
    for letter in codes:
        number = shift = 0
        code = ord(letter) - 48
        while code & 32:
            number |= (code & 31) << shift
            shift += 5
            code = ord(next(codes)) - 48
        number |= (code & 31) << shift
        if code & 16:
            number |= -1 << (shift + 5)
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
    return counts
