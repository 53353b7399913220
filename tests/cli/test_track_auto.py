"""`track --auto`: a movie in, labels and tracks out, without a prompt."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import time

import numpy as np
import pytest
import tifffile
from finding_predictor import FindingPredictor, unsure_of_size
from label_stacks import labels_of, seen

from napari_sam2.cli.finding_run import TerminalFind
from napari_sam2.masks.stored_masks import MaskStatus
from napari_sam2.session import Session
from sam2_core.errors import StackError

AUTO = "track cells.tif --auto --out labels.tif --contrast 0 255 --object-diameter 10"


@pytest.fixture
def found(work, monkeypatch):
    """Six frames with a square that moves, and one that divides on frame 3; bright pieces are found for cells."""
    frames = np.zeros((6, 60, 80), np.uint8)
    for frame, image in enumerate(frames):
        image[6:15, 6 + 2 * frame : 15 + 2 * frame] = 200
        for x0, x1 in ((28, 48),) if frame < 3 else ((26, 36), (40, 50)):
            image[36:48, x0:x1] = 250
    tifffile.imwrite(work / "cells.tif", frames, imagej=True, metadata={"axes": "TYX"})
    made = FindingPredictor()
    monkeypatch.setattr("napari_sam2.cli.terminal_run.load_predictor", lambda *args: made)
    return made


def test_labels_tracks_tables_and_a_session_come_of_one_command(work, found, run):
    code, out, err = run(
        f"{AUTO} --ctc ctc --csv objects.csv --table tracks.csv --tracks tracks.xml --session cells.sam2"
    )
    assert code == 0, err
    labels = seen(work / "labels.tif")
    assert [len(one) for one in labels] == [3, 3, 3, 4, 4, 4]
    assert labels[0] == labels[2]
    tracks = np.loadtxt(work / "ctc" / "res_track.txt", dtype=int)
    assert sorted((begin, end, parent > 0) for _, begin, end, parent in tracks.tolist()) == [
        (0, 2, False),
        (0, 5, False),
        (3, 5, True),
        (3, 5, True),
    ]
    with (work / "objects.csv").open() as table:
        assert len(list(csv.DictReader(table))) == 15
    with (work / "tracks.csv").open() as table:
        assert len(list(csv.DictReader(table))) == 4
    assert (work / "tracks.xml").read_text().startswith("<?xml")
    with Session.open(work / "cells.sam2", predictor=found) as session:
        assert len(session.document.divisions) == 1
    assert "15 objects on 6 frames: 4 tracks with 1 division." in out
    assert not (work / "labels.tif.partial").exists()


@pytest.fixture
def accepted(work, found):
    """A session in which the cells of frame 1 were accepted, before the big one divides."""
    with Session.open(work / "cells.tif", predictor=found) as session:
        session.change_settings(contrast_limits=((0, 255),), object_diameter_px=10)
        session.proposals.find(frames=1)
        assert session.proposals.accept() == (1, 2)
        session.save(work / "cells.sam2")
    return work / "cells.sam2"


def test_in_a_session_that_is_there_its_objects_are_carried_on(work, found, run, accepted):
    code, out, err = run("track --auto --session cells.sam2 --ctc ctc")
    assert code == 0, err
    assert "2 tracks with 1 division, 2 objects carried on." in out
    labels = seen(work / "cells_labels.tif")
    assert [len(one) - 1 for one in labels] == [2, 2, 2, 3, 3, 3]
    assert {1, 2} <= {*labels[0]} & {*labels[2]}
    tracks = np.loadtxt(work / "ctc" / "res_track.txt", dtype=int).tolist()
    assert [tuple(row) for row in tracks] == [(1, 0, 2, 0), (2, 0, 5, 0), (3, 3, 5, 1), (4, 3, 5, 1)]
    with Session.open(accepted, predictor=found) as session:
        assert sorted(session.document.prompts) == [(1, 1), (2, 1)]
        before = len(session.document.objects)
        assert session.undo_text == "link cells"
        assert session.undo()
        assert (before, len(session.document.objects)) == (4, 2)


def test_images_of_a_session_that_is_there_say_where_they_are_now(work, found, run, accepted):
    (work / "cells.tif").rename(work / "moved.tif")
    code, _, err = run("track --auto --session cells.sam2")
    assert (code, "cells.tif" in err) == (1, True)
    code, out, err = run("track moved.tif --auto --session cells.sam2")
    assert code == 0, err
    assert "2 tracks with 1 division, 2 objects carried on." in out
    with Session.open(accepted, predictor=found) as session:
        assert session.stack.path == str(work / "moved.tif")
        assert sorted(session.document.prompts) == [(1, 1), (2, 1)]


def test_a_session_is_not_carried_on_on_other_images(work, found, run, accepted):
    tifffile.imwrite(work / "other.tif", np.zeros((6, 60, 80), np.uint8), imagej=True, metadata={"axes": "TYX"})
    code, _, err = run("track other.tif --auto --session cells.sam2")
    said = " ".join(err.split())
    assert (code, "other is not the stack that the session was made on" in said) == (1, True)
    code, _, err = run("track cells.tif --auto --session cells.sam2 --track-axis T")
    assert (code, "--track-axis cannot be given with --session" in err) == (2, True)
    with Session.open(accepted, predictor=found) as session:
        assert session.stack.path == str(work / "cells.tif")
        assert (len(session.document.objects), session.undo_text) == (2, "accept 2 proposals")


def test_labels_in_the_way_of_images_and_a_session_are_not_met_with_overwrite_which_would_replace_it(
    work, found, run, accepted
):
    (work / "cells_labels.tif").write_bytes(b"mine")
    code, _, err = run("track cells.tif --auto --session cells.sam2")
    assert (code, "choose another name" in err, "or replace it with --overwrite" in err) == (1, True, False)
    assert "would replace the session" in err


def test_a_run_that_is_resumed_does_not_replace_what_a_person_made_since(work, found, run, monkeypatch):
    def full(*args):
        raise StackError("No space is left on the device.")

    line = f"{AUTO} --session cells.sam2"
    with monkeypatch.context() as disk:
        disk.setattr("napari_sam2.session.auto_job.export", full)
        assert run(line)[0] == 1
    with Session.open(work / "cells.sam2", predictor=found) as session:
        session.rename_object(1, "mine")
    code, _, err = run(f"{line} --resume")
    assert (code, "was worked on since" in err) == (1, True)
    with Session.open(work / "cells.sam2", predictor=found) as session:
        assert session.document.objects[1].name == "mine"
        assert session.undo()
    assert run(f"{line} --resume")[0] == 0


def test_a_session_that_is_open_elsewhere_is_not_sought_to_be_replaced(work, found, run, accepted):
    found.requests.clear()
    with Session.open(accepted, predictor=found):
        code, _, err = run(f"{AUTO} --session cells.sam2 --overwrite")
    assert (code, "is open elsewhere" in err) == (1, True)
    assert not found.requests


def test_images_replace_a_session_that_is_there_where_that_is_said(work, found, run, accepted):
    code, _, err = run(f"{AUTO} --session cells.sam2 --overwrite")
    assert code == 0, err
    with Session.open(accepted, predictor=found) as session:
        assert (len(session.document.objects), not session.document.prompts) == (4, True)


def test_a_size_that_the_session_says_is_not_said_to_be_found(work, found, run, accepted):
    _, out, _ = run("track --auto --session cells.sam2")
    assert "with a diameter of 10 px, as given." in " ".join(out.split())


def test_in_a_session_what_was_found_till_ctrl_c_is_kept_and_the_same_command_begins_again(
    work, found, run, accepted, monkeypatch
):
    def stopped(self, session, job, take):
        for update in session.run(job):
            take(update)
            if update.found is not None and update.frame_index == 2:
                return False
        return True

    with monkeypatch.context() as first:
        first.setattr("napari_sam2.cli.track_auto.TerminalFind.__call__", stopped)
        code, _, err = run("track --auto --session cells.sam2")
    assert (code, "The same command begins again" in err) == (130, True)
    assert not (work / "cells_labels.tif").exists()
    with Session.open(accepted, predictor=found) as session:
        assert {one.frame for one in session.document.proposals.values() if one.is_open} == {0, 2}
    code, out, _ = run("track --auto --session cells.sam2")
    assert (code, "2 objects carried on." in out) == (0, True)


@pytest.fixture
def missed(work, found):
    """Another session, of a movie in which the moving square is missed on two frames, and a third one at its end."""
    frames = tifffile.imread(work / "cells.tif")
    frames[2:4, :20] = 0
    frames[:4, 18:27, 64:73] = 200
    tifffile.imwrite(work / "cells.tif", frames, imagej=True, metadata={"axes": "TYX"})
    with Session.open(work / "cells.tif", predictor=found) as session:
        session.change_settings(contrast_limits=((0, 255),), object_diameter_px=10)
        session.proposals.find(frames=1)
        session.proposals.accept()
        session.save(work / "cells.sam2")
    return work / "cells.sam2"


def everything(folder):
    """What a session holds, whatever way it came there."""
    with Session.open(folder) as session:
        document, masks = session.document, dict(session.masks.items())
        return masks, dict(document.objects), dict(document.prompts), set(document.events), set(document.divisions)


@pytest.mark.parametrize(("stage", "time"), [("Looking on", 1), ("Linking", 1), ("Filling gaps", 3)])
def test_in_a_session_the_same_command_ends_as_if_it_had_not_been_stopped_or_killed_once_all_was_found(
    work, found, run, missed, monkeypatch, stage, time
):
    shutil.copytree(missed, work / "whole.sam2")
    command = "track --auto --session {} --look-on 1 --longest-gap 2"
    assert run(command.format("whole.sam2"))[0] == 0
    whole = everything(work / "whole.sam2")
    assert MaskStatus.tracked in {mask.status for mask in whole[0].values()}
    tell, told, opened, open_session = TerminalFind.tell, [], [], Session.open

    def remembered(*args, **options):
        opened.append(open_session(*args, **options))
        return opened[-1]

    def press(self, now, done, total):
        told.append(now)
        if told.count(stage) == time:
            opened[-1].flush()  # all that can be written is
            shutil.copytree(missed, work / "killed.sam2")
            os.kill(os.getpid(), signal.SIGINT)
        tell(self, now, done, total)

    with monkeypatch.context() as first:
        first.setattr(TerminalFind, "tell", press)
        first.setattr(Session, "open", remembered)
        assert run(command.format("cells.sam2"))[0] == 130
    assert not (work / "cells_labels.tif").exists()
    for folder in ("killed.sam2", "cells.sam2"):
        assert everything(work / folder)[0].keys() == {(1, 1), (2, 1), (3, 1)}
        assert run(command.format(folder))[0] == 0
        assert everything(work / folder) == whole


def test_where_the_size_cannot_be_told_its_option_is_named(work, found, run, monkeypatch):
    monkeypatch.setattr(found, "find_steps", unsure_of_size(found.find_steps))
    code, _, err = run(AUTO.removesuffix(" --object-diameter 10"))
    assert (code, "large cells are. (--object-diameter PX)" in err) == (1, True)


def test_divisions_can_be_left_out_and_frames_chosen(work, found, run):
    assert run(f"{AUTO} --no-division --ctc ctc --start 1 --stop 5")[0] == 0
    assert [len(one) - 1 for one in seen(work / "labels.tif")] == [0, 2, 2, 3, 3, 0]
    assert (np.loadtxt(work / "ctc" / "res_track.txt", dtype=int)[:, 3] == 0).all()


def test_a_volume_is_labelled_in_one_command(work, found, run):
    """Balls of a z-stack, each one label on all its planes, and one piece that ends in two: a fork is no division."""
    z, y, x = np.mgrid[:12, :60, :80]
    truth = np.zeros(z.shape, np.uint8)
    for ball, (cz, cy, cx, radius) in enumerate([(3, 14, 14, 9), (6, 16, 44, 10), (8, 44, 16, 9)], start=1):
        truth[(2 * (z - cz)) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = ball
    truth[:6, 38:50, 52:74] = 4
    truth[6:, 38:50, 50:60], truth[6:, 38:50, 66:76] = 5, 6
    tifffile.imwrite(
        work / "ball.tif", np.where(truth > 0, 200, 0).astype(np.uint8), imagej=True, metadata={"axes": "ZYX"}
    )
    command = "track ball.tif --auto --track-axis Z --out labels.tif --contrast 0 255 --object-diameter 12 --ctc ctc"
    code, _, err = run(command)
    assert code == 0, err
    labels = labels_of(work / "labels.tif")
    assert ((labels > 0) == (truth > 0)).all()
    held = [np.unique(labels[truth == ball]).tolist() for ball in range(1, 7)]
    assert [len(labels_there) for labels_there in held] == [1] * 6
    balls = [one for (one,) in held[:3]]
    assert len(set(balls)) == 3
    assert not set(balls) & {one for (one,) in held[3:]}
    assert held[4] != held[5]
    assert (np.loadtxt(work / "ctc" / "res_track.txt", dtype=int)[:, 3] == 0).all()


def test_a_region_is_all_that_is_looked_at(work, found, run):
    assert run(f"{AUTO} --region 0,0,30,80")[0] == 0
    assert [len(one) for one in seen(work / "labels.tif")] == [2] * 6


def test_a_stopped_run_goes_on_and_ends_with_the_same(work, found, run):
    line = f"{AUTO} --ctc ctc"
    assert run(line)[0] == 0
    whole, tracks = labels_of(work / "labels.tif"), (work / "ctc" / "res_track.txt").read_text()
    (work / "labels.tif").unlink()
    tiles = []

    def press(done):
        tiles.append(done)
        if len(tiles) == 9:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

    found._on_tile = press
    code, _, err = run(f"{line} --overwrite")
    assert code == 130
    assert f"napari-sam2 {line} --resume" in err
    code, _, err = run(f"{line} --resume")
    assert code == 0, err
    assert np.array_equal(labels_of(work / "labels.tif"), whole)
    assert (work / "ctc" / "res_track.txt").read_text() == tracks


@pytest.mark.parametrize("how", ["--resume", "--overwrite"])
def test_two_processes_do_not_work_on_one_run(work, found, run, monkeypatch, how):
    def meanwhile(done):
        found._on_tile = lambda done: None
        before = {path.name: path.stat().st_mtime_ns for path in (work / "labels.tif.partial").iterdir()}
        said.append(run(f"{AUTO} {how}"))
        assert {path.name: path.stat().st_mtime_ns for path in (work / "labels.tif.partial").iterdir()} == before

    said = []
    found._on_tile = meanwhile
    assert run(AUTO)[0] == 0
    ((code, _, err),) = said
    assert (code, "Another process is at work in labels.tif.partial" in " ".join(err.split())) == (1, True)
    assert [len(one) for one in seen(work / "labels.tif")] == [3, 3, 3, 4, 4, 4]
    assert not (work / "labels.tif.partial").exists()


def test_what_was_found_is_kept_where_it_cannot_be_written(work, found, run, monkeypatch):
    def full(*args):
        raise StackError("No space is left on the device.")

    with monkeypatch.context() as disk:
        disk.setattr("napari_sam2.session.auto_job.export", full)
        code, _, err = run(AUTO)
    assert (code, "No space" in err) == (1, True)
    looked = len(found.requests)
    assert run(f"{AUTO} --resume")[0] == 0
    assert len(found.requests) == looked, "no frame is looked at again"


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (f"{AUTO} --find", 2, "--find cannot be given with --auto"),
        (f"{AUTO} --direction both", 2, "--direction cannot be given with --auto"),
        ("track cells.tif --find --out labels.tif --table t.csv", 2, "napari-sam2 export movie.sam2 --table FILE"),
        ("track cells.tif --prompts p.csv --out l.tif --csv o.csv", 2, "napari-sam2 export movie.sam2 --csv FILE"),
        ("track --session a.sam2 --tracks t.geff", 2, "napari-sam2 export a.sam2 --tracks FILE"),
        ("track cells.tif --find --out labels.tif --look-on 3", 2, "--look-on says how --auto"),
        ("track cells.tif --auto", 2, "--out"),
        (f"{AUTO} --region 0,0,0,9", 1, "Y0,X0,Y1,X1"),
        (f"{AUTO} --table nowhere/t.csv", 1, "There is no folder"),
        (f"{AUTO} --tracks tracks.txt", 1, ".geff"),
        (f"{AUTO} --csv t.csv --table t.csv", 1, "t.csv is given for two results"),
        (f"{AUTO} --session labels.tif", 1, "labels.tif is given for two results"),
        ("track cells.tif --auto --out cells.tif --overwrite", 1, "raw data is never overwritten"),
        (f"{AUTO} --stop 9", 1, "the stack has 6 frames"),
        (f"{AUTO} --session full", 1, "full holds other files"),
        (f"{AUTO} --session cells.tif/a.sam2", 1, "There is no folder"),
        ("track --auto --session nowhere.sam2", 1, "is no session folder; give the images too"),
        ("track --auto --session nowhere.sam2 --model other", 2, "--model cannot be given with --session"),
    ],
)
def test_what_cannot_be_is_said(work, found, run, line, code, said):
    (work / "full").mkdir()
    (work / "full" / "thesis.txt").write_text("mine")
    got, _, err = run(line)
    assert (got, said in err) == (code, True), err
    assert not found.requests
