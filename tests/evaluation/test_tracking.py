"""`evaluate --tracking`: truth and result in whatever they come, numbers, a table, and a picture of both lineages."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.cli import main
from napari_sam2.evaluation.lineage_picture import lineage_panels
from napari_sam2.evaluation.tracking import open_judged
from napari_sam2.io import SavedSession, save_session
from napari_sam2.io.imports import import_labels
from napari_sam2.io.results import Results
from napari_sam2.io.track_files import read_parents
from napari_sam2.io.tracked import TrackedLabels
from napari_sam2.io.trackmate_xml import export_trackmate
from napari_sam2.stacks import open_stack
from sam2_core.errors import PromptError, StackError
from sam2_core.scoring.tracking import judge_tracking, paired_tracks

PARENTS = {2: 1, 3: 1}


def drawn(*rows):
    return np.repeat(np.repeat(np.array(rows, np.uint16)[:, None], 6, axis=1), 6, axis=2)  # (T, 6, 12)


def write_stack(path, labels):
    tifffile.imwrite(path, labels, metadata={"axes": "TYX"}, photometric="minisblack")


TRUTH = drawn((1, 0), (1, 0), (2, 3))
LATE = drawn((1, 0), (1, 0), (1, 3))


@pytest.fixture
def truth(tmp_path):
    (tmp_path / "truth").mkdir()
    write_stack(tmp_path / "truth" / "masks.tif", TRUTH)
    (tmp_path / "truth" / "tracks.csv").write_text("id,first_frame,last_frame,parent_id\n1,0,1,0\n2,2,2,1\n3,2,2,1\n")
    return tmp_path / "truth"


def as_ctc(folder):
    folder.mkdir()
    for frame, labels in enumerate(LATE):
        tifffile.imwrite(folder / f"mask{frame:03d}.tif", labels)
    (folder / "res_track.txt").write_text("1 0 2 0\n3 2 2 0\n")


def as_labels(path):
    write_stack(path, LATE)


def as_session(folder, labels=LATE, parents=None):
    document, masks = import_labels(open_stack(labels, "TYX").movie(), parents)
    images = folder.with_name("images.tif")
    write_stack(images, np.zeros(labels.shape, np.uint8))
    save_session(folder, SavedSession(document, masks.items(), source=str(images), axes="TYX"))


@pytest.mark.parametrize(("write", "name"), [(as_ctc, "01_RES"), (as_labels, "res.tif"), (as_session, "a.sam2")])
def test_a_result_of_any_kind_is_judged(tmp_path, truth, write, name, capsys):
    write(tmp_path / name)
    assert main(f"evaluate {tmp_path / name} --tracking --truth {truth} --out {tmp_path / 'out'}".split()) == 0
    (row,) = json.loads((tmp_path / "out" / "evaluation.json").read_text())["rows"]
    assert row["kind"] == "tracking"
    values = row["values"]
    assert (values["seg"], values["det"], values["links_found"], values["division_f1_0"]) == (1, 1, 2 / 3, 0)
    assert (values["fn_links"], values["ws_links"]) == (1, 1)
    assert "| TRA |" in (tmp_path / "out" / "evaluation.md").read_text()
    assert "TRA" in capsys.readouterr().out
    with Image.open(tmp_path / "out" / "truth.png") as picture:
        colours = {colour for _, colour in picture.getcolors(2**16)}
    assert {(60, 230, 90), (255, 50, 50)} <= colours


def test_a_table_of_parents_beside_a_label_stack(tmp_path, truth):
    write_stack(tmp_path / "res.tif", TRUTH)
    (tmp_path / "parents.csv").write_text("label;parent\n2;1\n3;1\n1;\n")
    line = (
        f"evaluate {tmp_path}/res.tif --tracking --truth {truth} --out {tmp_path}/out --parents {tmp_path}/parents.csv"
    )
    assert main(line.split()) == 0
    (row,) = json.loads((tmp_path / "out" / "evaluation.json").read_text())["rows"]
    assert (row["values"]["tra"], row["values"]["division_f1_0"]) == (1, 1)


def test_tracks_of_another_movie_are_refused(tmp_path, truth, capsys):
    write_stack(tmp_path / "res.tif", TRUTH[:2])
    assert main(f"evaluate {tmp_path}/res.tif --tracking --truth {truth} --out {tmp_path}/out".split()) == 1
    assert "(2, 6, 12)" in capsys.readouterr().err


def test_the_parents_of_a_session_are_its_own(tmp_path):
    as_session(tmp_path / "a.sam2", TRUTH, PARENTS)
    judged = open_judged(tmp_path / "a.sam2")
    assert judged.parents == PARENTS
    np.testing.assert_array_equal(np.stack(list(judged.labels)), TRUTH)


def test_a_file_of_trackmate_is_judged_by_its_outlines(tmp_path):
    results = Results(*import_labels(open_stack(TRUTH, "TYX").movie(), PARENTS), open_stack(TRUTH, "TYX").movie())
    export_trackmate(tmp_path / "a.xml", results)
    judged = open_judged(tmp_path / "a.xml")
    truth = TrackedLabels(open_stack(TRUTH, "TYX").movie(), PARENTS)
    metrics = judge_tracking(truth.labels, judged.labels, truth.parents, judged.parents)
    assert (metrics.seg, metrics.tra, metrics.division_f1[0]) == (1, 1, 1)


def test_places_without_outlines_cannot_be_judged(tmp_path):
    (tmp_path / "a.csv").write_text("track_id,frame,y,x\n1,0,2,3\n")
    with pytest.raises(StackError, match="places without outlines, and scores are of masks"):
        open_judged(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "1 0 2\n", "line 1: '1 0 2' is no line of a CTC table"),
        ("a.csv", "object,mother\n1,0\n", "has the columns object, mother"),
        ("a.csv", "id,parent\n1,x\n", "parent is 'x'; a number is needed"),
    ],
)
def test_a_table_that_says_no_parents_is_refused(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(PromptError, match=words):
        read_parents(tmp_path / name)


def test_a_fork_stands_over_its_daughters():
    paired = paired_tracks(TRUTH, LATE, PARENTS, {})
    ((truth, found),) = lineage_panels(paired)
    assert truth.columns.tolist() == [0.5, 0.5, 0, 1]
    assert truth.right.tolist() == [False, True, True, False]
    assert found.right.tolist() == [False, True, True, False]
    assert len(found.nodes) == 4
