from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.io import Journal, LabelSpec, RunInfo, journal_folder, prompts_fingerprint
from napari_sam2.session import FrameResult, Prompt, plan_legs
from napari_sam2.stacks import open_stack
from sam2_core.errors import StackError

INFO = RunInfo("movie", (5, 4, 4), "cells-nano, forward", "abc")
PROMPTS = [Prompt(1, 1, ((2.0, 2.0),), (1,))]


def result(leg, frame, value):
    labels = np.zeros((4, 4), np.uint16)
    labels[1:3, 1:3] = value
    return FrameResult(leg, frame, labels)


def test_finished_frames_are_found_again_up_to_the_first_gap(tmp_path):
    out = tmp_path / "labels.tif"
    journal = Journal.create(out, INFO)
    for frame in (1, 2, 4):
        journal.add(result("forward", frame, frame))
    (leg,) = plan_legs(PROMPTS, range(5), "forward")
    resume = Journal.reopen(out, INFO).last(leg)
    assert resume.frame_index == 2
    assert resume.labels.max() == 2
    assert journal.count() == 3


def test_nothing_finished_means_starting_at_the_beginning(tmp_path):
    (leg,) = plan_legs(PROMPTS, range(5), "forward")
    assert Journal.create(tmp_path / "labels.tif", INFO).last(leg) is None


def test_merged_frames_cover_the_stack_and_forward_stays_on_top(tmp_path):
    journal = Journal.create(tmp_path / "labels.tif", INFO)
    journal.add(result("forward", 1, 3))
    full = FrameResult("backward", 1, np.full((4, 4), 9, np.uint16))
    journal.add(full)
    frames = list(journal.merged(LabelSpec((5, 4, 4), np.dtype(np.uint16))))
    assert len(frames) == 5
    assert [frame.max() for frame in frames] == [0, 9, 0, 0, 0]
    assert frames[1][1, 1] == 3
    assert frames[1][0, 0] == 9


def test_finished_frames_open_as_a_stack(tmp_path):
    out = tmp_path / "labels.tif"
    journal = Journal.create(out, INFO)
    for frame in range(3):
        journal.add(result("forward", frame, frame + 1))
    movie = open_stack(journal_folder(out) / "forward").movie()
    assert [frame.max() for frame in movie] == [1, 2, 3]


def test_another_run_is_not_continued(tmp_path):
    out = tmp_path / "labels.tif"
    Journal.create(out, INFO)
    other = RunInfo("movie", (5, 4, 4), "cells-nano, backward", "abc")
    with pytest.raises(StackError, match="'cells-nano, forward' instead of 'cells-nano, backward'"):
        Journal.reopen(out, other)


def test_nothing_to_resume_is_said(tmp_path):
    with pytest.raises(StackError, match="no interrupted run"):
        Journal.reopen(tmp_path / "labels.tif", INFO)


def test_creating_anew_forgets_old_frames_and_discard_removes_all(tmp_path):
    out = tmp_path / "labels.tif"
    Journal.create(out, INFO).add(result("forward", 0, 1))
    journal = Journal.create(out, INFO)
    assert journal.count() == 0
    journal.discard()
    assert list(tmp_path.iterdir()) == []


def test_fingerprint_changes_with_any_prompt():
    mask = np.zeros((4, 4), bool)
    other = mask.copy()
    other[0, 0] = True
    variants = [
        PROMPTS,
        [Prompt(1, 1, ((2.0, 3.0),), (1,))],
        [Prompt(1, 1, ((2.0, 2.0),), (0,))],
        [Prompt(1, 1, mask=mask)],
        [Prompt(1, 1, mask=other)],
    ]
    assert len({prompts_fingerprint(prompts) for prompts in variants}) == len(variants)
    assert prompts_fingerprint(PROMPTS) == prompts_fingerprint(list(PROMPTS))
