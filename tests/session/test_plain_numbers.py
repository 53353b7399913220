"""What scripts give for ids, frames and sizes: one or several, of numpy too; what is no number is said so, in words."""

from __future__ import annotations

import numpy as np
import pytest
from linked_squares import linked_session

from napari_sam2.document.objects import LinkStatus
from sam2_core.errors import PromptError, StackError

ALL = range(8)


@pytest.fixture
def session():
    with linked_session({1: range(4), 2: range(4, 8), 3: ALL}) as made:
        yield made


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda s: s.import_tracks(3), "is not a stack; give a path"),
        (lambda s: s.proposals.find(frames=1.5), "frame 1.5 is no whole number"),
        (lambda s: s.proposals.find(diameter_px="a"), "diameter_px 'a' is no number"),
        (lambda s: s.proposals.find(min_score="a"), "min_score 'a' is no number"),
        (lambda s: s.proposals.accept("a"), "proposal 'a' is no whole number"),
        (lambda s: s.proposals.shown(1.5), "frame 1.5 is no whole number"),
        (lambda s: s.divide(1, 4, 5), "object 5 does not exist"),
        (lambda s: s.divide(1, 4, None), "daughter None is no whole number"),
        (lambda s: s.surgery.connect(1, 2), "give object id and frame, two whole numbers"),
        (lambda s: s.surgery.connect((1, 0), (2,)), "give object id and frame, two whole numbers"),
        (lambda s: s.surgery.connect((1, "a"), (2, 5)), "give object id and frame, two whole numbers"),
        (lambda s: s.surgery.divide_here(1, "a"), "frame 'a' is no whole number"),
        (lambda s: s.surgery.break_here(1, None), "frame None is no whole number"),
        (lambda s: s.surgery.track_again(1, "a"), "frame 'a' is no whole number"),
        (lambda s: s.surgery.absent_all({1: 3}), "give first and last frame, two whole numbers"),
        (lambda s: s.add_box(1, 0, 5), "that is not numbers"),
        (lambda s: s.add_points(1, 0, [(1, 1)], labels="a"), "label 'a' is no whole number"),
        (lambda s: s.edit_masks(0, s.labels(0)), "of a label image say add_labels"),
        (lambda s: s.paint(None), "masks are given by object id and frame"),
        (lambda s: s.paint({1: s.labels(0) == 1}), "give object id and frame, two whole numbers"),
        (lambda s: s.paint({(1, 0.5): s.labels(0) == 1}), "give object id and frame, two whole numbers"),
        (lambda s: s.paint({(1, 0): None}), "cannot be used"),
        (lambda s: s.set_prompts([(1, 0)]), "prompts are given by object id and frame"),
        (lambda s: s.set_prompts({1: None}), "give object id and frame, two whole numbers"),
        (lambda s: s.set_links([1], "x"), "say made, linked, looked at"),
        (lambda s: s.labels(1.5), "frame 1.5 is no whole number"),
    ],
)
def test_what_is_no_number_is_said_in_words(session, call, said):
    before = session.document, dict(session.masks.items())
    with pytest.raises((PromptError, StackError), match=said):
        call(session)
    assert (session.document, dict(session.masks.items())) == before


@pytest.mark.parametrize(
    ("call", "left"),
    [
        (lambda s, ids: s.remove_object(ids), [1, 2]),
        (lambda s, ids: s.merge_objects(2, ids), [1, 2]),
        (lambda s, ids: s.surgery.break_all(ids, 4), [1, 2, 3, 4]),
        (lambda s, ids: s.surgery.end_here(ids, 4), [1, 2, 3]),
        (lambda s, ids: s.surgery.begin_here(ids, 4), [1, 2, 3]),
    ],
)
def test_an_object_that_is_named_twice_is_meant_once(session, call, left):
    call(session, [3, np.int64(3)])
    assert sorted(session.document.objects) == left
    session.undo()
    assert sorted(session.document.objects) == [1, 2, 3]


def test_one_is_as_good_as_a_list_of_one(session):
    assert session.divide(1, 4, np.int64(2)).daughters == (2,)
    session.set_links(3, "looked at")
    assert session.document.objects[3].links is LinkStatus.looked_at
    assert session.add_labels(0, session.labels(0), object_ids=3) == (3,)
    (number,) = session.proposals.from_labels(session.labels(1), "x", frame=5).numbers[:1]
    session.proposals.reject(number)
    assert session.document.proposals[number].state.value == "rejected"


def test_an_array_of_labels_is_imported_like_the_file_that_it_could_be_saved_as(session):
    labels = np.stack([session.labels(frame) for frame in ALL])
    ids = session.import_tracks(labels)
    assert len(ids) == 3
    for frame in ALL:
        np.testing.assert_array_equal(session.masks.mask(ids[2], frame), labels[frame] == 3)
