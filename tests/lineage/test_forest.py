"""Lineages in the order of a tree, and which objects a table shows of them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from napari_sam2.lineage.arranging import Order, Wanted, arranged, found_by
from napari_sam2.lineage.forest import Forest

PARENTS = {1: None, 2: None, 3: 1, 4: 2, 5: 1, 6: 3, 7: 3, 8: 99}
"""1 -> 3 (-> 6, 7) and 5; 2 -> 4; 8, whose parent is nobody's."""


@dataclass(frozen=True)
class Cell:
    object_id: int
    name: str
    begin: int | None
    frames: int
    is_touched: bool


CELLS = {
    one: Cell(one, "Mother of all" if one == 1 else "", None if one == 8 else 10 - one, 3 * one % 7, one in (4, 6))
    for one in PARENTS
}


def shown(**wanted: object) -> tuple[int, ...]:
    return arranged(CELLS, Forest.of(PARENTS), Wanted(**wanted))


def test_a_tree_has_mothers_above_their_daughters_with_all_that_come_of_one_together():
    forest = Forest.of(PARENTS)
    assert forest.order == (1, 3, 6, 7, 5, 2, 4, 8)
    assert [forest.generation[one] for one in forest.order] == [0, 1, 2, 2, 1, 0, 1, 0]
    assert [forest.lineage[one] for one in forest.order] == [1, 1, 1, 1, 1, 2, 2, 8]
    assert forest.descendants(1) == (3, 6, 7, 5)
    assert forest.descendants(8) == ()


def test_a_lineage_of_thousands_of_generations_is_no_deeper_for_the_stack():
    forest = Forest.of({one: one - 1 if one > 1 else None for one in range(1, 5001)})
    assert forest.generation[5000] == 4999
    assert len(forest.descendants(1)) == 4999


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, (1, 3, 6, 7, 5, 2, 4, 8)),
        ({"folded": frozenset({3, 2})}, (1, 3, 5, 2, 8)),
        ({"folded": frozenset({1})}, (1, 2, 4, 8)),
        ({"generation": 1}, (3, 5, 4)),
        ({"complete": True}, (3,)),
        ({"touched": True}, (6, 4)),
        ({"touched": False, "generation": 2}, (7,)),
        ({"shortest": 4}, (6, 2, 4)),
        ({"text": "4"}, (2, 4)),
        ({"text": "6-7, 4"}, (1, 3, 6, 7, 5, 2, 4)),
        ({"text": "mother"}, (1, 3, 6, 7, 5)),
        ({"text": "nobody"}, ()),
        ({"text": "Object 4"}, (2, 4)),
        ({"text": "object 1"}, ()),
        ({"text": "6 - 7"}, (1, 3, 6, 7, 5)),
        ({"order": Order.number}, (1, 2, 3, 4, 5, 6, 7, 8)),
        ({"order": Order.number, "text": "4", "folded": frozenset({2})}, (4,)),
        ({"order": Order.begin}, (7, 6, 5, 4, 3, 2, 1, 8)),
        ({"order": Order.length}, (2, 4, 6, 1, 8, 3, 5, 7)),
        ({"order": Order.generation}, (1, 2, 8, 3, 4, 5, 6, 7)),
        ({"order": Order.name}, (1, 2, 3, 4, 5, 6, 7, 8)),
    ],
)
def test_objects_are_shown_as_they_are_wanted(wanted, expected):
    assert shown(**wanted) == expected


def test_what_a_text_names_is_found_without_its_relatives():
    assert found_by("7 3-4", CELLS) == (3, 4, 7)
    assert found_by("", CELLS) == tuple(CELLS)
