from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.document.difference import difference
from napari_sam2.document.document import Document
from napari_sam2.document.object_map import ObjectMap
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.document.proposal_map import ProposalMap
from napari_sam2.document.proposals import Proposal
from napari_sam2.document.shared_map import DRAWER, SharedMap


def test_a_changed_map_says_what_a_dict_would_and_the_old_one_stays(rng):
    plain, shared = {}, SharedMap.of({})
    for _ in range(60):
        numbers = rng.integers(0, 4 * DRAWER, 9).tolist()
        changes = {number: None if number % 3 == 0 else int(rng.integers(2)) for number in numbers}
        before, old = dict(plain), shared
        shared = shared.changed(changes)
        plain = {key: value for key, value in (plain | changes).items() if value is not None}
        assert list(shared.items()) == sorted(plain.items())
        assert len(shared) == len(plain)
        assert dict(old) == before
        assert shared.last() == max(plain, default=None)
        assert shared.differing(old) == sorted(key for key in plain if key not in before or before[key] != plain[key])
        assert old.differing(shared) == sorted(key for key in before if key not in plain or before[key] != plain[key])


def test_objects_keep_their_order_and_a_new_one_comes_last():
    objects = ObjectMap.of({5: ObjectInfo(5), 2: ObjectInfo(2), 9: ObjectInfo(9, locked=True)})
    changed = objects.changed({2: ObjectInfo(2, "b", locked=True), 1: ObjectInfo(1), 9: None})
    assert list(changed) == [5, 2, 1]
    assert (objects.locked, changed.locked) == ({9}, {2})
    assert changed.differing(objects) == [1, 2]
    assert changed.last() == 5
    assert list(objects) == [5, 2, 9]


def test_proposals_know_who_is_on_a_frame_whatever_comes_goes_or_moves(rng):
    plain, known = {}, ProposalMap.of({})
    mask = Mask(np.ones((2, 2), bool))
    for _ in range(40):
        numbers = rng.integers(0, 90, 9).tolist()
        changes = {one: None if one % 3 == 0 else Proposal(int(rng.integers(4)), mask, 1.0, "a") for one in numbers}
        known = known.changed(changes)
        plain = {key: value for key, value in (plain | changes).items() if value is not None}
        assert list(known.items()) == sorted(plain.items())
        for frame in range(5):
            assert known.on_frame(frame) == {one: each for one, each in plain.items() if each.frame == frame}
        assert known.frames() == sorted({each.frame for each in plain.values()})


@pytest.mark.parametrize("objects", [100, 2000])
def test_an_edit_looks_at_no_more_objects_than_it_touches(objects, monkeypatch):
    document = Document.of([Prompt(one, 0, ((1.0, 1.0),), (1,)) for one in range(1, objects + 1)])
    looked_at = []
    monkeypatch.setattr(Document, "ancestors", lambda self, object_id: looked_at.append(object_id) or [])
    monkeypatch.setattr(Prompt, "__eq__", lambda self, other: looked_at.append(self.object_id) or self is other)
    click = Prompt(50, 0, ((2.0, 2.0),), (1,))
    changed = document.with_prompts({(50, 0): click}).with_object(ObjectInfo(50, "name"))
    diff = difference(document, changed)
    assert (diff.changed, diff.objects) == (((50, 0),), (50,))
    assert set(looked_at) <= set(range(DRAWER))
