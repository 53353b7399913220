"""Channels that are added to the images of a session: what was made stays, and what is saved opens again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from disc_predictor import DiscPredictor

from napari_sam2.session.session import Session
from napari_sam2.stacks import Stack
from napari_sam2.stacks.sources import ArraysAsChannels
from sam2_core.errors import StackError

FIRST, SECOND = (np.full((4, 32, 32), value, np.uint8) for value in (10, 20))


def on(*arrays: Any) -> Stack:
    return Stack(ArraysAsChannels(arrays), "CTYX", "movie")


@pytest.fixture
def session() -> Any:
    with Session.open(FIRST, axes="TYX", predictor=DiscPredictor()) as opened:
        opened.add_points(1, 0, [(10, 10)])
        list(opened.preview())
        yield opened


def test_masks_hold_until_other_channels_are_chosen_and_a_save_keeps_all(session: Any, tmp_path: Path) -> None:
    session.save(tmp_path / "work.sam2")
    session.change_settings(even_out=True)
    session.undo()
    session.add_channels(on(FIRST, SECOND))
    assert session.status(1)[0] == 1
    session.redo()
    session.undo()
    assert session.status(1)[0] == 1
    np.testing.assert_array_equal(session.movie.movie[0], FIRST[0])
    session.change_settings(channels=(0, 1))
    session.close()
    with Session.open(tmp_path / "work.sam2", predictor=DiscPredictor()) as again:
        np.testing.assert_array_equal(again.movie.movie[0], np.stack([FIRST[0], SECOND[0]], axis=-1))
        assert again.notes == ()
        assert list(again.document.prompts) == [(1, 0)]


def test_channels_of_another_shape_are_refused(session: Any) -> None:
    with pytest.raises(StackError, match="one shape"):
        session.add_channels(on(FIRST[:2], SECOND[:2]))


def test_a_process_that_ended_while_channels_were_added_leaves_a_session_that_opens(
    session: Any, tmp_path: Path
) -> None:
    session.save(tmp_path / "work.sam2")
    session.close()
    told = tmp_path / "work.sam2" / "session.json"
    content = json.loads(told.read_text())
    content["settings"] |= {"channels": [0, 1], "contrast_limits": [[0, 9], [0, 7]]}
    told.write_text(json.dumps(content))
    with Session.open(tmp_path / "work.sam2", predictor=DiscPredictor()) as again:
        assert "choose the others again" in again.notes[0]
        assert list(again.document.prompts) == [(1, 0)]
