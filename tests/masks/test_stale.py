from __future__ import annotations

import numpy as np

from napari_sam2.document.difference import difference
from napari_sam2.document.document import Document
from napari_sam2.document.prompt import Prompt
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stale import behind, follow
from napari_sam2.masks.stored_masks import MaskStatus, StoredMask

SQUARE = np.zeros((10, 10), bool)
SQUARE[2:5, 2:5] = True


def stored(legs):
    """Masks of object 1 by a letter per frame: p prompted, f forward, b backward, e edited, . none."""
    masks = MaskStore((10, 10), len(legs))
    kinds = {
        "p": (MaskStatus.prompted, "prompt"),
        "f": (MaskStatus.tracked, "forward"),
        "b": (MaskStatus.tracked, "backward"),
        "e": (MaskStatus.edited, "prompt"),
    }
    for frame, letter in enumerate(legs):
        if letter != ".":
            status, leg = kinds[letter]
            masks.put((1, frame), StoredMask.of_mask(SQUARE, status, leg=leg))
    return masks


def statuses(masks):
    return "".join(".ptesa"[code] for code in masks.statuses(1))


def test_what_lies_behind_a_correction_turns_stale_beyond_the_next_prompt_too():
    masks = stored("pfffffpff")
    behind((1, 2), masks)
    assert statuses(masks) == "pttssspss"


def test_a_backward_leg_before_the_first_prompt_does_not_lie_behind_a_correction_of_the_forward_leg():
    masks = stored("bbpffff")
    behind((1, 4), masks)
    assert statuses(masks) == "ttpttss"


def test_a_backward_run_turns_stale_on_earlier_frames():
    masks = stored("bbbbbbp")
    behind((1, 3), masks)
    assert statuses(masks) == "sssttt" + "p"


def test_painted_masks_stay_and_a_gap_does_not_end_the_leg():
    masks = stored("pff.feff")
    behind((1, 0), masks)
    assert statuses(masks) == "pss.sess"


def test_the_mask_of_a_prompt_goes_with_it_and_the_last_one_takes_all():
    masks = stored("pfpff")
    both = Document.of([Prompt(1, frame, ((3.0, 3.0),), (1,)) for frame in (0, 2)])
    one, none = both.with_prompts({(1, 2): None}), both.with_prompts({(1, 2): None}).with_prompts({(1, 0): None})
    follow(difference(both, one), one, masks)
    assert statuses(masks) == "pt.ss"
    follow(difference(one, none), none, masks)
    assert statuses(masks) == "....."


def test_that_an_object_was_painted_away_stays_when_its_last_prompt_goes():
    masks = stored("pff")
    masks.put((1, 2), StoredMask.of_mask(np.zeros((10, 10), bool)))
    one = Document.of([Prompt(1, 0, ((3.0, 3.0),), (1,))])
    none = one.with_prompts({(1, 0): None})
    follow(difference(one, none), none, masks)
    assert statuses(masks) == "..e"


def test_a_prompt_that_changed_leaves_its_mask_stale_until_it_is_shown_again():
    masks = stored("pff")
    old = Document.of([Prompt(1, 0, ((3.0, 3.0),), (1,))])
    new = Document.of([Prompt(1, 0, ((3.0, 4.0),), (1,))])
    (*_, change) = follow(difference(old, new), new, masks)
    assert statuses(masks) == "sss"
    assert change.before.status is MaskStatus.prompted


def test_a_mask_that_was_drawn_is_there_at_once():
    masks = stored(".....")
    drawn = Document.of([Prompt(1, 2, mask=SQUARE)])
    (change,) = follow(difference(Document(), drawn), drawn, masks)
    assert change.before is None
    assert np.array_equal(masks.mask(1, 2), SQUARE)
    assert statuses(masks) == "..p.."
