"""Exports of a session: label stacks, the table of objects, CTC folders."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_sam2.document.document import Document
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.prompt import Prompt
from napari_sam2.io import SavedSession, StackRecord, read_prompts, save_session, write_prompts
from napari_sam2.io.ctc_files import TRUTH, export_ctc
from napari_sam2.io.label_array import ResultLabels
from napari_sam2.io.object_table import export_table
from napari_sam2.io.results import Results, export_labels
from napari_sam2.io.spots import tracks_layer
from napari_sam2.masks.mask_store import MaskStatus, MaskStore, Overlaps, StoredMask
from napari_sam2.session.saved_results import open_results
from napari_sam2.stacks import open_stack
from sam2_core.errors import StackError

SIZE = (12, 16)


def square(y, x, side=3, logit=2.0, status=MaskStatus.tracked):
    return StoredMask.of_logits(y, x, np.full((side, side), logit, np.float32), status)


def results(frames, *objects, overlaps=Overlaps.logits):
    """Results on a movie in memory: `frames` maps (object, frame) to a mask."""
    count = max(frame for _, frame in frames) + 1
    store = MaskStore(SIZE, count)
    for key, mask in frames.items():
        store.put(key, mask)
    movie = open_stack(np.zeros((count, *SIZE), np.uint8), "TYX").movie()
    known = {object_id for object_id, _ in frames} - {info.object_id for info in objects}
    return Results(Document.of([], [*objects, *map(ObjectInfo, sorted(known))]), store, movie, overlaps)


def ctc(folder):
    lines = (folder / "res_track.txt").read_text().splitlines()
    images = [tifffile.imread(path) for path in sorted(folder.glob("mask*.tif"))]
    return [tuple(int(word) for word in line.split()) for line in lines], images


def test_labels_of_a_session_folder_are_those_of_its_masks(tmp_path, caplog):
    frames = {(1, 0): square(2, 2), (70000, 0): square(3, 3, logit=5), (1, 2): square(8, 9)}
    tifffile.imwrite(
        tmp_path / "movie.tif",
        np.zeros((3, *SIZE), np.uint8),
        imagej=True,
        resolution=(4, 4),
        metadata={"axes": "TYX", "unit": "um"},
    )
    stack = open_stack(tmp_path / "movie.tif")
    made = results(frames)
    saved = SavedSession(
        made.document, made.masks.items(), {}, str(tmp_path / "movie.tif"), stack=StackRecord.of(stack)
    )
    save_session(tmp_path / "movie.sam2", saved)
    opened = open_results(tmp_path / "movie.sam2")
    for name in ("labels.tif", "labels.zarr"):
        export_labels(tmp_path / name, opened)
        back = open_stack(tmp_path / name)
        assert back.dtype == np.uint32
        assert back.calibration.scale["Y"] == pytest.approx(0.25)
        for frame, labels in enumerate(back.movie()):
            np.testing.assert_array_equal(labels, made.labels(frame))
    assert opened.labels(0)[4, 4] == 70000
    assert not caplog.messages
    tifffile.imwrite(tmp_path / "movie.tif", np.ones((3, *SIZE), np.uint8), photometric="minisblack")
    np.testing.assert_array_equal(open_results(tmp_path / "movie.sam2").labels(0), opened.labels(0))
    assert "pixels changed since" in caplog.text
    tifffile.imwrite(tmp_path / "movie.tif", np.ones((2, *SIZE), np.uint8), photometric="minisblack")
    with pytest.raises(StackError, match="not the stack that the session was made on"):
        open_results(tmp_path / "movie.sam2")


def test_a_session_on_an_array_says_that_its_images_cannot_be_found(tmp_path, saved):
    save_session(tmp_path / "a.sam2", saved)
    with pytest.raises(StackError, match="was made on an array in memory"):
        open_results(tmp_path / "a.sam2")
    save_session(tmp_path / "a.sam2", replace(saved, source=str(tmp_path / "movie.tif"), settings={"colour": 1}))
    with pytest.raises(StackError, match="the setting colour cannot be 1: Extra inputs"):
        open_results(tmp_path / "a.sam2")


def test_the_table_measures_what_the_labels_show(tmp_path):
    frames = {(1, 0): square(2, 2), (2, 0): square(3, 3, logit=5), (1, 1): StoredMask.empty(score=-3.5)}
    made = results(frames, ObjectInfo(1, "mother"), ObjectInfo(2, parent=1))
    movie = open_stack(np.zeros((2, *SIZE), np.uint8), "TYX")
    calibration = replace(movie.calibration, scale={"Y": 0.5, "X": 2.0}, units={"Y": "µm", "X": "µm"})
    made = replace(made, movie=replace(movie, calibration=calibration).movie())
    export_table(tmp_path / "objects.csv", made)
    rows = list(csv.DictReader((tmp_path / "objects.csv").read_text(encoding="utf-8").splitlines()))
    first, second, absent = rows
    assert (first["object_id"], first["name"], first["status"], first["area_px"]) == ("1", "mother", "tracked", "5")
    assert (second["parent"], second["area_px"], second["area"], second["unit"]) == ("1", "9", "9", "µm")
    assert (second["y_px"], second["x_px"], second["y"], second["x"]) == ("4.00", "4.00", "2", "8")
    assert (absent["frame"], absent["status"], absent["score"]) == ("1", "absent", "-3.5")
    assert (absent["area_px"], absent["y_px"]) == ("0", "")
    export_table(tmp_path / "whole.csv", replace(made, overlaps=Overlaps.allowed))
    assert next(csv.DictReader((tmp_path / "whole.csv").read_text().splitlines()))["area_px"] == "9"


def test_a_table_of_pixels_has_no_units(tmp_path):
    export_table(tmp_path / "objects.csv", results({(1, 0): square(0, 0)}))
    header, row = (tmp_path / "objects.csv").read_text().splitlines()
    assert header == (
        "object_id,name,parent,frame,status,score,area_px,y_px,x_px,major_px,minor_px,speed_px,mean_intensity"
    )
    assert row == "1,,,0,tracked,,9,1.00,1.00,3.27,3.27,,0"


def test_only_what_the_model_said_is_a_score(tmp_path):
    made = {(1, 0): square(0, 0).with_status(MaskStatus.found), (1, 1): replace(square(0, 0), score=6.5)}
    made |= {
        (2, 0): square(6, 0).with_status(MaskStatus.imported),
        (2, 1): StoredMask.of_drawn(square(6, 0).drawn(SIZE)),
    }
    export_table(tmp_path / "objects.csv", results(made, ObjectInfo(1, score=0.8), ObjectInfo(2)))
    rows = csv.DictReader((tmp_path / "objects.csv").read_text().splitlines())
    assert {(row["status"], row["score"]) for row in rows} == {
        ("found", ""),
        ("tracked", "6.5"),
        ("imported", ""),
        ("edited", ""),
    }


def test_speed_and_the_intensities_of_all_channels_are_measured(tmp_path):
    made = results({(1, 0): square(0, 0), (1, 2): square(3, 4)})
    stored = np.zeros((3, 4, *SIZE), np.uint16)  # four channels, of which a model sees one
    stored[0, 3, 0:3, 0:3], stored[2, 1] = 700, 5
    movie = open_stack(stored, "TCYX").movie(channel=0)
    export_table(tmp_path / "objects.csv", replace(made, movie=movie))
    first, second = csv.DictReader((tmp_path / "objects.csv").read_text().splitlines())
    assert (first["speed_px"], second["speed_px"]) == ("", "2.500")  # 5 px in two frames
    assert [first[f"mean_channel{n}"] for n in range(4)] == ["0", "0", "0", "700"]
    assert second["mean_channel1"] == "5"


def test_ctc_tracks_have_no_gaps_and_parents_end_before_their_children(tmp_path):
    frames = {(1, frame): square(0, 0) for frame in range(6)}  # a mother that keeps her id
    frames |= {(2, frame): square(4, 4) for frame in (3, 4, 5)}  # her daughter
    frames |= {(5, frame): square(8, 8) for frame in (0, 1, 4)}  # absent for a while
    tracks = export_ctc(tmp_path / "01_RES", results(frames, ObjectInfo(2, parent=1)))
    lines, images = ctc(tmp_path / "01_RES")
    assert lines == [(1, 0, 2, 0), (2, 3, 5, 1), (5, 0, 1, 0), (6, 3, 5, 1), (7, 4, 4, 5)]
    assert sorted((track.label, track.begin, track.end, track.parent) for track in tracks) == lines
    assert all(image.dtype == np.uint16 for image in images)
    for label, begin, end, parent in lines:
        assert [frame for frame, image in enumerate(images) if (image == label).any()] == list(range(begin, end + 1))
        assert parent == 0 or next(line for line in lines if line[0] == parent)[2] < begin
    np.testing.assert_array_equal(images[0], results(frames).labels(0))


def test_a_mother_that_ended_is_the_parent_of_both_daughters(tmp_path):
    frames = {(1, 0): square(0, 0), (1, 1): square(0, 0), (2, 2): square(0, 0), (3, 2): square(5, 5)}
    export_ctc(tmp_path / "ctc", results(frames, ObjectInfo(1), ObjectInfo(2, parent=1), ObjectInfo(3, parent=1)))
    assert ctc(tmp_path / "ctc")[0] == [(1, 0, 1, 0), (2, 2, 2, 1), (3, 2, 2, 1)]


def test_ctc_frames_without_objects_have_an_image_and_large_ids_become_small(tmp_path):
    export_ctc(tmp_path / "ctc", results({(70000, 3): square(0, 0), (9, 1): square(5, 5)}), TRUTH)
    names = sorted(path.name for path in (tmp_path / "ctc").iterdir())
    assert names == ["man_track.txt", *(f"man_track{frame:03d}.tif" for frame in range(4))]
    assert (tmp_path / "ctc" / "man_track.txt").read_text() == "1 1 1 0\n2 3 3 0\n"
    assert not tifffile.imread(tmp_path / "ctc" / "man_track000.tif").any()


def test_an_earlier_ctc_result_is_replaced_when_the_new_one_is_whole(tmp_path, monkeypatch):
    export_ctc(tmp_path / "ctc", results({(1, frame): square(0, 0) for frame in range(6)}))
    before = {path.name: path.read_bytes() for path in (tmp_path / "ctc").iterdir()}
    new = results({(2, frame): square(4, 4) for frame in range(3)})

    def full(*given, **options):
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(tifffile, "imwrite", full)
        with pytest.raises(StackError, match="No space left"):
            export_ctc(tmp_path / "ctc", new)
    assert {path.name: path.read_bytes() for path in (tmp_path / "ctc").iterdir()} == before
    export_ctc(tmp_path / "ctc", new)
    lines, images = ctc(tmp_path / "ctc")
    assert (lines, len(images)) == ([(2, 0, 2, 0)], len(new.movie))
    assert [path.name for path in tmp_path.iterdir()] == ["ctc"]


def test_ctc_files_replace_nothing_else(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StackError, match="is not empty; choose a new folder"):
        export_ctc(tmp_path, results({(1, 0): square(0, 0)}))
    with pytest.raises(StackError, match="create it first"):
        export_ctc(tmp_path / "no" / "ctc", results({(1, 0): square(0, 0)}))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_prompts_of_a_document_are_a_prompt_file(tmp_path):
    document = Document.of([Prompt(3, 1, ((2.0, 3.0),), (1,)), Prompt(1, 0, box_yx=(1.0, 1.0, 5.0, 5.0))])
    write_prompts(tmp_path / "prompts.json", list(document.prompts.values()))
    assert {(one.object_id, one.frame) for one in read_prompts(tmp_path / "prompts.json")} == set(document.prompts)


def test_labels_as_an_array_are_made_frame_by_frame_and_can_leave_out_what_is_stale():
    frames = {(1, 0): square(0, 0), (1, 1): square(1, 1, status=MaskStatus.stale), (2, 1): square(6, 6)}
    frames |= {(4, 1): square(9, 9, status=MaskStatus.stale)}
    made = results(frames, ObjectInfo(4, locked=True))
    array = ResultLabels(made)
    whole = np.stack(list(made.frames()))
    np.testing.assert_array_equal(array[:], whole)
    np.testing.assert_array_equal(array[1, 2:8, ::2], whole[1, 2:8, ::2])
    assert array[2:].shape == (0, *SIZE)
    good = open_stack(ResultLabels(made, {MaskStatus.tracked}), "TYX").movie()
    assert [np.unique(labels).tolist() for labels in good] == [[0, 1], [0, 2, 4]]


def test_an_object_under_another_is_on_no_track_there(tmp_path):
    frames = {(1, frame): square(0, 0, side=2) for frame in range(4)} | {(2, 2): square(0, 0, side=5, logit=9)}
    export_ctc(tmp_path / "ctc", results(frames))
    lines, images = ctc(tmp_path / "ctc")
    assert lines == [(1, 0, 1, 0), (2, 2, 2, 0), (3, 3, 3, 1)]
    assert [sorted(set(np.unique(image)) - {0}) for image in images] == [[1], [1], [2], [3]]
    assert set(results(frames, overlaps=Overlaps.keep).tracks()) == {1, 2}


def test_a_layer_of_tracks_has_the_lineage(tmp_path):
    frames = {(1, 0): square(0, 0), (2, 1): square(0, 0), (3, 1): square(6, 8), (3, 2): square(6, 9)}
    made = results(frames, ObjectInfo(1), ObjectInfo(2, parent=1), ObjectInfo(3, parent=1), ObjectInfo(9, parent=3))
    made = replace(made, movie=open_stack(np.zeros((3, *SIZE), np.uint8), "TYX").movie())
    data, graph = tracks_layer(made)
    assert data.tolist() == [[1, 0, 1, 1], [2, 1, 1, 1], [3, 1, 7, 9], [3, 2, 7, 10]]
    assert graph == {2: [1], 3: [1]}
    layers = pytest.importorskip("napari.layers")
    assert layers.Tracks(data, graph=graph).graph == graph
