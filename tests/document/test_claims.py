"""What a program claims about tracks follows what a person does to them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_sam2.document.claims import LinkClaims, Rival
from napari_sam2.document.difference import difference
from napari_sam2.document.document import Document
from napari_sam2.document.objects import ObjectInfo
from sam2_core.errors import PromptError

ONE = LinkClaims(1, (1, 2, 3, 4), (0.9, 0.8, 0.7, 0.6), (Rival(2, 3, False, 0.2), Rival(4, 2, True, 0.3)))
TWO = LinkClaims(2, (2, 3, 4, 5), (0.5, 0.4, 0.3, 0.2))
THREE = LinkClaims(3, (7,), (1.0,), (Rival(7, 1, False, 0.1), Rival(7, 4, False, 0.1)))


@pytest.fixture
def document():
    return Document({}, {one: ObjectInfo(one) for one in range(1, 5)}, claims={1: ONE, 2: TWO, 3: THREE})


def test_claims_are_asked_by_the_frame_that_a_link_leads_to():
    assert ONE.confidence(3) == 0.7
    assert ONE.confidence(9) is None
    assert ONE.rivals_at(2) == (Rival(2, 3, False, 0.2),)


def test_objects_that_are_swapped_exchange_what_is_claimed_behind_and_what_a_person_linked_is_no_claim(document):
    claims = document.swapped(1, 2, 3).claims
    assert dict(zip(claims[1].frames, claims[1].confidences, strict=True)) == {1: 0.9, 2: 0.8, 4: 0.3, 5: 0.2}
    assert dict(zip(claims[2].frames, claims[2].confidences, strict=True)) == {2: 0.5, 4: 0.6}
    assert claims[1].rivals == (Rival(2, 3, False, 0.2),)
    assert [one.object_id for one in claims[2].rivals] == [1]  # her rival has the other name there
    assert [one.object_id for one in claims[3].rivals] == [2, 4]


def test_objects_that_are_merged_join_their_claims(document):
    claims = document.merged(1, 3).claims
    assert 3 not in claims
    assert claims[1].confidence(7) == 1.0
    assert [one.object_id for one in claims[1].rivals] == [2, 4]


def test_who_is_gone_is_no_rival(document):
    claims = document.without_object(4).claims
    assert [one.object_id for one in claims[3].rivals] == [1]
    assert set(document.without_object(1).claims) == {2, 3}


def test_renaming_leaves_claims_and_a_difference_tells_them(document):
    assert document.with_object(ObjectInfo(1, "nucleus")).claims[1] is ONE
    changed = replace(document, claims={1: ONE, 3: THREE, 4: replace(TWO, object_id=4)})
    assert difference(document, changed).tracks == (2, 4)


def test_claims_that_cannot_be_are_refused(document):
    for wrong in (lambda: LinkClaims(1, (1,), (1.5,)), lambda: LinkClaims(1, (1, 2), (0.5,))):
        with pytest.raises(PromptError, match="confidence"):
            wrong()
    with pytest.raises(PromptError, match="object 9"):
        replace(document, claims={9: LinkClaims(9)})
