from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.document.difference import difference
from napari_sam2.document.document import Document
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.document.proposals import Proposal, ProposalState
from napari_sam2.document.proposing import accepted, forgotten, proposed, rejected
from sam2_core.errors import PromptError


def square(y0: int, frame: int = 0, score: float = 0.5, source: str = "model", label: int | None = None) -> Proposal:
    mask = np.zeros((20, 20), bool)
    mask[y0 : y0 + 3, 2:6] = True
    return Proposal(frame, Mask(mask), score, source, label=label)


def test_what_a_source_finds_again_replaces_what_nobody_decided():
    document = proposed(Document(), [square(0), square(4), square(8)], 0, "model")
    document = proposed(document, [square(0, source="other")], 0, "other")
    document = rejected(accepted(document, {1: 5}), [2])
    again = proposed(document, [square(12)], 0, "model")
    assert list(again.proposals) == [1, 2, 4, 5]
    assert again.proposals[5] == square(12)
    assert again.proposals[1].state is ProposalState.accepted
    assert again.proposals[2].state is ProposalState.rejected
    assert difference(document, again).proposals == (3, 5)
    assert list(document.proposals) == [1, 2, 3, 4]


def test_an_accepted_proposal_is_an_object_whose_prompt_is_its_mask_and_says_where_it_is_from():
    document = accepted(proposed(Document(), [square(4, score=0.75, frame=3)], 3, "model"), {1: 7})
    assert document.prompts[7, 3].parts == (square(4).mask,)
    assert document.objects[7] == ObjectInfo(7, source="model", score=0.75)
    assert difference(Document(), document).proposals == (1,)


def test_objects_that_are_there_are_not_overwritten_and_nothing_is_made_twice():
    document = proposed(Document.of([], [ObjectInfo(1, "mine")]), [square(0), square(4)], 0, "model")
    for ids in ({1: 1}, {1: 2, 2: 2}, {9: 3}):
        with pytest.raises(PromptError):
            accepted(document, ids)


def test_what_is_forgotten_leaves_its_object():
    document = forgotten(accepted(proposed(Document(), [square(0)], 0, "model"), {1: 1}), [1])
    assert not document.proposals
    assert document.objects[1].source == "model"
    with pytest.raises(PromptError, match="no proposal 1"):
        forgotten(document, [1])


@pytest.mark.parametrize("wrong", [{"score": float("nan")}, {"label": 0}, {"mask": Mask(np.zeros((4, 4), bool))}])
def test_a_proposal_that_cannot_be_is_refused(wrong):
    given = {"frame": 0, "mask": square(0).mask, "score": 1.0, "source": "x", **wrong}
    with pytest.raises(PromptError):
        Proposal(**given)
