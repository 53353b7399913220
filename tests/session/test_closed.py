"""A session that was closed takes nothing more: what would be lost is refused in words."""

from __future__ import annotations

import numpy as np
import pytest
from linked_squares import FRAMES, SIZE

from napari_sam2.engine.jobs import PropagateRequest
from napari_sam2.session import Session
from sam2_core.errors import PromptError, StackError

MOVIE = np.zeros((FRAMES, *SIZE), np.uint8)


@pytest.mark.parametrize("is_saved", [True, False])
@pytest.mark.parametrize(
    "edit",
    [
        lambda s: s.add_points(1, 0, [(9, 9)]),
        lambda s: s.edit_mask(1, 0, np.ones(SIZE, bool)),
        lambda s: s.change_settings(overlaps="keep"),
        lambda s: s.undo(),
        lambda s: s.review.sample("masks"),
    ],
    ids=["click", "paint", "settings", "undo", "sample"],
)
def test_nothing_is_edited_once_it_is_closed(tmp_path, edit, is_saved):
    session = Session.open(MOVIE, axes="TYX")
    session.edit_mask(2, 0, np.eye(*SIZE, dtype=bool))
    if is_saved:
        session.save(tmp_path / "a.sam2")
    session.close()
    with pytest.raises(StackError, match="The session was closed"):
        edit(session)
    assert list(session.document.objects) == [2]
    assert not session.is_dirty or not is_saved


def test_what_was_closed_can_be_saved_still_and_is_let_go(tmp_path):
    session = Session.open(MOVIE, axes="TYX")
    session.edit_mask(2, 0, np.eye(*SIZE, dtype=bool))
    session.close()
    session.save(tmp_path / "late.sam2")
    with Session.open(tmp_path / "late.sam2", images=MOVIE) as opened:
        assert opened.masks.mask(2, 0).sum() == min(SIZE)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda s: PropagateRequest("sideways"), "direction 'sideways' cannot be used"),
        (lambda s: PropagateRequest(frames=[0, 1]), r"give a range, for example range\(0, 10\)"),
        (lambda s: list(s.propagate(frames=range(50, 60))), "holds no frame of the stack, which has frames 0 to 7"),
        (lambda s: s.labels(-1), "there is no frame -1; the stack has frames 0 to 7"),
        (lambda s: s.labels(FRAMES), "there is no frame 8"),
        (lambda s: s.labels(0, 5), "object 5 does not exist"),
        (lambda s: s.status(5), "object 5 does not exist"),
        (lambda s: s.add_points(1, 0, "abc"), "points 'abc' cannot be used"),
        (lambda s: s.add_polygon(1, 0, [("a", "b")] * 3), "vertices .* cannot be used"),
        (lambda s: s.add_mask(1, 0, np.full(SIZE, np.nan)), "a mask of type float64 that is no numbers"),
        (lambda s: s.add_mask(1, 0, np.full(SIZE, "x")), "cannot be used; give true and false"),
        (lambda s: s.proposals.add(0, [np.eye(*SIZE)] * 2, "x", scores=[1]), "1 scores are given for 2 masks"),
        (lambda s: s.proposals.from_labels(np.eye(*SIZE, dtype=int), "x", scores=[]), "0 scores are given for 1 masks"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(ask, words):
    with Session.open(MOVIE, axes="TYX") as session:
        session.add_points(1, 0, [(9, 9)])
        with pytest.raises(PromptError, match=words):
            ask(session)
