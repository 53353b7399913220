from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import tifffile
from disc_predictor import DiscPredictor

from napari_sam2.io import image_files
from napari_sam2.session import PropagateRequest, Session, SessionSettings
from napari_sam2.stacks import Calibration, Stack, open_stack
from sam2_core.errors import StackError

FRAMES, SIZE = 40, (40, 60)
TESTS = Path(__file__).parents[1]


@pytest.fixture
def movie(tmp_path):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, np.zeros((FRAMES, *SIZE), np.uint8), metadata={"axes": "TYX"})
    return path


def labels(session):
    return np.stack([session.labels(frame) for frame in range(session.frame_count)])


def test_a_saved_session_comes_back_as_it_was(movie, tmp_path):
    session = Session.open(movie, predictor=DiscPredictor())
    assert not session.is_dirty
    session.add_points(1, 0, [(10, 10)])
    list(session.propagate())
    session.rename_object(1, "cell")
    session.add_points(1, 20, [(20, 20)])
    session.change_settings(object_diameter_px=12)
    assert session.is_dirty
    folder = session.save(tmp_path / "work.sam2")
    assert (session.folder, session.is_dirty) == (folder, False)
    before = labels(session), session.status(1), session.document.objects
    session.edit_mask(2, 3, labels(session)[3] == 1)
    session.set_locked(2, True)
    session.close()

    again = Session.open(folder, predictor=DiscPredictor())
    assert np.array_equal(again.status(1), before[1])
    assert again.document.objects[1].name == "cell"
    assert again.document.objects[2].locked, "what came after the save was saved as it went on"
    assert again.settings.object_diameter_px == 12
    assert np.array_equal(labels(again)[10:], before[0][10:])
    assert (again.needs_preview, again.interrupted_run) == (True, None)
    list(again.propagate(objects="stale"))
    again.close()
    with Session.open(folder, predictor=DiscPredictor()) as last:
        assert np.array_equal(last.status(1)[21:], [2] * 19)


def test_a_session_without_a_place_says_so(movie):
    session = Session.open(movie, predictor=DiscPredictor())
    with pytest.raises(StackError, match="not saved before"):
        session.save()
    session.close()


def test_a_session_on_an_array_without_its_images_wants_it_back(tmp_path):
    images = np.random.default_rng(0).integers(0, 200, (3, *SIZE), np.uint8)
    session = Session.open(images, predictor=DiscPredictor())
    folder = session.save(tmp_path / "work.sam2")
    session.close()
    shutil.rmtree(folder / "images.zarr")
    with pytest.raises(StackError, match=r"are not at .*images\.zarr"):
        Session.open(folder)
    with pytest.raises(StackError, match="not the stack"):
        Session.open(folder, images=images + 1)
    Session.open(folder, images=images).close()


def test_images_that_are_computed_are_kept_with_the_session(tmp_path):
    images = np.random.default_rng(0).integers(0, 200, (3, *SIZE), np.uint8)
    with Session.open(da.from_array(images, chunks=(1, *SIZE)), axes="TYX", predictor=DiscPredictor()) as session:
        folder = session.save(tmp_path / "work.sam2")
        assert session.saving.images.warning == ""
    with Session.open(folder, predictor=DiscPredictor()) as session:
        np.testing.assert_array_equal([session.stack.read((frame,)) for frame in range(3)], images)


def test_images_that_are_too_large_to_be_kept_are_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "MOST_BYTES", 100)
    with Session.open(np.zeros((3, *SIZE), np.uint8), predictor=DiscPredictor()) as session:
        folder = session.save(tmp_path / "work.sam2")
        assert "could not be copied" in session.saving.images.warning
    with pytest.raises(StackError, match="could not be copied"):
        Session.open(folder)


@pytest.mark.parametrize("frame", [0, 17, FRAMES - 1])
def test_a_session_whose_images_changed_opens_with_a_warning(movie, tmp_path, frame):
    with Session.open(movie, predictor=DiscPredictor()) as session:
        session.add_points(1, 4, [(10, 10)])
        folder = session.save(tmp_path / "work.sam2")
    with Session.open(folder, predictor=DiscPredictor()) as session:
        assert session.notes == ()
    frames = tifffile.imread(movie)
    frames[frame, 5, 5] = 1
    tifffile.imwrite(movie, frames, metadata={"axes": "TYX"})
    with Session.open(folder, predictor=DiscPredictor()) as session:
        assert "pixels changed since" in session.notes[0]
        assert list(session.document.prompts) == [(1, 4)]
    with pytest.raises(StackError, match="not the stack"):
        Session.open(folder, images=movie)


def test_a_stopped_run_goes_on_after_reopening(movie, tmp_path):
    straight = Session.open(movie, predictor=DiscPredictor())
    straight.add_points(1, 4, [(10, 10)])
    list(straight.propagate())
    session = Session.open(movie, predictor=DiscPredictor())
    session.add_points(1, 4, [(10, 10)])
    folder = session.save(tmp_path / "work.sam2")
    for update in session.propagate():
        if update.leg == "forward" and update.frame_index == 30:
            break
    session.close()

    predictor = DiscPredictor()
    again = Session.open(folder, predictor=predictor)
    assert again.interrupted_run == PropagateRequest("both")
    list(again.resume())
    assert np.array_equal(labels(again), labels(straight))
    assert ("restore", again.movie) in predictor.calls
    first = next(call for call in predictor.calls if call[0] == "propagate")
    assert 4 < first[1] <= 30, "it goes on from a snapshot, not from the prompt"
    assert again.interrupted_run is None
    again.close()
    straight.close()
    with Session.open(folder, predictor=DiscPredictor()) as last:
        assert last.interrupted_run is None


def test_a_killed_process_loses_at_most_the_frame_in_work(movie, tmp_path):
    script = f"""
        import os, signal, sys
        sys.path.insert(0, {str(TESTS)!r})
        from disc_predictor import DiscPredictor
        from napari_sam2.session import Session

        session = Session.open({str(movie)!r}, predictor=DiscPredictor())
        session.add_points(1, 0, [(10, 10)])
        session.save({str(tmp_path / "work.sam2")!r})
        for update in session.propagate():
            if update.leg == "forward" and update.frame_index == 25:
                session.saving.queue.flush()
                os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    session = Session.open(tmp_path / "work.sam2", predictor=DiscPredictor())
    assert session.status(1).tolist() == [1] + [2] * 25 + [0] * 14
    list(session.resume())
    assert session.status(1).tolist() == [1] + [2] * 39
    straight = Session.open(movie, predictor=DiscPredictor())
    straight.add_points(1, 0, [(10, 10)])
    list(straight.propagate())
    assert np.array_equal(labels(session), labels(straight))
    session.close()
    straight.close()


def test_labels_are_exported_for_all_objects_with_their_ids(movie, tmp_path):
    session = Session.open(movie, predictor=DiscPredictor())
    session.add_points(70_000, 0, [(10, 10)])
    session.add_points(3, 0, [(30, 10)])
    session.set_visible(3, False)
    list(session.propagate())
    write = session.label_exporter(tmp_path / "masks.tif")
    session.remove_object(3)
    write()
    exported = tifffile.imread(tmp_path / "masks.tif")
    assert exported.shape == (FRAMES, *SIZE)
    assert set(np.unique(exported)) == {0, 3, 70_000}, "as it was when the exporter was made"
    session.export_labels(tmp_path / "masks.tif")
    assert set(np.unique(tifffile.imread(tmp_path / "masks.tif"))) == {0, 70_000}
    session.close()


def test_what_autosaving_cannot_write_is_told(movie, tmp_path):
    session = Session.open(movie, predictor=DiscPredictor())
    session.add_points(1, 0, [(10, 10)])
    folder = session.save(tmp_path / "work.sam2")
    saver = session.saving.queue.saver

    def full(*args):
        raise StackError("the disk is full")

    saver.save_document = full
    list(session.run(session.preview_job()))
    session.edit_mask(2, 0, np.ones(SIZE, bool))
    with pytest.raises(StackError, match="disk is full"):
        session.save()
    del saver.save_document
    session.save()
    session.close()
    assert json.loads((folder / "session.json").read_text())["prompts"]


def test_saving_without_waiting_tells_later_what_failed(movie, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other.txt").touch()
    with Session.open(movie, predictor=DiscPredictor()) as session:
        session.add_points(1, 0, [(10, 10)])
        with pytest.raises(StackError, match="other files"):
            session.save(tmp_path / "full")
        assert session.folder is None
        assert session.is_dirty
        session.save(tmp_path / "work.sam2", wait=False)
        list(session.propagate())
        session.save()
        assert session.folder == tmp_path / "work.sam2"
    with Session.open(tmp_path / "work.sam2", predictor=DiscPredictor()) as session:
        assert session.status(1).tolist() == [1] + [2] * 39


def test_an_interrupted_run_goes_along_into_another_folder(movie, tmp_path):
    with Session.open(movie, predictor=DiscPredictor()) as session:
        session.add_points(1, 0, [(10, 10)])
        for update in session.propagate("forward"):
            if update.frame_index == 7:
                break
        session.save(tmp_path / "late.sam2")
    with Session.open(tmp_path / "late.sam2", predictor=DiscPredictor()) as session:
        assert session.interrupted_run == PropagateRequest("forward")
        rest = [update.frame_index for update in session.resume() if update.leg == "forward"]
        assert rest == list(range(8, 40))
        assert session.status(1).tolist() == [1] + [2] * 39


def test_nothing_heavy_is_imported_before_the_first_job():
    script = """
        import sys
        import numpy as np
        from napari_sam2 import Session
        session = Session.open(np.zeros((3, 40, 60), np.uint8))
        session.add_points(1, 0, [(10, 10)])
        job = session.propagate_job()
        heavy = [name for name in ("torch", "napari", "qtpy") if name in sys.modules]
        assert not heavy, heavy
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)


def images_of(shape, dtype=np.uint16):
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


@pytest.mark.parametrize("given", ["path", "stack"])
def test_a_session_on_one_of_several_series_finds_it_again(tmp_path, given):
    images, path = images_of((4, *SIZE), "uint16"), tmp_path / "two.tif"
    tifffile.imwrite(path, images[::-1], photometric="minisblack")
    tifffile.imwrite(path, images, photometric="minisblack", append=True)
    with pytest.raises(StackError, match="holds 2 series"):
        Session.open(path)
    stack = open_stack(path, "TYX", 1)
    opened = {"path": (path, "TYX", 1), "stack": (stack, None, None)}[given]
    with Session.open(opened[0], axes=opened[1], scene=opened[2], predictor=DiscPredictor()) as session:
        session.add_points(1, 0, [(10, 10)])
        folder = session.save(tmp_path / "work.sam2")
    with Session.open(folder, predictor=DiscPredictor()) as again:
        assert all(np.array_equal(again.movie.movie[frame], images[frame]) for frame in range(4))
        again.add_points(2, 0, [(20, 20)])
        again.save()
    assert not (folder / "images.zarr").exists()


@pytest.mark.parametrize("dtype", ["uint8", ">u2", "float32", "bool"])
def test_images_in_memory_are_kept_in_the_folder(tmp_path, dtype):
    images = images_of((4, *SIZE), dtype)
    with Session.open(images, predictor=DiscPredictor()) as session:
        session.add_points(1, 0, [(10, 10)])
        list(session.propagate())
        folder = session.save(tmp_path / "work.sam2")
        before = labels(session)
    with Session.open(folder, predictor=DiscPredictor()) as again:
        assert np.array_equal(labels(again), before)
        assert again.document.prompts[1, 0].points_yx == ((10.0, 10.0),)
        assert all(np.array_equal(again.movie.movie[frame], images[frame]) for frame in range(4))
        assert again.stack.dtype == np.dtype(dtype).newbyteorder("=")
        again.add_points(2, 1, [(20, 30)])
        list(again.propagate())
        again.export_labels(tmp_path / "labels.tif")
        again.save()
        later = again.save(tmp_path / "other.sam2")
    assert set(np.unique(tifffile.imread(tmp_path / "labels.tif"))) == {0, 1, 2}
    shutil.rmtree(folder)
    with Session.open(later) as moved:
        assert moved.status(2).tolist() == [2, 1, 2, 2]


def test_kept_images_keep_their_axes_names_and_sizes(tmp_path):
    about = Calibration({"Y": 0.5, "X": 0.5}, {"Y": "µm", "X": "µm"}, ("nuclei", "actin"))
    stack = Stack(images_of((2, 4, *SIZE)), "CTYX", "two channels", about)
    with Session.open(stack, predictor=DiscPredictor(), settings=SessionSettings(channels=("actin",))) as session:
        folder = session.save(tmp_path / "work.sam2")
    with Session.open(folder) as again:
        assert (again.stack.axes, again.stack.name, again.stack.calibration) == ("CTYX", "two channels", about)
        assert np.array_equal(again.movie.movie[3], stack.data[1, 3])


def test_a_large_stack_is_not_copied(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_sam2.io.image_files.MOST_BYTES", 1000)
    images = images_of((4, *SIZE))
    with Session.open(images) as session:
        folder = session.save(tmp_path / "work.sam2")
    assert not (folder / "images.zarr").exists()
    with pytest.raises(StackError, match="images=array"):
        Session.open(folder)
    Session.open(folder, images=images).close()


def test_a_disk_that_is_full_costs_the_images_alone(tmp_path, monkeypatch):
    def full(*args):
        raise OSError("no space left on device")

    monkeypatch.setattr("napari_sam2.io.image_files._write", full)
    images = images_of((4, *SIZE))
    session = Session.open(images)
    session.add_points(1, 0, [(10, 10)])
    with pytest.raises(StackError, match="images cannot be copied"):
        session.save(tmp_path / "work.sam2")
    session.close()
    with Session.open(tmp_path / "work.sam2", images=images) as again:
        assert (1, 0) in again.document.prompts


def test_the_file_that_an_array_came_from_is_remembered_if_it_holds_the_same(tmp_path):
    images = images_of((3, 2, *SIZE))
    tifffile.imwrite(tmp_path / "movie.ome.tif", images, metadata={"axes": "TCYX"})
    path = str(tmp_path / "movie.ome.tif")
    for stack, source in (
        (Stack(images, "TCYX", "movie", path=path), "../movie.ome.tif"),
        (Stack(images[:, 1], "TYX", "one channel", path=path), "images.zarr"),
        (Stack(images, "TCYX", "gone", path=str(tmp_path / "gone.tif")), "images.zarr"),
        (Stack(images, "TCYX", "again", path=path), "../movie.ome.tif"),
    ):
        with Session.open(stack) as session:
            folder = session.save(tmp_path / "work.sam2", wait=False)
            session.rename_object(session.new_object(), stack.name)
        content = json.loads((folder / "session.json").read_text())
        assert content["source"]["path"] == source
        assert (folder / "images.zarr").exists() == (source == "images.zarr")
        with Session.open(folder) as again:
            assert again.document.objects[1].name == stack.name
            assert np.array_equal(again.movie.movie[2], session.movie.movie[2])


def test_another_model_takes_nothing_over_from_an_interrupted_run(movie, tmp_path):
    with Session.open(movie, predictor=DiscPredictor()) as session:
        session.add_points(1, 0, [(10, 10)])
        folder = session.save(tmp_path / "work.sam2")
        for update in session.propagate("forward"):
            if update.frame_index == 20:
                break
    with Session.open(folder, predictor=DiscPredictor(), device="cpu") as session:
        assert session.interrupted_run == PropagateRequest("forward"), "another device is no other model"
        assert session.status(1).tolist()[:21] == [1] + [2] * 20
    predictor = DiscPredictor()
    with Session.open(folder, predictor=predictor, model="another") as session:
        assert session.interrupted_run is None
        assert session.status(1).tolist() == [4] * 21 + [0] * 19
        list(session.propagate("forward"))
        assert session.status(1).tolist() == [1] + [2] * 39
        assert not [call for call in predictor.calls if call[0] == "restore"]
    with Session.open(folder, predictor=DiscPredictor()) as session:
        assert (session.settings.model, session.interrupted_run) == ("another", None)


@pytest.mark.parametrize("lost", ["session.json", "a prompt"])
def test_masks_that_were_found_beside_a_loss_are_there_the_next_time_too(movie, tmp_path, lost):
    """What is left is the document of before, which then is the newest again: edits after it still count."""
    with Session.open(movie, predictor=DiscPredictor()) as session:
        session.save(tmp_path / "a.sam2")
        for frame in range(4):
            session.add_mask(1, frame, np.ones(SIZE, bool))
            session.flush()
    if lost == "session.json":
        (tmp_path / "a.sam2" / lost).unlink()
    else:
        *_, path = sorted((tmp_path / "a.sam2" / "prompts").iterdir())
        path.write_bytes(path.read_bytes()[:20])
    found = []
    for _ in range(2):
        with Session.open(tmp_path / "a.sam2", predictor=DiscPredictor()) as session:
            found.append(dict(session.masks.items()))
    assert len(found[0]) == 4
    assert found[1] == found[0]
