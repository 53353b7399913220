"""`napari-sam2 edit`: words that cut and join tracks in a session folder, all of them or none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from disc_predictor import DiscPredictor

from napari_sam2.cli import main
from napari_sam2.session.session import Session
from sam2_core.checkpoints.identity import weights_here


@pytest.fixture
def folder(work):
    """A session in which objects 1 and 2 are followed over all frames."""
    with Session.open("movie.tif", predictor=DiscPredictor()) as session:
        session.add_points(1, 0, [(10, 12)])
        session.add_points(2, 0, [(30, 30)])
        list(session.propagate())
        session.save("movie.sam2")
    return "movie.sam2"


def frames(folder):
    """Object -> the frames on which it has a mask that is not empty."""
    with Session.open(folder) as session:
        return {
            one: [frame for frame, mask in session.masks.frames(one).items() if not mask.is_empty]
            for one in session.masks.object_ids()
        }


def undo_steps(folder):
    """What can be taken back, the last step last."""
    with Session.open(folder) as session:
        return [step.text for step in session._history.done]


KILLED_AT_A_SWAP = """
import os, sys
from napari_sam2.cli import edit, main

def kill(session, numbers):
    session.flush()  # what was made before has time enough to be written
    os._exit(9)

edit.VERBS["swap"] = edit.VERBS["swap"]._replace(do=kill)
main(["edit", *sys.argv[1:]])
"""


def test_edits_are_made_in_order_and_undone_later(folder, capsys):
    before = frames(folder)
    last = before[1][-1]
    assert main(["edit", folder, "break 1 3", "end 2 1", "delete 3 4", "lock 1"]) == 0
    after = frames(folder)
    assert after[1] == [0, 1, 2]
    assert after[3] == [3]
    assert after[2] == [0, 1]
    assert "break 1 3" in capsys.readouterr().out
    assert main(["edit", folder, "--undo", "4"]) == 0
    assert frames(folder) == before
    assert main(["edit", folder, "--redo", "1"]) == 0
    assert frames(folder)[3] == list(range(3, last + 1))


def test_a_division_is_taken_away(folder, capsys):
    assert main(["edit", folder, "divide 1 3 1 2"]) == 0
    with Session.open(folder) as session:
        assert [(one.mother, one.frame) for one in session.document.divisions] == [(1, 3)]
    assert main(["edit", folder, "undivide 1 3"]) == 0
    with Session.open(folder) as session:
        assert session.document.divisions == ()
        assert all(info.parent is None for info in session.document.objects.values())
        assert session.undo_text == "take a division away"
    assert main(["edit", folder, "undivide 1 3"]) == 1
    assert "object 1 does not divide on frame 3" in " ".join(capsys.readouterr().err.split())


def test_all_edits_of_a_file_are_made_or_none(folder, tmp_path, capsys):
    before = frames(folder)
    edits = tmp_path / "edits.txt"
    edits.write_text("# what was seen\nend 1 2\n\nmerge 2 9  # there is no 9\n")
    assert main(["edit", folder, "--file", str(edits)]) == 1
    said = capsys.readouterr().err
    assert "merge 2 9" in said
    assert "Nothing was changed" in said.replace("\n", " ")
    assert frames(folder) == before


def test_more_edits_than_can_be_taken_back_are_refused(folder, tmp_path, capsys):
    """The first one deletes, and the last one cannot be: all between would have to be undone for it."""
    before = frames(folder)
    edits = tmp_path / "edits.txt"
    edits.write_text("end 1 2\n" + "lock 2\nunlock 2\n" * 150 + "merge 2 9\n")
    assert main(["edit", folder, "--file", str(edits)]) == 1
    assert "302 edits are more than can be taken back" in " ".join(capsys.readouterr().err.split())
    assert frames(folder) == before


@pytest.mark.parametrize("edits", [["break 1 3", "swap 1 2 5"], ["swap 1 2 5"], ["end 2 6", "begin 1 2", "swap 1 2 5"]])
def test_a_process_that_is_killed_between_two_edits_has_made_none(folder, edits):
    before, steps = frames(folder), undo_steps(folder)
    killed = subprocess.run([sys.executable, "-c", KILLED_AT_A_SWAP, folder, *edits], check=False)
    assert killed.returncode == 9
    assert (frames(folder), undo_steps(folder)) == (before, steps)
    assert main(["edit", folder, *edits]) == 0
    assert len(undo_steps(folder)) == len(steps) + len(edits)


@pytest.mark.parametrize("written", ["utf-8-sig", "utf-16"])
def test_edits_are_read_as_editors_of_windows_write_them(folder, work, written):
    (work / "edits.txt").write_bytes("lock 1\r\n\r\nlock 2  # größer\r\n".encode(written))
    assert main(["edit", folder, "--file", "edits.txt"]) == 0
    with Session.open(folder) as session:
        assert session.document.locked == {1, 2}


@pytest.mark.parametrize("arguments", [["end 1 2", "merge 2 9"], ["--undo", "50"], ["--redo", "2"]])
def test_what_fails_leaves_the_steps_as_they_were(folder, arguments):
    assert main(["edit", folder, "end 1 4"]) == 0
    assert main(["edit", folder, "--undo", "1"]) == 0
    before, steps = frames(folder), undo_steps(folder)
    assert main(["edit", folder, *arguments]) == 1
    assert (frames(folder), undo_steps(folder)) == (before, steps)
    assert main(["edit", folder, "--redo", "1"]) == 0
    assert frames(folder)[1] == list(range(5))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "say one or more edits"),
        (["divide 1"], 1, "write divide MOTHER FRAME"),
        (["cut 1 2"], 1, "is no edit; use divide"),
        (["end one 2"], 1, "whole numbers are expected"),
        (["--undo", "50"], 1, "there are only"),
        (['end "1 2'], 1, "is no edit (No closing quotation)"),
        (["divide 1 3 2 2"], 1, "object 1 cannot divide into [2, 2]; give each once"),
        (["swap 1 2 99"], 1, "there is no frame 99"),
        (["swap 1 2 -1"], 1, "there is no frame -1"),
    ],
)
def test_what_cannot_be_is_said_in_words(folder, capsys, arguments, code, words):
    assert main(["edit", folder, *arguments]) == code
    assert words in " ".join(capsys.readouterr().err.split())


def test_where_images_are_that_were_moved_can_be_said_and_is_kept(folder, work, capsys):
    Path("movie.tif").rename("moved.tif")
    for words in (["edit", folder, "lock 1"], ["export", folder, "--csv", "a.csv"], ["track", "--session", folder]):
        assert main(words) == 1
        said = " ".join(capsys.readouterr().err.split())
        assert f"The images of {folder} are not at {work / 'movie.tif'}" in said
        assert "--images" in said
    tifffile.imwrite("other.tif", np.zeros((10, 40, 60), np.uint16), imagej=True, metadata={"axes": "TYX"})
    assert main(["edit", folder, "lock 1", "--images", "other.tif"]) == 1
    assert "is not the stack that the session was made on" in " ".join(capsys.readouterr().err.split())
    assert main(["edit", folder, "lock 1", "--images", "moved.tif"]) == 0
    assert main(["edit", folder, "lock 2"]) == 0
    with Session.open(folder) as session:
        assert session.document.locked == {1, 2}
        assert session.stack.path == str(work / "moved.tif")


def test_a_folder_that_is_no_session_is_an_error(work, capsys):
    assert main(["edit", str(work), "end 1 2"]) == 1
    assert "is no session folder" in " ".join(capsys.readouterr().err.split())


def test_other_weights_than_those_that_made_the_masks_are_said(folder, capsys):
    path = Path(folder) / "session.json"
    content = json.loads(path.read_text())
    made = {"name": "cells-nano", "version": "0.9", "sha256": "0" * 64}
    path.write_text(json.dumps(content | {"weights": [made]}))
    before = frames(folder)
    assert main(["edit", folder, "lock 1"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "were made with cells-nano 0.9 (sha256 000000000000)" in said
    assert f"will be of {weights_here('cells-nano')}" in said
    assert frames(folder) == before


def test_a_daughter_who_loses_her_mother_by_a_merge_is_told(folder, capsys):
    assert main(["edit", folder, "break 1 3", "divide 1 3 3 2"]) == 0
    capsys.readouterr()
    before = Session.open(folder)
    daughters = [one for one, info in before.document.objects.items() if info.parent == 1]
    earlier = [one for one in before.document.objects if one not in (*daughters, 1)]
    before.close()
    assert main(["edit", folder, f"merge {daughters[0]} {earlier[0]}"]) == 0
    assert f"{daughters[0]} has no parent any more" in capsys.readouterr().out.replace("\n", " ")
