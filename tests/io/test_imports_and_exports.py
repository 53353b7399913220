"""Formats in and out: labels become a document and masks, results go out in each format that a path is given for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from drawn_movies import drawn_truth

from napari_sam2.document.difference import difference
from napari_sam2.io import SavedSession, load_session, save_session
from napari_sam2.io.exports import FORMATS, export, export_everything
from napari_sam2.io.imports import import_labels
from napari_sam2.io.results import Results
from napari_sam2.io.track_files import open_tracks, read_parents
from napari_sam2.masks.mask_store import MaskStatus
from napari_sam2.stacks import open_stack
from sam2_core.errors import PromptError, StackError


def movie(labels):
    return open_stack(labels, "TYX").movie()


@pytest.fixture
def labels(rng):
    """Labels (T, H, W) with objects in pieces, one on a single pixel, ids that need 32 bits, and an empty frame."""
    found = rng.choice(np.array([0, 0, 0, 1, 2, 9, 70000], np.uint32), (4, 20, 30))
    found[2] = 0
    found[1, 3, 4] = 5
    return found


def test_labels_become_masks_that_show_them_again(labels):
    document, masks = import_labels(movie(labels), {2: 1, 9: 2})
    assert list(document.objects) == [1, 2, 5, 9, 70000]
    assert {one: info.parent for one, info in document.objects.items() if info.parent} == {2: 1, 9: 2}
    assert not document.prompts
    for frame in range(4):
        np.testing.assert_array_equal(masks.labels(frame), labels[frame])
    assert masks.objects_on(2) == ()
    assert masks.get((5, 1)).box_yx == (3, 4, 4, 5)
    assert {mask.status for _, mask in masks.items()} == {MaskStatus.imported}


def test_imported_masks_are_saved_and_opened(tmp_path, labels):
    document, masks = import_labels(movie(labels))
    save_session(tmp_path / "a.sam2", SavedSession(document, masks.items()))
    back = load_session(tmp_path / "a.sam2")
    assert sorted(back.masks) == sorted(masks.items())
    assert difference(document, back.document).is_empty


@pytest.mark.parametrize(
    ("given", "parents", "error", "words"),
    [
        (np.full((2, 4, 4), 0.5, np.float32), {}, StackError, "frame 0: it holds float32 that are no whole"),
        (np.full((2, 4, 4), -3, np.int16), {}, StackError, "frame 0: the label -3 is below 0"),
        (np.ones((2, 4, 4), np.uint8), {1: 7}, PromptError, "no object 7, which is said to be the parent of 1"),
        (
            np.eye(2, dtype=int)[:, None] * [1, 2],
            {1: 2},
            PromptError,
            "object 1 begins on frame 0, and 2, .* on frame 1",
        ),
        (np.full((2, 4, 4), np.nan, np.float32), {}, StackError, "that are no whole numbers"),
        (np.full((2, 4, 4), 1e30, np.float32), {}, StackError, "that are no whole numbers"),
    ],
)
def test_what_is_no_labels_is_refused(given, parents, error, words):
    with pytest.raises(error, match=words):
        import_labels(movie(given), parents)


def test_results_go_out_in_the_formats_that_are_asked_for(tmp_path, labels):
    document, masks = import_labels(movie(labels))
    results = Results(document, masks, movie(np.zeros(labels.shape, np.uint8)))
    export(results, {"labels": tmp_path / "labels.tif", "csv": tmp_path / "objects.csv"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.tif", "objects.csv"]
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif"), labels)
    assert "imported" in (tmp_path / "objects.csv").read_text()
    suffixes = {"tracks": ".xml", "ctc": ""}
    export(
        results,
        {name: tmp_path / f"again-{name}{suffixes.get(name, '.tif')}" for name in FORMATS if name != "error_rate"},
    )
    assert (tmp_path / "again-ctc" / "res_track.txt").is_file()
    assert "<TrackMate" in (tmp_path / "again-tracks.xml").read_text()
    with pytest.raises(StackError, match=r"written as \.geff \(GEFF\) or \.xml"):
        export(results, {"tracks": tmp_path / "tracks.json"})


def test_all_formats_into_a_place_that_cannot_be_written_say_so(tmp_path, labels):
    document, masks = import_labels(movie(labels))
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(StackError, match=r"notes/all cannot be written .*; free some space or choose another folder"):
        export_everything(tmp_path / "notes" / "all", Results(document, masks, movie(labels), "higher"))
    assert (tmp_path / "notes").read_text() == "mine"


def test_all_formats_are_whole_or_not_there_when_the_process_ends_meanwhile(tmp_path):
    """Whoever closes napari while they are written: the threads that zarr writes with are over before this one."""
    script = Path(__file__).with_name("late_exporter.py")
    subprocess.run([sys.executable, script, str(tmp_path / "all")], check=True, capture_output=True)
    assert list(tmp_path.iterdir()) == []


def test_the_table_of_tracks_says_who_came_from_whom(tmp_path):
    labels = np.repeat(np.array([[[1, 0, 5]], [[2, 3, 0]], [[2, 4, 5]]], np.uint8), 2, axis=1)
    document, masks = import_labels(movie(labels), {2: 1, 3: 1, 4: 3})
    export(Results(document, masks, movie(np.zeros_like(labels))), {"track_table": tmp_path / "tracks.csv"})
    header, *lines = (tmp_path / "tracks.csv").read_text().splitlines()
    assert header == "object_id,name,parent,generation,lineage,begin,end,frames,missing,daughters"
    assert lines == [
        "1,,,0,1,0,0,1,0,2 3",
        "2,,1,1,1,1,2,2,0,",
        "3,,1,1,1,1,1,1,0,4",
        "4,,3,2,1,2,2,1,0,",
        "5,,,0,5,0,2,2,1,",
    ]
    assert read_parents(tmp_path / "tracks.csv") == {2: 1, 3: 1, 4: 3}


def test_a_ctc_folder_comes_back_as_it_went_out(tmp_path, rng):
    labels, parents = drawn_truth(rng)
    document, masks = import_labels(movie(np.asarray(labels)), parents)
    results = Results(document, masks, movie(np.zeros(np.shape(labels), np.uint8)))
    export(results, {"ctc": tmp_path / "01_RES"})
    back = open_tracks(tmp_path / "01_RES")
    np.testing.assert_array_equal(np.stack(list(back.labels)), labels)
    assert back.parents == parents


def test_a_frame_that_is_missing_in_a_ctc_folder_is_an_error_and_no_shift(tmp_path, rng):
    labels, parents = drawn_truth(rng)
    document, masks = import_labels(movie(np.asarray(labels)), parents)
    export(Results(document, masks, movie(np.zeros(np.shape(labels), np.uint8))), {"ctc": tmp_path / "01_RES"})
    (tmp_path / "01_RES" / "mask001.tif").unlink()
    with pytest.raises(StackError, match="01_RES has no image of frame 1, but of frames 0 and 2"):
        open_tracks(tmp_path / "01_RES")
    (tmp_path / "01_RES" / "mask000.tif").unlink()  # it begins later, as a part of a movie does
    assert len(open_tracks(tmp_path / "01_RES").labels) == len(labels) - 2


def test_two_parents_of_one_object_are_refused(tmp_path):
    (tmp_path / "tracks.csv").write_bytes("id,parent\r\n2,1\r\n2,\r\n2,1\r\n".encode("utf-16"))  # as Excel does
    assert read_parents(tmp_path / "tracks.csv") == {2: 1}
    (tmp_path / "res_track.txt").write_text("1 0 2 0\n2 3 4 1\n3 0 2 0\n2 3 4 3\n")
    with pytest.raises(PromptError, match="object 2 comes from 1 and from 3"):
        read_parents(tmp_path / "res_track.txt")


@pytest.mark.parametrize("none", ["0", "-1", "-1.0", "", "3"])
def test_an_object_without_a_parent_may_be_said_in_all_usual_ways(tmp_path, none):
    (tmp_path / "tracks.csv").write_text(f"id,parent\n3,{none}\n9,3\n")
    assert read_parents(tmp_path / "tracks.csv") == {9: 3}
