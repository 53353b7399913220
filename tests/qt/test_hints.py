from __future__ import annotations

from dataclasses import replace

import pytest

from napari_sam2._qt.hints import Situation, next_step
from napari_sam2.session.looks import SizeMisfit


def test_every_step_of_a_first_use_says_what_comes_next() -> None:
    now = Situation()
    steps = [now]
    for change in (
        {"has_image": True, "is_opening": True},
        {"is_opening": False},
        {"prompts": 1, "running": "preview"},
        {"running": ""},
        {"running": "propagate"},
        {"running": "", "tracked": 30},
        {"stale": 4},
        {"stale": 0, "is_saved": True},
    ):
        now = replace(now, **change)
        steps.append(now)
    sentences = [next_step(step) for step in steps]
    assert len(set(sentences)) == len(steps)
    assert "sample" in sentences[0]
    assert "Click" in sentences[2]
    assert "Propagate" in sentences[4] or "propagate" in sentences[4]
    assert "4 masks" in sentences[7]
    assert all(len(sentence) < 75 for sentence in sentences)


def test_one_frame_is_not_asked_to_be_propagated() -> None:
    now = Situation(has_image=True, prompts=1, is_single=True)
    told = [next_step(one) for one in (now, replace(now, linked=3), replace(now, is_saved=True))]
    assert told[0] == told[1]
    assert "Then save" in told[0]
    assert told[2].startswith("Saved")
    assert not any("ropagate" in one or "Step" in one for one in told)


def test_one_stale_mask_is_not_counted_as_many() -> None:
    assert "1 mask behind" in next_step(Situation(has_image=True, prompts=1, tracked=3, stale=1))


def test_an_image_that_cannot_be_worked_on_is_not_to_be_clicked() -> None:
    told = next_step(Situation(has_image=True, is_refused=True))
    assert "axes" in told
    assert "lick" not in told


def test_a_run_and_a_session_that_can_go_on_are_named() -> None:
    assert "resume" in next_step(Situation(has_image=True, prompts=1, stale=3, can_resume=True))
    assert "work.sam2" in next_step(Situation(has_image=True, saved_as="work.sam2"))
    assert len(next_step(Situation(has_image=True, saved_as="a" * 99))) < 80


def test_what_is_being_linked_is_no_run_to_click_into() -> None:
    told = next_step(Situation(has_image=True, found=30, running="link"))
    assert told.startswith("Linking")
    assert "click" not in told


@pytest.mark.parametrize("prompts", [0, 5])
def test_linked_cells_are_to_be_reviewed(prompts: int) -> None:
    """Also where they carry on cells that were clicked or accepted."""
    assert "Review" in next_step(Situation(has_image=True, linked=30, prompts=prompts))


def test_clicked_cells_of_another_size_are_said_until_something_is_tracked() -> None:
    now = Situation(has_image=True, prompts=1, misfit=SizeMisfit(28.4, 12.0))
    assert next_step(now) == "Clicked cells are 28 px across, Object size says 12: set it anew."
    assert "28 px" not in next_step(replace(now, tracked=3))
    assert len(next_step(replace(now, misfit=SizeMisfit(1234.0, 2345.0)))) < 75


def test_cells_found_on_other_frames_are_to_be_linked() -> None:
    told = next_step(Situation(has_image=True, linkable=True))
    assert "link all frames" in told
    assert "Click on a cell" not in told
