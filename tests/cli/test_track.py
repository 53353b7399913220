from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
from label_stacks import labels_of

from napari_sam2 import samples
from napari_sam2.io import load_session
from napari_sam2.session import Session
from napari_sam2.stacks import open_stack

TRACK = "track movie.tif --prompts prompts.json --out labels.tif"


def write_prompts(path, *clicks, version=1):
    entries = [{"object_id": object_id, "frame": frame, "points_yx": [[y, x]]} for object_id, frame, y, x in clicks]
    path.write_text(json.dumps({"format": "napari-sam2-prompts", "version": version, "prompts": entries}))


def test_clicks_and_a_movie_become_a_label_stack_and_a_table(work, predictor, run):
    code, out, _ = run(TRACK)
    assert code == 0
    labels = labels_of(work / "labels.tif")
    assert labels.shape == (10, 40, 60)
    assert [sorted(np.unique(frame)) for frame in labels] == [[0, 3]] * 4 + [[0, 3, 7]] * 6
    assert labels[9, 10, 21] == 3
    assert open_stack(work / "labels.tif").calibration.scale == {"Y": 0.25, "X": 0.25}
    assert "mean area (µm²)" in out
    assert "labels.tif" in out
    assert sorted(path.name for path in work.iterdir()) == ["labels.tif", "movie.tif", "prompts.json"]


def test_labels_as_zarr(work, predictor, run):
    assert run(TRACK.replace("labels.tif", "labels.zarr"))[0] == 0
    assert labels_of(work / "labels.zarr")[9, 30, 35] == 7


def test_both_directions_fill_the_frames_before_a_prompt(work, predictor, run):
    assert run(f"{TRACK} --direction both")[0] == 0
    labels = labels_of(work / "labels.tif")
    assert all((frame == 7).any() and (frame == 3).any() for frame in labels)


def test_a_range_leaves_other_frames_empty(work, predictor, run):
    write_prompts(work / "prompts.json", (3, 2, 10, 12))
    assert run(f"{TRACK} --start 2 --stop 5")[0] == 0
    assert [frame.any() for frame in labels_of(work / "labels.tif")] == [False] * 2 + [True] * 3 + [False] * 5


def test_the_model_sees_8_bit_frames_within_one_contrast(work, predictor, run):
    assert run(f"{TRACK} --contrast 0 8000")[0] == 0
    assert predictor.calls[0][1][0].dtype == np.uint8
    raw = tifffile.imread(work / "movie.tif")[0]
    np.testing.assert_array_equal(predictor.calls[0][1][0], np.floor(raw / 8000 * 255 + 0.5).astype(np.uint8))


def test_channels_z_and_fixed_axes_are_chosen(work, predictor, run):
    data = np.zeros((2, 5, 3, 40, 60), np.uint8)
    data[1, :, 2], data[1, :, 0] = 200, 100
    np.save(work / "movie.npy", data)
    write_prompts(work / "prompts.json", (1, 0, 10, 12))
    line = "track movie.npy --axes tzcyx --track-axis Z --fixed T=1 --channel 0 --channel 2 --contrast 0 200"
    assert run(f"{line} --prompts prompts.json --out labels.tif")[0] == 0
    assert predictor.calls[0][1].shape == (5, 40, 60, 3)
    assert predictor.calls[0][1][3][0, 0].tolist() == [128, 255, 191]
    assert open_stack(work / "labels.tif").axes == "ZYX"


def test_guessed_axes_are_said(work, predictor, run):
    np.save(work / "movie.npy", np.zeros((10, 40, 60), np.uint8))
    _, _, err = run(TRACK.replace("movie.tif", "movie.npy"))
    assert "taken as TYX" in err


def press_ctrl_c_at(count):
    frames = []

    def on_frame(frame):
        frames.append(frame)
        if len(frames) == count:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)  # a model takes longer than a disc, so that the signal is seen before the frame is done

    return on_frame


@pytest.mark.parametrize(
    ("direction", "count"), [("forward", 1), ("forward", 7), ("backward", 2), ("both", 3), ("both", 10), ("both", 12)]
)
def test_ctrl_c_keeps_what_is_done_and_resume_finishes_it(work, predictor, run, direction, count):
    line = f"{TRACK} --direction {direction}"
    assert run(line)[0] == 0
    whole = labels_of(work / "labels.tif")
    (work / "labels.tif").unlink()
    predictor.on_frame = press_ctrl_c_at(count)
    code, _, err = run(line)
    assert code == 130
    assert f"napari-sam2 {line} --resume" in err
    assert not (work / "labels.tif").exists()
    kept = load_session(work / "labels.tif.partial").run.finished
    assert f"Stopped after {sum(map(len, kept.values()))} of" in err
    assert run("export labels.tif.partial --labels part.tif")[0] == 0
    for frame, labels in enumerate(labels_of(work / "part.tif")):
        seen = np.isin(whole[frame], labels[labels > 0]) if labels.any() else np.zeros_like(labels, bool)
        np.testing.assert_array_equal(labels, np.where(seen, whole[frame], 0))
    assert labels_of(work / "part.tif").any()
    predictor.on_frame = lambda current: None
    assert run(f"{line} --resume")[0] == 0
    np.testing.assert_array_equal(labels_of(work / "labels.tif"), whole)
    assert not (work / "labels.tif.partial").exists()


def test_a_run_that_fails_before_its_first_frame_leaves_nothing(work, predictor, run):
    def fail(frame):
        raise RuntimeError("boom")

    predictor.on_frame = fail
    assert run(TRACK)[0] == 3
    assert sorted(path.name for path in work.iterdir()) == ["movie.tif", "prompts.json"]


def test_ctrl_c_works_again_as_usual_after_a_run(work, predictor, run):
    before = signal.getsignal(signal.SIGINT)
    assert run(TRACK)[0] == 0
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupted_run_is_neither_overwritten_nor_continued_by_accident(work, predictor, run):
    predictor.on_frame = press_ctrl_c_at(5)
    assert run(TRACK)[0] == 130
    predictor.on_frame = lambda current: None
    code, _, err = run(TRACK)
    assert (code, "continue it with --resume" in err) == (1, True)
    code, _, err = run(f"{TRACK} --resume --direction both")
    assert (code, "was started differently" in err) == (1, True)
    code, _, err = run(f"{TRACK} --resume --overwrite")
    assert (code, "exclude each other" in err) == (1, True)
    write_prompts(work / "other.json", (3, 0, 11, 12), (7, 4, 30, 30))
    code, _, err = run(f"{TRACK.replace('prompts.json', 'other.json')} --resume")
    assert (code, "the prompt of object 3 on frame 0" in err) == (1, True)
    code, _, err = run(f"{TRACK} --resume --contrast 0 100 --image-size 128")
    assert (code, "Contrast None instead of [[0.0, 100.0]], Model input None instead of 128" in err) == (1, True)
    frames = tifffile.imread(work / "movie.tif")
    tifffile.imwrite(work / "movie.tif", frames[::-1], metadata={"axes": "TYX"}, imagej=True)
    code, _, err = run(f"{TRACK} --resume")
    assert (code, "is not the stack that the session was made on" in err) == (1, True)
    assert run(f"{TRACK} --overwrite")[0] == 0
    assert not (work / "labels.tif.partial").exists()


def test_a_folder_of_frames_from_an_earlier_version_is_only_replaced(work, predictor, run):
    (work / "labels.tif.partial" / "forward").mkdir(parents=True)
    (work / "labels.tif.partial" / "run.json").write_text("{}")
    assert run(TRACK)[0] == 1
    code, _, err = run(f"{TRACK} --resume")
    assert (code, "no interrupted run" in err) == (1, True)
    assert (work / "labels.tif.partial" / "run.json").exists()
    assert run(f"{TRACK} --overwrite")[0] == 0
    assert not (work / "labels.tif.partial").exists()


def test_what_is_tracked_but_could_not_be_written_is_not_tracked_again(work, predictor, run, monkeypatch):
    def full(*args):
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("napari_sam2.session.movie_job.write_labels", full)
        code, _, err = run(TRACK)
    assert (code, "no space left" in err) == (1, True)
    predictor.calls.clear()
    code, _, err = run(f"{TRACK} --resume --direction both")
    assert (code, "was started differently" in err) == (1, True)
    assert run(f"{TRACK} --resume")[0] == 0
    assert predictor.calls == []
    assert labels_of(work / "labels.tif")[9, 30, 35] == 7


def test_a_session_with_a_name_stays(work, predictor, run):
    line = f"{TRACK} --session kept.sam2"
    code, _, err = run(line)
    assert code == 0, err
    assert sorted(path.name for path in work.iterdir()) == ["kept.sam2", "labels.tif", "movie.tif", "prompts.json"]
    with Session.open(work / "kept.sam2", predictor=predictor) as session:
        assert session.interrupted_run is None
        found = np.stack([session.labels(frame) for frame in range(10)])
    np.testing.assert_array_equal(found, labels_of(work / "labels.tif"))
    code, _, err = run(line.replace("labels.tif", "other.tif"))
    assert (code, "kept.sam2 holds a session" in err) == (1, True)
    predictor.on_frame = press_ctrl_c_at(5)
    code, _, err = run(f"{line} --overwrite")
    assert (code, "kept.sam2" in err) == (130, True)
    predictor.on_frame = lambda frame: None
    assert run(f"{line} --resume")[0] == 0
    np.testing.assert_array_equal(labels_of(work / "labels.tif"), found)


def test_a_run_that_is_killed_goes_on_and_ends_with_the_same_labels(work, run):
    sample = samples.sample_movie()
    tifffile.imwrite(work / "movie.tif", sample.images[:14, 40:168, 50:178], photometric="minisblack")
    near = [(one.object_id, one.y - 40, one.x - 50) for one in samples.first_clicks(sample)]
    write_prompts(work / "prompts.json", *((one, 3, y, x) for one, y, x in near if 0 <= y < 128 and 0 <= x < 128))
    line = f"{TRACK} --axes TYX --direction both"
    assert run(line.replace("labels.tif", "whole.tif"))[0] == 0
    process = subprocess.run([sys.executable, "-c", KILLED_AFTER_SIX, *line.split()], check=False, capture_output=True)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert 4 <= frames_done(work / "labels.tif.partial") < 14
    code, _, err = run(f"{line} --resume")
    assert code == 0, err
    np.testing.assert_array_equal(labels_of(work / "labels.tif"), labels_of(work / "whole.tif"))
    assert not (work / "labels.tif.partial").exists()


KILLED_AFTER_SIX = """
import os, signal, sys
from napari_sam2.cli import main
from napari_sam2.session.work import SessionWork

accept, taken = SessionWork.accept, []

def accept_and_die(work, update):
    accept(work, update)
    taken.append(update)
    if len(taken) == 6 + 2:  # two prompts come first
        work._saving.queue.flush()
        os.kill(os.getpid(), signal.SIGKILL)

SessionWork.accept = accept_and_die
sys.exit(main(sys.argv[1:]))
"""


def frames_done(folder):
    """How many frames of the run in a session folder are finished."""
    if not (folder / "session.json").exists():
        return 0
    saved = load_session(folder).run
    return 0 if saved is None else sum(map(len, saved.finished.values()))


def test_an_error_in_the_middle_keeps_what_is_done(work, predictor, run):
    def fail(frame):
        if frame == 6:
            raise MemoryError("no room")

    predictor.on_frame = fail
    code, _, err = run(TRACK)
    assert (code, "MemoryError: no room" in err) == (3, True)
    predictor.on_frame = lambda current: None
    assert run(f"{TRACK} --resume")[0] == 0
    assert labels_of(work / "labels.tif")[9, 10, 21] == 3


def test_existing_labels_are_kept_without_overwrite(work, predictor, run):
    (work / "labels.tif").write_bytes(b"precious")
    code, _, err = run(TRACK)
    assert (code, "--overwrite" in err) == (1, True)
    assert (work / "labels.tif").read_bytes() == b"precious"
    assert run(f"{TRACK} --overwrite")[0] == 0
    assert labels_of(work / "labels.tif").max() == 7


def five_d(work):
    np.save(work / "five.npy", np.zeros((2, 3, 4, 8, 8), np.uint8))
    return TRACK.replace("movie.tif", "five.npy")


def empty(work):
    np.save(work / "empty.npy", np.zeros((0, 8, 8), np.uint8))
    return TRACK.replace("movie.tif", "empty.npy")


def corrupt(work):
    (work / "corrupt.tif").write_bytes((work / "movie.tif").read_bytes()[:6])
    return TRACK.replace("movie.tif", "corrupt.tif")


def prompt_frame_outside(work):
    write_prompts(work / "prompts.json", (3, 10, 5, 5))
    return TRACK


def point_outside(work):
    write_prompts(work / "prompts.json", (3, 0, 50, 5))
    return TRACK


def unknown_version(work):
    write_prompts(work / "prompts.json", (3, 0, 5, 5), version=9)
    return TRACK


def open_axis(work):
    np.save(work / "four.npy", np.zeros((4, 5, 40, 60), np.uint8))
    return TRACK.replace("movie.tif", "four.npy") + " --axes TZYX"


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (five_d, "--axes TZCYX"),
        (empty, "empty is empty"),
        (corrupt, "corrupt.tif cannot be read"),
        (prompt_frame_outside, "prompts.json, entry 1: object 3, frame 10: there is no such frame"),
        (point_outside, "the point y=50, x=5 lies outside the image"),
        (unknown_version, "version 9"),
        (open_axis, "--fixed Z=2"),
        (lambda work: TRACK.replace("movie.tif", "no.tif"), "no file or folder no.tif"),
        (lambda work: TRACK.replace("prompts.json", "no.json"), "no prompt file no.json"),
        (lambda work: TRACK.replace("labels.tif", "labels.png"), ".tif or .zarr"),
        (lambda work: f"{TRACK} --fixed Z:3", "--fixed Z=3"),
        (lambda work: f"{TRACK} --contrast 5 5", "first must be below the second"),
        (lambda work: f"{TRACK} --channel 2", "no channel axis"),
        (lambda work: f"{TRACK} --start 8 --stop 3", "10 frames"),
        (lambda work: f"{TRACK} --start 2", "outside the frames that are tracked"),
        (lambda work: f"{TRACK} --resume", "no interrupted run"),
    ],
)
def test_what_cannot_be_used_is_one_red_paragraph_and_exit_code_1(work, predictor, run, prepare, words):
    code, out, err = run(prepare(work))
    assert code == 1
    assert words in err
    assert "Traceback" not in err
    notes = [line for line in err.strip().splitlines() if "taken as TYX" not in line]
    assert len(notes) == 1
    assert out == ""
    assert not list(work.glob("labels.tif*"))


def test_debug_shows_where_an_error_came_from(work, predictor, run):
    code, _, err = run(f"{TRACK.replace('movie.tif', 'no.tif')} --debug")
    assert code == 1
    assert "Traceback" in err


@pytest.mark.parametrize("line", ["track", "track movie.tif", "trakc", f"{TRACK} --direction up", f"{TRACK} --start x"])
def test_wrong_usage_is_exit_code_2(work, run, line):
    code, _, err = run(line)
    assert code == 2
    assert err.strip()
    assert "Traceback" not in err
