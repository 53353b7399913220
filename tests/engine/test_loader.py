from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from disc_predictor import DiscPredictor

from napari_sam2.engine.loader import Loader, leave_a_core
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stored_masks import MaskStatus, StoredMask
from napari_sam2.session import Document, Prompt, SessionSettings
from napari_sam2.session.looks import look_of


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("cores", "before", "after"), [(2, 2, 1), (1, 1, 1), (16, 8, 8), (8, 8, 7)])
def test_one_core_is_left_to_others(monkeypatch, threads, cores, before, after):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    torch.set_num_threads(before)
    leave_a_core()
    assert torch.get_num_threads() == after


def test_what_the_environment_says_about_threads_holds(monkeypatch, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    torch.set_num_threads(3)
    leave_a_core()
    assert torch.get_num_threads() == 3


def test_a_predictor_is_made_once_for_a_model_and_a_device():
    made = []
    loader = Loader(lambda: made.append(1) or DiscPredictor())
    first = loader.asked("cells-nano", "auto", None)()
    assert loader.asked("cells-nano", "auto", None)() is first
    assert loader.asked("cells-nano", "cpu", None)() is not first
    assert len(made) == 2


def test_the_size_of_an_object_comes_from_the_settings_the_prompts_or_the_masks():
    click = Document.of([Prompt(1, 0, ((5.0, 5.0),), (1,))])
    box = Document.of([Prompt(1, 0, box_yx=(0.0, 0.0, 20.0, 20.0))])
    masks = MaskStore((60, 60), 1)
    assert look_of(SessionSettings(), click, masks).diameter_px is None
    assert look_of(SessionSettings(), box, masks).diameter_px == 20
    square = np.zeros((60, 60), bool)
    square[:10, :10] = True
    masks.put((1, 0), StoredMask.of_mask(square, MaskStatus.prompted))
    assert look_of(SessionSettings(), click, masks).diameter_px == pytest.approx(np.sqrt(400 / np.pi))
    assert look_of(SessionSettings(object_diameter_px=7), box, masks).diameter_px == 7
