"""A session knows which weights made its masks, and says so when others are at work; nothing else happens then."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tifffile
from disc_predictor import DiscPredictor
from small_models import TINY, tiny_model

from napari_sam2.io import load_session
from napari_sam2.session import Session, SessionSettings
from sam2_core.build import build_sam2_video_predictor
from sam2_core.checkpoints.identity import weights_here
from sam2_core.checkpoints.registry import add_model
from sam2_core.checkpoints.save import save_checkpoint

SETTINGS = SessionSettings(model="mine", device="cpu", view="full")


def write_weights(path, factor=1.0):
    tensors = tiny_model().state_dict()
    save_checkpoint(path, tensors | {"no_mem_embed": factor * tensors["no_mem_embed"]})
    add_model("mine", path, str(TINY))
    return weights_here("mine")


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    """A list of models of this test's own."""
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path / "home"))


@pytest.fixture
def images():
    frames = np.zeros((3, 48, 64), np.uint8)
    frames[:, 10:30, 20:40] = 200
    return frames


@pytest.fixture
def made(tmp_path, images):
    """A saved session with masks, and the weights that made them."""
    weights = write_weights(tmp_path / "mine.safetensors")
    with Session.open(images, axes="TYX", settings=SETTINGS) as session:
        session.save(tmp_path / "a.sam2")
        assert session.saving.weights == ()
        session.add_points(1, 0, [(20, 30)])
        list(session.propagate())
        assert session.saving.weights == (weights,)
    return tmp_path / "a.sam2", weights


def masks_of(session):
    return {key: (mask.status, mask.packed) for key, mask in session.masks.items()}


def test_they_are_kept_with_name_and_digest(made):
    folder, weights = made
    said = json.loads((folder / "session.json").read_text())["weights"]
    assert said == [{"name": "mine", "sha256": weights.sha256}]
    assert load_session(folder).weights == (weights,)


def test_the_same_weights_are_no_news(made):
    with Session.open(made[0]) as session:
        assert session.notes == ()
        assert session.saving.weights == (made[1],)


def test_other_weights_are_said_and_nothing_is_made_again(made, tmp_path):
    folder, before = made
    with Session.open(folder) as session:
        masks = masks_of(session)
    now = write_weights(tmp_path / "mine.safetensors", factor=2.0)
    assert now.sha256 != before.sha256
    with Session.open(folder) as session:
        (note,) = session.notes
        assert str(before) in note
        assert str(now) in note
        assert masks_of(session) == masks
        assert not session.anything_to_do()
        assert session.saving.weights == (before,), "they have made nothing yet"


def test_what_they_make_from_then_on_is_noted_behind_the_first(made, tmp_path):
    folder, before = made
    now = write_weights(tmp_path / "mine.safetensors", factor=2.0)
    with Session.open(folder) as session:
        session.add_points(2, 1, [(15, 25)])
        list(session.preview())
        assert session.saving.weights == (before, now)
    with Session.open(folder) as session:
        assert session.notes == (), "it was said once"
        assert session.saving.weights == (before, now)


def test_a_run_goes_on_without_the_memory_of_other_weights(tmp_path):
    """As it would where no snapshot was kept."""
    frames = np.random.default_rng(4).integers(0, 90, (40, 48, 64)).astype(np.uint8)
    frames[:, 10:30, 20:40] += 120
    tifffile.imwrite(tmp_path / "movie.tif", frames, metadata={"axes": "TYX"})
    write_weights(tmp_path / "mine.safetensors")
    with Session.open(tmp_path / "movie.tif", settings=SETTINGS) as session:
        session.add_points(1, 0, [(20, 30)])
        session.save(tmp_path / "a.sam2")
        for update in session.propagate("forward"):
            if update.frame_index == 20:
                break
    shutil.copytree(tmp_path / "a.sam2", tmp_path / "b.sam2")
    snapshots = list((tmp_path / "b.sam2").glob("snapshot-*"))
    assert snapshots
    for path in snapshots:
        path.unlink()
    write_weights(tmp_path / "mine.safetensors", factor=3.0)
    found = []
    for name in ("a.sam2", "b.sam2"):
        with Session.open(tmp_path / name) as session:
            list(session.resume())
            found.append([session.masks.get((1, frame)) for frame in range(40)])
    assert [mask.packed for mask in found[0]] == [mask.packed for mask in found[1]]


def test_another_model_is_said_too(made, tmp_path):
    folder, before = made
    with Session.open(folder, model="cells-nano") as session:
        (note,) = session.notes
        assert str(before) in note
        assert str(weights_here("cells-nano")) in note


def test_a_predictor_of_ones_own_is_asked_itself(made, images, tmp_path):
    folder, before = made
    with Session.open(folder, predictor=DiscPredictor()) as session:
        assert session.notes == (), "nobody knows what it works with"
        session.add_points(3, 1, [(15, 25)])
        list(session.preview())
        assert session.saving.weights == (before,)
    own = build_sam2_video_predictor(TINY, tmp_path / "mine.safetensors", device="cpu")
    with Session.open(images, axes="TYX", settings=SETTINGS, predictor=own) as session:
        session.add_points(1, 0, [(20, 30)])
        list(session.preview())
        assert session.saving.weights == (before,)


def test_a_session_that_does_not_say_opens_as_before(made):
    folder, _ = made
    for name in ("session.json", "session.previous.json"):
        content = json.loads((folder / name).read_text())
        content.pop("weights", None)
        (folder / name).write_text(json.dumps(content))
    with Session.open(folder) as session:
        assert session.notes == ()
        assert session.saving.weights == ()
        assert len(session.masks)


def test_a_damaged_entry_costs_itself_alone(made):
    folder, _ = made
    path = folder / "session.json"
    path.write_text(path.read_text().replace(made[1].sha256, "no digest"))
    saved = load_session(folder)
    assert saved.weights == ()
    assert "weights" in saved.notes[0]
    assert len(tuple(saved.masks))
