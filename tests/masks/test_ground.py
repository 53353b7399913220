from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.document.document import Document
from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.masks.ground import Ground
from napari_sam2.masks.mask_store import MaskStore, StoredMask

SIZE = (40, 40)


def box(y0: int, x0: int, height: int = 10, width: int = 10) -> Mask:
    return Mask.in_box(SIZE, y0, x0, np.ones((height, width), bool))


@pytest.mark.parametrize(
    ("mask", "taken"),
    [
        (box(10, 10), True),
        (box(10, 19), False),  # a tenth of it: a border between neighbours
        (box(10, 18), True),  # a fifth
        (box(0, 0, 30, 30), True),  # a ninth of it, but all of the object
        (box(25, 25), False),
    ],
)
def test_a_mask_is_on_top_of_objects_by_its_share_or_by_theirs(mask, taken):
    assert Ground(SIZE, {3: box(10, 10)}).is_taken(mask) is taken


def test_several_objects_take_a_mask_together():
    ground = Ground(SIZE, {1: box(0, 0), 2: box(0, 18)})
    assert not Ground(SIZE, {1: box(0, 0)}).is_taken(box(0, 9))
    assert ground.is_taken(box(0, 9, width=10)) is True


def test_a_click_without_a_mask_takes_what_it_is_in_and_one_outside_does_not():
    said = Document.of(
        [Prompt(1, 0, ((5.0, 5.0),), (1,)), Prompt(2, 0, ((25.0, 25.0),), (0,)), Prompt(3, 1, ((35, 5),), (1,))]
    )
    ground = Ground.of_objects(said, MaskStore(SIZE, 2), 0)
    assert ground.is_taken(box(0, 0))
    assert not ground.is_taken(box(20, 20))
    assert not ground.is_taken(box(30, 0))


def test_masks_of_the_frame_count_and_empty_ones_do_not():
    masks = MaskStore(SIZE, 2)
    masks.put((70_000, 1), StoredMask.of_drawn(box(0, 0)))
    masks.put((2, 1), StoredMask.empty())
    assert Ground.of_objects(Document(), masks, 1).is_taken(box(1, 1))
    assert not Ground.of_objects(Document(), masks, 0).is_taken(box(1, 1))


def test_the_same_thing_is_known_where_it_is_nearly_equal():
    ground = Ground(SIZE, {1: box(10, 10)})
    assert ground.is_known(box(10, 10, 10, 9))
    assert not ground.is_known(box(10, 10, 10, 7))
    assert not ground.is_known(box(10, 10, 14, 14))


@pytest.mark.parametrize("seed", range(6))
def test_what_is_told_to_be_near_is_taken_just_as_where_all_objects_are_known(seed):
    rng, masks = np.random.default_rng(seed), MaskStore(SIZE, 1)

    def any_box():
        y0, x0 = (int(one) for one in rng.integers(0, 30, 2))
        return box(y0, x0, *(int(one) for one in rng.integers(1, 11, 2)))

    for object_id in range(1, 7):
        masks.put((object_id, 0), StoredMask.of_drawn(any_box()))
    said = Document.of([Prompt(9, 0, ((20.0, 20.0),), (1,)), Prompt(2, 0, ((3.0, 3.0),), (1,))])
    asked = [any_box() for _ in range(12)]
    every, near = (Ground.of_objects(said, masks, 0, some) for some in (None, asked))
    assert [near.is_taken(one) for one in asked] == [every.is_taken(one) for one in asked]
    assert any(map(near.is_taken, asked))
