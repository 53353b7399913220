"""One movie from a task to a record: each kind of work, and that it is done once, goes on, and fails in words."""

from __future__ import annotations

import csv
import json
import os
import pickle
from dataclasses import replace

import numpy as np
import pytest
from finding_predictor import FindingPredictor
from label_stacks import labels_of, seen
from small_plates import TRACK, write_movie

from napari_sam2.plates import (
    MovieRecord,
    movies_of,
    new_worker,
    plan_status,
    read_plan,
    run_movie,
    write_summary,
)
from napari_sam2.plates import record as records
from napari_sam2.plates.record import fingerprint, lock_of, read_record
from napari_sam2.session import Session
from sam2_core.checkpoints import registry
from sam2_core.checkpoints.registry import add_model

FIRST = 'paths = "raw/A01_s1.tif"'


def only_task(path):
    (task,) = movies_of(read_plan(path))
    return task


@pytest.fixture
def tracked(write_plan, worker):
    """A movie that was found and linked."""
    task = only_task(write_plan(movies=FIRST))
    assert run_movie(task, worker).state == "done"
    return task


def test_a_movie_is_found_and_linked_and_its_numbers_kept(tracked):
    record = read_record(pickle.loads(pickle.dumps(tracked)))
    assert (record.state, record.frames, record.objects, record.tracks, record.divisions) == ("done", 5, 12, 4, 1)
    assert record.counts == (2, 2, 2, 3, 3)
    assert {path.name for path in tracked.folder.iterdir()} >= {
        *("labels.tif", "cells.csv", "tracks.csv", "movie.sam2", "record.json", "thumbnail.png")
    }
    assert not (tracked.folder / "labels.tif.partial").exists()


@pytest.mark.parametrize(
    ("do", "wanted"),
    [
        ('[do]\ntask = "segment"\nstart = 1\nstop = 4\n', {"counts": (0, 2, 2, 3, 0), "tracks": 0}),
        ('[do]\ntask = "prompts"\nprompts = "{name}.json"\n', {"counts": (1,) * 5, "tracks": 1}),
        ('[do]\ntask = "track"\ndivision = false\nwrite = {labels = "a.zarr", ctc = "01_RES"}\n', {"divisions": 0}),
    ],
)
def test_images_are_segmented_followed_from_prompts_and_linked(work, write_plan, worker, do, wanted):
    prompt = {"object_id": 3, "frame": 0, "points_yx": [[10, 10]]}
    about = {"format": "napari-sam2-prompts", "version": 1, "prompts": [prompt]}
    (work / "A01_s1.json").write_text(json.dumps(about))
    task = only_task(write_plan(do, FIRST))
    record = run_movie(task, worker)
    assert record.state == "done", record.words
    assert {name: record.model_dump()[name] for name in wanted} == wanted
    assert all((task.folder / file).exists() for file in record.files.values())


@pytest.mark.parametrize("kind", ["sessions", "export"])
def test_sessions_are_tracked_and_written_out(tracked, write_plan, worker, kind):
    session = tracked.folder / "movie.sam2"
    with Session.open(session) as opened:
        opened.add_points(9, 0, [(50, 70)])
    task = only_task(write_plan(f'[do]\ntask = "{kind}"\n', f'paths = "{session}"', out="again"))
    record = run_movie(task, worker)
    assert record.state == "done", record.words
    before, after = (labels_of(one.folder / "labels.tif") for one in (tracked, task))
    assert np.array_equal(before, np.where(after == 9, 0, after))
    assert (after == 9).any() == (kind == "sessions"), "what was clicked has no mask before it is tracked"
    assert record.divisions == 1
    assert run_movie(task, worker).is_earlier
    with Session.open(session) as opened:
        opened.add_points(9, 2, [(50, 70)])
    assert not run_movie(task, worker).is_earlier, "a session that was edited is done again"


def test_tracks_are_judged_by_their_truth(tracked, write_plan, worker):
    labels = tracked.folder / "labels.tif"
    do = f'[do]\ntask = "evaluate"\ntruth = "{labels.parent}/{{name}}.tif"\n'
    record = run_movie(only_task(write_plan(do, f'paths = "{labels}"', out="judged")), worker)
    assert record.state == "done", record.words
    assert record.scores["tra"] == record.scores["true_divisions"] == 1
    assert not record.scores.keys() & MovieRecord.model_fields.keys(), "they share a row of the table"


def test_what_is_finished_is_left_alone_until_input_settings_or_results_change(work, tracked, write_plan, predictor):
    worker = new_worker(predictor)
    predictor.requests.clear()
    assert run_movie(tracked, worker).is_earlier
    assert not predictor.requests
    (tracked.folder / "cells.csv").unlink()
    assert not run_movie(tracked, worker).is_earlier
    write_movie(work / "raw" / "A01_s1.tif", 4)
    assert not run_movie(tracked, worker).is_earlier
    other = only_task(write_plan(TRACK + "min_score = 0.9\n", FIRST))
    record = run_movie(other, worker)
    assert not record.is_earlier
    assert record.counts == (1, 1, 1, 2, 2)


@pytest.mark.parametrize(
    "worked_on",
    [
        lambda session: session.remove_object(1),
        lambda session: session.swap_objects(1, 2, 0),
        lambda session: session.undo(),
        lambda session: session.proposals.add(0, [np.pad(np.ones((8, 8)), ((50, 2), (2, 70)))], "by hand"),
        lambda session: session.review.accept(session.review.items()[:1]),
    ],
    ids=["removed", "swapped", "undone", "proposed", "reviewed"],
)
def test_a_session_that_was_worked_on_is_not_replaced(tracked, write_plan, worker, worked_on):
    folder = tracked.folder / "movie.sam2"
    with Session.open(folder) as session:
        worked_on(session)
        left = dict(session.masks.items()), session.undo_text, session.redo_text
    other = only_task(write_plan(TRACK + "min_score = 0.9\n", FIRST))
    for _ in range(2):
        record = run_movie(other, worker)
        assert (record.state, "was worked on since" in record.words) == ("failed", True), record.words
        with Session.open(folder) as session:
            assert (dict(session.masks.items()), session.undo_text, session.redo_text) == left
    folder.rename(tracked.folder / "mine.sam2")
    assert run_movie(other, worker).state == "done"


def test_a_session_from_prompts_is_replaced_until_somebody_works_on_it(work, write_plan, worker):
    def planned(y):
        prompt = {"object_id": 3, "frame": 0, "points_yx": [[y, 10]]}
        about = {"format": "napari-sam2-prompts", "version": 1, "prompts": [prompt]}
        (work / "A01_s1.json").write_text(json.dumps(about))
        return only_task(write_plan('[do]\ntask = "prompts"\nprompts = "{name}.json"\n', FIRST))

    assert run_movie(planned(10), worker).state == "done"
    task = planned(11)
    record = run_movie(task, worker)
    assert (record.state, record.is_earlier) == ("done", False), record.words
    with Session.open(task.folder / "movie.sam2") as session:
        session.add_points(3, 1, [(12, 12)])
    assert "was worked on since" in run_movie(planned(10), worker).words
    with Session.open(task.folder / "movie.sam2") as session:
        assert len(session.document.prompts) == 2


def test_a_movie_that_was_stopped_goes_on_behind_the_last_finished_frame(write_plan, tracked):
    seen_before = seen(tracked.folder / "labels.tif")
    task = only_task(write_plan(movies=FIRST, out="stopped"))
    tiles = []
    stopping = new_worker(FindingPredictor(on_tile=lambda done: tiles.append(done) or (len(tiles) == 9 and stop())))

    def stop():
        stopping.token.cancel()

    assert run_movie(task, stopping).state == "stopped"
    kept = len(list((task.folder / "labels.tif.partial").glob("frame*.json")))
    assert 0 < kept < 5
    predictor = FindingPredictor()
    assert run_movie(task, new_worker(predictor)).state == "done"
    assert len(predictor.requests) == 5 - kept
    assert seen(task.folder / "labels.tif") == seen_before


def test_a_movie_that_fails_says_why_and_is_tried_again(work, write_plan, worker):
    path = work / "raw" / "A01_s1.tif"
    path.write_bytes(path.read_bytes()[:3000])
    task = only_task(write_plan(movies=FIRST))
    record = run_movie(task, worker)
    assert record.state == "failed"
    assert "A01_s1" in record.words
    assert read_record(task) == record
    write_movie(path, 1)
    assert run_movie(task, worker).state == "done"


def test_an_error_of_the_program_is_the_record_of_its_movie_alone(write_plan):
    def broken(done):
        raise ZeroDivisionError("tile")

    record = run_movie(only_task(write_plan(movies=FIRST)), new_worker(FindingPredictor(on_tile=broken)))
    assert (record.state, record.words) == ("failed", "ZeroDivisionError: tile")


def test_a_movie_that_another_run_works_on_is_left_to_it(write_plan, worker, monkeypatch):
    monkeypatch.setattr("napari_sam2.plates.one_movie._LOCK_SECONDS", 0.0)
    task = only_task(write_plan(movies=FIRST))
    task.folder.mkdir(parents=True)
    with lock_of(task):
        assert run_movie(task, worker).state == "waiting"
        assert {path.name for path in task.folder.iterdir()} == {".record.lock"}
    assert run_movie(task, worker).state == "done"


def test_a_folder_that_cannot_be_written_to_is_a_failure_in_words(work, write_plan, worker):
    (work / "out").write_text("a file")
    record = run_movie(only_task(write_plan(movies=FIRST)), worker)
    assert record.state == "failed"
    assert "out" in record.words


@pytest.mark.filterwarnings("error")
def test_a_movie_whose_name_is_no_text_is_done_or_fails_like_any_other(work, write_plan, worker):
    write_movie(work / "odd" / "l\udcfc.tif")  # a file name of Latin-1, as Python has it
    (work / "odd" / "bad\udcfc.tif").write_bytes(b"no image")
    plan = read_plan(write_plan(movies='paths = "odd/*.tif"'))
    tasks = movies_of(plan)
    ended = [run_movie(task, worker) for task in tasks]
    assert [record.state for record in ended] == ["failed", "done"]
    status = plan_status(tasks)
    assert status.records == ended
    table, report = write_summary(plan, status)
    assert r"bad\udcfc.tif" in table.read_text()
    assert r"bad\udcfc.tif" in report.read_text()


def test_images_that_may_not_be_looked_at_fail_in_their_record(work, write_plan, worker):
    folder = write_movie(work / "shut" / "0.tif").parent
    task = only_task(write_plan(movies='paths = "shut"'))
    folder.chmod(0)
    try:
        if os.access(folder, os.R_OK):
            pytest.skip("this user may look at everything")
        assert run_movie(task, worker).state == "failed"
    finally:
        folder.chmod(0o700)
    assert read_record(task).state == "failed"


def test_a_movie_that_would_be_done_again_is_said_until_it_is(work, tracked, worker):
    assert [record.state for record in plan_status([tracked]).records] == ["done"]
    os.utime(tracked.source, (1, 1))
    outdated = plan_status([tracked])
    assert (outdated.records[0].state, outdated.records[0].objects) == ("outdated", 12)
    assert outdated.sentence == "1 movie: 1 to do again."
    assert not run_movie(tracked, worker).is_earlier
    assert plan_status([tracked]).sentence == "1 movie: 1 done."
    (tracked.folder / "cells.csv").unlink()
    assert plan_status([tracked]).sentence == "1 movie: 1 to do again."


def test_the_table_of_tracks_names_the_parent(tracked):
    with (tracked.folder / "tracks.csv").open() as table:
        assert sum(bool(row["parent"]) for row in csv.DictReader(table)) == 2


def test_a_movie_in_which_nothing_tells_a_size_says_how_a_plan_says_it(work, write_plan):
    class Unsure(FindingPredictor):
        def find_steps(self, image, request):
            found = yield from super().find_steps(image, request)
            return replace(found, objects=(), diameter_px=None, remark="Nothing tells how large cells are.")

    record = run_movie(only_task(write_plan('[do]\ntask = "track"\n', FIRST)), new_worker(Unsure()))
    assert record.words == "Nothing tells how large cells are. (diameter_px in the plan)"


@pytest.mark.parametrize("is_registered", [False, True])
def test_a_model_that_was_trained_again_is_another_one(work, write_plan, monkeypatch, is_registered):
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(work / "home"))
    weights = work / "mine.pt"
    weights.write_bytes(b"first")
    if is_registered:
        add_model("mine", weights, "configs/cells/cells_nano.yaml")
    path = write_plan(movies=FIRST)
    path.write_text(f'{path.read_text()}model = "{"mine" if is_registered else weights}"\n')
    before = fingerprint(only_task(path))
    assert fingerprint(only_task(path)) == before
    weights.write_bytes(b"second")
    assert fingerprint(only_task(path)) != before


def test_weights_that_ship_count_by_what_is_in_them(work, write_plan, monkeypatch):
    """Another installation of the same release is no reason to do a plate again; other weights are."""
    task = only_task(write_plan(movies=FIRST))
    shipped = registry.find_model(registry.BUNDLED_NAME)
    weights = work / "weights.safetensors"

    def fingerprint_of(content):
        weights.write_bytes(content)
        moved = replace(shipped, path=weights)
        monkeypatch.setattr(records, "find_model", lambda name: moved if name == shipped.name else None)
        return fingerprint(task)

    first = fingerprint_of(b"first")
    os.utime(weights, (1, 1))
    assert fingerprint(task) == first
    assert fingerprint_of(b"other") != first
    assert fingerprint_of(b"first") == first
