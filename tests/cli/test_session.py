"""Session folders on the command line: track, go on, export, take as labels."""

from __future__ import annotations

import csv
import json
import os
import signal

import numpy as np
import pytest
import tifffile
from disc_predictor import DiscPredictor

from napari_sam2.cli.finetune import session_movies
from napari_sam2.io import load_session, read_prompts
from napari_sam2.session.saved_job import SavedJob, track_saved
from napari_sam2.session.session import Session
from napari_sam2.stacks import open_stack
from sam2_core.errors import StackError


@pytest.fixture
def discs(monkeypatch):
    """Every session tracks discs instead of loading a model."""
    made = DiscPredictor()
    for door in ("engine.loader", "cli.terminal_run"):
        monkeypatch.setattr(f"napari_sam2.{door}.load_predictor", lambda *args, **options: made)
    return made


@pytest.fixture
def movie(work, discs):
    """The folder of a session in which two cells were clicked on and nothing was tracked."""
    session = Session.open("movie.tif")
    session.add_points(3, 2, [(10, 12)])
    session.add_points(7, 4, [(30, 30)])
    session.rename_object(7, "mother")
    session.save("movie.sam2")
    session.close()
    return work


def expected(name):
    """The labels that a script gets of the same session."""
    session = Session.open("movie.tif")
    session.add_points(3, 2, [(10, 12)])
    session.add_points(7, 4, [(30, 30)])
    for _ in session.propagate("both"):
        pass
    session.export_labels(name)
    session.close()
    return list(open_stack(name).movie())


def test_a_session_that_can_only_be_read_gives_labels_or_says_so_before(movie, run, monkeypatch):
    before = {path: path.read_bytes() for path in (movie / "movie.sam2").rglob("*") if path.is_file()}
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK)
    code, _, err = run("track --session movie.sam2 --out labels.tif")
    assert code == 0, err
    assert "movie.sam2 can only be read" in " ".join(err.split())
    np.testing.assert_array_equal(list(open_stack("labels.tif").movie()), expected("script.tif"))
    with pytest.raises(StackError, match="cannot be written, so nothing would be kept"):
        track_saved(SavedJob(movie / "movie.sam2"))
    assert {path: path.read_bytes() for path in (movie / "movie.sam2").rglob("*") if path.is_file()} == before


def test_track_runs_a_session_and_writes_its_labels(movie, run):
    code, out, err = run("track --session movie.sam2 --out labels.tif")
    assert code == 0, err
    np.testing.assert_array_equal(list(open_stack("labels.tif").movie()), expected("script.tif"))
    assert "labels.tif" in out
    saved = load_session("movie.sam2")
    assert saved.run is None
    assert {frame for (object_id, frame), _ in saved.masks if object_id == 3} == set(range(10))
    code, _, err = run("track --session movie.sam2 --out labels.tif")
    assert code == 1
    assert "labels.tif exists" in err


def test_labels_lie_beside_the_session_by_default(movie, run):
    code, _, err = run("track --session movie.sam2 --direction forward --stop 6")
    assert code == 0, err
    labels = list(open_stack("movie_labels.tif").movie())
    assert [sorted(set(np.unique(frame).tolist()) - {0}) for frame in labels][1:7] == [[], [3], [3], [3, 7], [3, 7], []]


def test_a_session_that_was_stopped_goes_on_and_ends_with_the_same_labels(movie, run, discs):
    before = expected("script.tif")
    discs.on_frame = lambda frame: signal.raise_signal(signal.SIGINT) if frame == 6 else None
    code, _, err = run("track --session movie.sam2 --out labels.tif")
    assert code == 130
    assert "the same command goes on" in err
    finished = load_session("movie.sam2").run.finished
    assert finished["forward"][:4] == (2, 3, 4, 5)
    assert "backward" not in finished
    discs.on_frame = lambda frame: None
    code, _, err = run("track --session movie.sam2 --out labels.tif")
    assert code == 0, err
    assert "The run that was interrupted goes on" in err
    np.testing.assert_array_equal(list(open_stack("labels.tif").movie()), before)


def test_where_nothing_is_kept_a_run_that_was_stopped_says_so(movie, run, discs, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK)
    discs.on_frame = lambda frame: signal.raise_signal(signal.SIGINT) if frame == 6 else None
    code, _, err = run("track --session movie.sam2 --out labels.tif")
    assert code == 130
    assert "Nothing is kept, for movie.sam2 can only be read" in " ".join(err.split())
    assert load_session("movie.sam2").run is None


def test_a_session_says_what_it_does_not_take(movie, run):
    code, _, err = run("track --session movie.sam2 --model sam2.1-tiny --contrast 0 1")
    assert code == 2
    assert "--model, --contrast cannot be given with --session" in err
    code, _, err = run("track movie.tif --out labels.tif")
    assert code == 2
    assert "give STACK, --prompts, --find or --auto, and --out, or" in err
    code, _, err = run("track --session nothing.sam2 --out labels.tif")
    assert code == 1
    assert "nothing.sam2" in err


@pytest.mark.parametrize("table", ["--table", "--track-table"])
def test_export_writes_what_is_asked_for(movie, run, table):
    assert run("track --session movie.sam2 --out labels.tif")[0] == 0
    line = "export movie.sam2 --labels out.zarr --csv objects.csv --ctc ctc --prompts clicks.json"
    line += f" --tracks tracks.xml {table} tracks.csv"
    code, out, err = run(line)
    assert code == 0, err
    assert "labels: out.zarr" in out
    np.testing.assert_array_equal(list(open_stack("out.zarr").movie()), list(open_stack("labels.tif").movie()))
    rows = list(csv.DictReader((movie / "objects.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 20
    assert rows[1]["name"] == "mother"
    assert float(rows[0]["area"]) == pytest.approx(int(rows[0]["area_px"]) / 16)
    assert len(list((movie / "ctc").glob("mask*.tif"))) == 10
    assert (movie / "tracks.csv").read_text().startswith("object_id,")
    assert "<AllTracks>" in (movie / "tracks.xml").read_text()
    assert {(one.object_id, one.frame) for one in read_prompts("clicks.json")} == {(3, 2), (7, 4)}
    code, _, err = run(line)
    assert code == 1
    assert "out.zarr exists" in err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--labels a.tif --csv a.tif", "a.tif is given for two results"),
        ("--csv a.csv --table sub/../a.csv", "is given for two results"),
        ("--csv a.csv --prompts link/a.csv", "is given for two results"),
        ("--labels old.zarr --csv old.zarr/a.csv --overwrite", "old.zarr/a.csv lies in old.zarr, which is written too"),
        ("--ctc sub --csv sub/a.csv", "sub/a.csv lies in sub, which is written too"),
        ("--csv sub --overwrite", "sub is a folder"),
        ("--csv a.csv --error-rate e.csv", "no sample was drawn"),
        ("--csv a.csv --ctc full", "full is not empty"),
        ("--csv a.csv --ctc full --overwrite", "full is not empty"),
    ],
)
def test_nothing_is_exported_where_something_cannot_be(movie, run, line, words):
    for folder in ("sub", "full", "old.zarr"):
        (movie / folder).mkdir()
    (movie / "link").symlink_to(movie)
    (movie / "full" / "thesis.txt").write_text("mine")
    before = sorted(movie.rglob("*"))
    code, _, err = run(f"export movie.sam2 {line}")
    assert (code, words in err) == (1, True), err
    assert sorted(movie.rglob("*")) == before


def test_masks_beside_a_prompt_file_are_replaced_only_where_that_is_said(movie, run):
    with Session.open("movie.sam2") as session:
        session.add_mask(5, 1, np.eye(40, 60, dtype=bool))
    mine = movie / "clicks_object5_frame1.tif"
    mine.write_bytes(b"mine")
    code, _, err = run("export movie.sam2 --prompts clicks.json")
    assert (code, "clicks_object5_frame1.tif exists" in err) == (1, True)
    assert (mine.read_bytes(), (movie / "clicks.json").exists()) == (b"mine", False)
    assert run("export movie.sam2 --prompts clicks.json --overwrite")[0] == 0
    assert mine.read_bytes() != b"mine"


def test_export_replaces_an_earlier_ctc_folder_where_it_is_told_to(movie, run):
    assert run("track --session movie.sam2 --out labels.tif")[0] == 0
    assert run("export movie.sam2 --ctc ctc")[0] == 0
    before = (movie / "ctc" / "res_track.txt").read_text()
    with Session.open("movie.sam2") as session:
        session.remove_object(3)
    assert run("export movie.sam2 --ctc ctc")[0] == 1
    assert (movie / "ctc" / "res_track.txt").read_text() == before
    assert run("export movie.sam2 --ctc ctc --overwrite")[0] == 0
    assert (movie / "ctc" / "res_track.txt").read_text() != before


def test_export_can_run_while_the_session_is_open_and_finds_moved_images(movie, run):
    session = Session.open("movie.sam2")
    assert run("export movie.sam2 --prompts clicks.json")[0] == 0
    session.close()
    (movie / "movie.tif").rename(movie / "moved.tif")
    assert run("export movie.sam2 --labels out.tif")[0] == 1
    assert run("export movie.sam2 --labels out.tif --images moved.tif")[0] == 0
    code, _, err = run("export movie.sam2")
    assert code == 2
    assert "nothing is asked for" in err


def test_nothing_is_exported_on_other_images(movie, run):
    tifffile.imwrite("other.tif", np.zeros((10, 40, 60), np.uint16), imagej=True, metadata={"axes": "TYX"})
    code, _, err = run("export movie.sam2 --csv out.csv --prompts clicks.csv --images other.tif")
    assert (code, "is not the stack that the session was made on" in err) == (1, True)
    assert not list(movie.glob("*.csv"))


def test_tracks_are_not_imported_of_the_images(movie, run):
    code, _, err = run("import movie.tif ./movie.tif new.sam2")
    assert (code, "is given as the images and as the tracks" in err) == (1, True)
    assert not (movie / "new.sam2").exists()


def test_track_finds_moved_images(movie, run):
    (movie / "movie.tif").rename(movie / "moved.tif")
    assert run("track --session movie.sam2 --out labels.tif")[0] == 1
    assert run("track moved.tif --session movie.sam2 --out labels.tif")[0] == 0
    np.testing.assert_array_equal(open_stack("labels.tif").movie()[2][8:13, 10:15], 3)


def test_two_writers_of_a_session_are_told(movie, run):
    session = Session.open("movie.sam2")
    code, _, err = run("track --session movie.sam2 --out labels.tif")
    session.close()
    assert code == 1
    assert "is open elsewhere" in err


def test_masks_that_still_hold_are_labels_to_learn_from(movie, run):
    with pytest.raises(StackError, match="track or correct its objects first"):
        session_movies(movie / "movie.sam2")
    session = Session.open("movie.sam2")
    for _ in session.propagate("forward"):
        pass
    session.add_points(3, 5, [(20, 20)])
    session.close()
    images, labels = session_movies(movie / "movie.sam2")
    assert len(images) == len(labels) == 10
    np.testing.assert_array_equal(images[3], open_stack("movie.tif").movie()[3])
    found = [sorted(set(np.unique(frame).tolist()) - {0}) for frame in labels]
    assert found[2:5] == [[3], [3], [3, 7]]
    assert found[6] == [7]  # object 3 is stale behind its new click
    code, _, err = run("finetune --session movie.sam2 --labels movie.tif --out tuned")
    assert code == 2
    assert "leave out --images and --labels" in err


def test_a_session_from_a_later_version_is_named(movie, run):
    path = movie / "movie.sam2" / "session.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 9}))
    code, _, err = run("track --session movie.sam2")
    assert code == 1
    assert "has version 9" in err


def test_what_is_whole_is_not_tracked_again_unless_it_is_asked_for(movie, run, discs):
    assert run("track --session movie.sam2 --out labels.tif")[0] == 0
    whole = np.stack(list(open_stack("labels.tif").movie()))
    code, _, err = run("track --session movie.sam2 --out labels.tif --overwrite")
    assert (code, "Nothing is stale or missing" in err) == (0, True)
    np.testing.assert_array_equal(np.stack(list(open_stack("labels.tif").movie())), whole)
    code, _, err = run("track --session movie.sam2 --out labels.tif --overwrite --again")
    assert (code, "Nothing is stale" in err) == (0, False)
    assert run("track movie.tif --prompts p.json --out other.tif --again")[0] == 2
