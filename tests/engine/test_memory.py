from __future__ import annotations

from types import SimpleNamespace

from napari_sam2.engine.memory import Base, only, score, tracked_object


def state_with(tracked, conditioning):
    bank = SimpleNamespace(tracked=dict(tracked), conditioning=dict(conditioning), direction={})
    entries = bank.tracked | bank.conditioning
    one = SimpleNamespace(bank=bank, seen=entries.get)
    return SimpleNamespace(objects={1: one}), bank


def test_a_run_sees_only_what_holds_and_conditioning_frames_in_order():
    state, bank = state_with({3: "c", 4: "d", 7: "g"}, {9: "z", 5: "y"})
    with only(state, [1, 2], lambda object_id, frame: frame == 4):
        assert bank.tracked == {4: "d"}
        assert list(bank.conditioning) == [5, 9]
        bank.tracked[7] = "new"
        bank.conditioning[3] = "now a prompt"
    assert bank.tracked == {4: "d", 7: "new"}


def test_a_refined_mask_comes_back_where_the_memory_is_the_same():
    state, bank = state_with({4: "d"}, {})
    bank.direction[4] = True
    base = Base.of(state, 1, 4)
    bank.tracked.clear()
    bank.direction.clear()
    base.put_back(state, 1, 4)
    assert (bank.tracked, bank.direction) == ({4: "d"}, {4: True})
    other, other_bank = state_with({}, {})
    base.put_back(other, 1, 4)
    assert other_bank.tracked == {}
    assert Base.of(state, 1, 5) is None


def test_scores_come_from_memory_or_from_what_is_seen():
    state, _ = state_with({4: SimpleNamespace(object_score_logits=3.5)}, {})
    assert score(state, 1, 4, present=False) == 3.5
    assert score(state, 1, 5, present=True) > 0 > score(state, 1, 5, present=False)
    assert score(SimpleNamespace(), 1, 5, present=True) > 0


def test_windows_are_asked_for_the_state_of_the_object():
    inner, _ = state_with({}, {})
    state = SimpleNamespace(views={1: SimpleNamespace(state=inner)})
    assert tracked_object(state, 1) is inner.objects[1]
    assert tracked_object(state, 2) is None
