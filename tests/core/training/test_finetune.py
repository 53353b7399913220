"""Fine-tuning: the loss falls, the best is kept, it stops and resumes, held-out frames stay unseen, files are whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from sam2_core.checkpoints.load import load_checkpoint, read_metadata, read_state_dict
from sam2_core.checkpoints.registry import find_model
from sam2_core.errors import CheckpointError, StackError
from sam2_core.training import finetuning as finetune_module
from sam2_core.training.finetune_files import ModelStory, draw_curve, write_files
from sam2_core.training.finetuning import FinetuneSettings, Finetuning, window_span
from sam2_core.training.held_out_scores import HeldOutFrames, Scores, ScoreSettings
from sam2_core.training.labelled_stack import split_stack

pytestmark = pytest.mark.usefixtures("one_thread")
QUICK = FinetuneSettings(
    train="all",
    steps=4,
    validate_every=2,
    clips=1,
    frames=2,
    objects=2,
    judged=ScoreSettings(2, 1, 2, 2),
    learning_rate=1e-3,
)
STORY = ModelStory("my-discs", "tiny", "tests/data/tiny.yaml", "discs.tif", "discs labels")


@pytest.fixture
def disc_movie():
    """Two bright discs that move slowly over six frames."""
    rows, columns = np.mgrid[:64, :64]
    labels = np.zeros((6, 64, 64), dtype=np.uint16)
    for frame in range(6):
        for identity, (y, x) in enumerate(((18, 18), (44, 40)), start=1):
            labels[frame][np.hypot(rows - y, columns - x - frame) < 9] = identity
    noise = np.random.default_rng(0).normal(0, 6, labels.shape)
    return np.where(labels > 0, 170, 40) + noise, labels


def run_of(model, movie, folder, **changes):
    return Finetuning(model, split_stack(*movie), replace(QUICK, **changes), folder)


def fake_scores(monkeypatch, values):
    """Scores that follow a list, then repeat its last."""
    given = iter(values)
    last = [values[-1]]
    monkeypatch.setattr(HeldOutFrames, "scores", lambda self, model: Scores(next(given, last[0])))


def test_the_loss_falls_on_a_tiny_model(tiny_model, disc_movie, tmp_path):
    run = run_of(tiny_model(), disc_movie, tmp_path, steps=20, validate_every=5, learning_rate=5e-3)
    reports = list(run.run())
    losses = [look.loss for look in run.looks if look.loss is not None]
    assert losses[-1] < 0.9 * losses[0], f"seed {run.settings.seed}: {losses}"
    assert [report.step for report in reports] == list(range(21))
    assert reports[0].loss is None
    assert reports[0].is_best
    assert run.reason == "finished"
    assert [look.step for look in run.looks] == [0, 5, 10, 15, 20]


def test_held_out_frames_are_never_trained_on(tiny_model, disc_movie, tmp_path, monkeypatch):
    images, labels = disc_movie
    labels[4:][labels[4:] == 2] = 9  # seen on held-out frames alone
    run = run_of(tiny_model(), (images, labels), tmp_path, steps=6, validate_every=100)
    assert run.data.held_out_frames == (4, 5)
    drawn = set()
    draw = finetune_module.draw_step

    def watched(pack, recipe, step):
        task, batch = draw(pack, recipe, step)
        drawn.update(batch.labels.unique().tolist())
        return task, batch

    monkeypatch.setattr(finetune_module, "draw_step", watched)
    list(run.run())
    assert drawn == {0, 1, 2}
    assert sorted(np.unique(run.data.held_out.labels)) == [0, 1, 9]


@pytest.mark.parametrize("train", ["decoder", "memory", "adapters"])
def test_files_hold_the_official_keys_and_only_the_chosen_part_moved(
    train, tiny_model, disc_movie, tmp_path, monkeypatch
):
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path / "home"))
    fake_scores(monkeypatch, [0.1, 0.2, 0.5])
    base = tiny_model()
    run = run_of(tiny_model(), disc_movie, tmp_path / "run", train=train)
    list(run.run())
    files = write_files(run, STORY, "pt")
    saved = read_state_dict(files.checkpoint)
    assert list(saved) == list(base.state_dict())
    load_checkpoint(tiny_model(), files.checkpoint)
    moved = {key.split(".")[0] for key, value in base.state_dict().items() if not torch.equal(value, saved[key])}
    assert moved
    allowed = {
        "decoder": {"sam_mask_decoder", "sam_prompt_encoder"},
        "memory": {key.split(".")[0] for key in saved} - {"sam_mask_decoder", "sam_prompt_encoder", "image_encoder"},
        "adapters": {"image_encoder", "memory_attention", "sam_mask_decoder"},
    }
    assert moved <= allowed[train]


def test_card_curve_half_precision_and_the_model_list(tiny_model, disc_movie, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path / "home"))
    run = run_of(tiny_model(), disc_movie, tmp_path / "run")
    list(run.run())
    files = write_files(run, STORY)
    assert files.checkpoint.name == "my-discs.safetensors"
    load_checkpoint(tiny_model(), files.checkpoint)
    assert read_metadata(files.checkpoint)["base"] == "tiny"
    assert find_model("my-discs").path == files.checkpoint
    card = files.card.read_text()
    for words in (
        "Fine-tuned from `tiny`",
        "6 frames of 64 x 64 px",
        "trained on frames 0 to 3; held out 4, 5",
        "seed 0",
        "torch ",
        "my-discs_curve.png",
        "| 4 | ",
    ):
        assert words in card
    picture = np.asarray(Image.open(files.curve))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 4


def test_a_name_that_ships_is_refused(tiny_model, disc_movie, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path / "home"))
    run = run_of(tiny_model(), disc_movie, tmp_path / "run", steps=0)
    list(run.run())
    with pytest.raises(CheckpointError, match="ships"):
        write_files(run, replace(STORY, name="cells-nano"))


def test_a_run_in_two_parts_is_the_run_in_one(tiny_model, disc_movie, tmp_path):
    whole = run_of(tiny_model(), disc_movie, tmp_path / "whole")
    list(whole.run())
    first = run_of(tiny_model(), disc_movie, tmp_path / "parts")
    asked = iter([False, False, False, True])
    list(first.run(lambda: next(asked)))
    assert (first.reason, first.step) == ("cancelled", 3)
    second = run_of(tiny_model(), disc_movie, tmp_path / "parts")
    assert second.resume()
    assert second.step == 3
    list(second.run())
    assert second.looks == whole.looks
    for name, value in whole.trained.items():
        assert torch.equal(value, second.trained[name]), name
        assert torch.equal(whole.average[name], second.average[name]), name


def test_a_run_is_not_resumed_with_other_settings(tiny_model, disc_movie, tmp_path):
    run = run_of(tiny_model(), disc_movie, tmp_path, steps=0)
    assert not run.resume()
    list(run.run())
    with pytest.raises(CheckpointError, match="train was all, now decoder"):
        run_of(tiny_model(), disc_movie, tmp_path, train="decoder").resume()
    other = tiny_model()
    with torch.no_grad():
        other.no_mem_embed += 1
    with pytest.raises(CheckpointError, match="base weights"):
        run_of(other, disc_movie, tmp_path).resume()


def test_it_stops_early_and_keeps_the_best(tiny_model, disc_movie, tmp_path, monkeypatch):
    fake_scores(monkeypatch, [0.3, 0.5, 0.4, 0.45, 0.5])
    run = run_of(tiny_model(), disc_movie, tmp_path, steps=100, validate_every=1, patience=3)
    best = [report.step for report in run.run() if report.is_best]
    assert (run.reason, run.step, best, run.best.step) == ("early", 4, [0, 1], 1)
    kept = run.best_state_dict()
    again = run_of(tiny_model(), disc_movie, tmp_path / "again", steps=100, validate_every=1)
    fake_scores(monkeypatch, [0.3, 0.5])
    asked = iter([False, True])
    list(again.run(lambda: next(asked)))
    for key, value in again.best_state_dict().items():
        assert torch.equal(value, kept[key]), key


def test_without_an_improvement_the_base_model_is_kept(tiny_model, disc_movie, tmp_path, monkeypatch):
    fake_scores(monkeypatch, [0.6, 0.1])
    run = run_of(tiny_model(), disc_movie, tmp_path, train="adapters")
    list(run.run())
    assert run.best.step == 0
    kept = run.best_state_dict()
    for key, value in tiny_model().state_dict().items():
        assert torch.equal(value, kept[key]), key


def test_time_ends_a_run_with_a_last_look(tiny_model, disc_movie, tmp_path, monkeypatch):
    clock = iter(range(0, 100_000, 7))
    monkeypatch.setattr(finetune_module.time, "monotonic", lambda: next(clock))
    run = run_of(tiny_model(), disc_movie, tmp_path, steps=100, validate_every=50, minutes=0.5)
    list(run.run())
    assert run.reason == "time"
    assert run.looks[-1].step == run.step > 0


def test_stills_train_too_and_are_clicked_only(tiny_model, disc_movie, tmp_path):
    images, labels = disc_movie
    labels += (labels > 0) * np.arange(0, 60, 10, dtype=np.uint16)[:, None, None]
    run = run_of(tiny_model(), (images, labels), tmp_path, steps=2)
    list(run.run())
    assert not run.data.is_movie
    assert run.before.scores.tracked is None
    assert run.before.scores.mean == run.before.scores.click


def test_held_out_objects_that_cannot_be_judged_are_said(tiny_model, disc_movie, tmp_path):
    images, labels = disc_movie
    labels[4:] = np.where(np.arange(64) < 32, 1, 2)
    with pytest.raises(StackError, match="touch the border"):
        run_of(tiny_model(), (images, labels), tmp_path)


def test_windows_reach_from_whole_frames_to_large_objects(disc_movie):
    data = split_stack(*disc_movie)
    low, high = window_span(data)
    assert low == pytest.approx(0.8 * 18 / 64, rel=0.05)
    assert high == 0.45


def test_a_curve_of_one_look_is_drawn(tiny_model, disc_movie, tmp_path):
    run = run_of(tiny_model(), disc_movie, tmp_path, steps=0)
    list(run.run())
    assert draw_curve(run.looks).size == (900, 420)
