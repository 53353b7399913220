"""A session is its parts: each does its work without the others, and the session's own verbs are theirs."""

from __future__ import annotations

import inspect
import json

import numpy as np
import pytest
import tifffile
from disc_predictor import DiscPredictor

import napari_sam2.document.prompt
import napari_sam2.engine.remembered_frames
from napari_sam2.document.document import Document
from napari_sam2.io.session_images import SessionImages
from napari_sam2.session import Session, SessionSettings
from napari_sam2.session.edits import Edits
from napari_sam2.session.prompts import Prompt
from napari_sam2.session.proposals import Proposals
from napari_sam2.session.remembered import Remembered
from napari_sam2.session.saving import Saving
from napari_sam2.session.state import SessionState
from napari_sam2.session.work import SessionWork
from napari_sam2.stacks import open_stack
from sam2_core.errors import StackError

FRAMES, SIZE = 12, (40, 60)


@pytest.fixture
def session():
    with Session.open(np.zeros((FRAMES, *SIZE), np.uint8), predictor=DiscPredictor()) as made:
        yield made


def public(kind):
    return {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


def test_edits_are_made_and_undone_without_a_model_and_without_files():
    stack = open_stack(np.zeros((FRAMES, *SIZE), np.uint8), "TYX")
    state = SessionState(stack, SessionSettings(), Document())
    edits = Edits(state, Saving(state, SessionImages(stack, stack.axes)))
    told = []
    state.events.document_changed.connect(lambda diff: told.append(diff.keys))
    edits.add_points(1, 3, [(5, 6)])
    assert state.waited_for == {(1, 3)}
    assert edits.undo()
    assert not edits.undo()
    assert told == [((1, 3),), ((1, 3),)]
    assert not state.document.prompts
    assert state.revision == 2


@pytest.mark.parametrize(
    ("part", "kind", "own"),
    [
        ("edits", Edits, set()),
        ("work", SessionWork, {"close", "go_on_from", "ready", "take", "gap_job", "look_at"}),
        (
            "saving",
            Saving,
            {"close", "go_on", "edited", "stepped", "take_images", "run_began", "run_ended", "keep_snapshot", "came"}
            | {"as_one"},
        ),
    ],
)
def test_the_verbs_of_the_parts_are_the_session_s(session, part, kind, own):
    for name in public(kind) - own:
        assert getattr(session, name) == getattr(getattr(session, part), name), name
        assert getattr(session, name).__doc__, name


def test_no_part_has_more_than_twenty_public_methods():
    for kind in (Session, SessionState, Edits, SessionWork, Saving, Proposals):
        properties = [name for name, _ in inspect.getmembers(kind, lambda one: isinstance(one, property))]
        assert len(public(kind)) + len([name for name in properties if not name.startswith("_")]) <= 20, kind


def test_an_edit_is_handed_to_be_saved_before_it_is_told(session, tmp_path):
    session.add_points(1, 0, [(10, 10)])
    folder = session.save(tmp_path / "work.sam2")
    saved = []

    def read(diff):
        session.saving.queue.flush()
        saved.append(len(json.loads((folder / "session.json").read_text())["prompts"]))

    session.events.document_changed.connect(read)
    session.add_points(1, 4, [(10, 10)])
    session.undo()
    assert saved == [2, 1]


def test_settings_that_the_stack_cannot_follow_change_nothing(session):
    session.add_points(1, 0, [(10, 10)])
    list(session.propagate())
    settings, movie, status = session.settings, session.movie, session.status(1).tolist()
    for wrong in ({"channels": (7,)}, {"track_axis": "Z"}):
        with pytest.raises(StackError):
            session.change_settings(**wrong)
        assert (session.settings, session.movie, session.status(1).tolist()) == (settings, movie, status)


def test_an_exported_label_stack_has_room_for_the_ids_of_all_objects(session, tmp_path):
    session.add_points(70_000, 0, [(10, 10)])
    session.export_labels(tmp_path / "masks.tif")
    assert tifffile.imread(tmp_path / "masks.tif").dtype == np.uint32


def test_scripts_of_0_1_find_names_where_they_were():
    assert Prompt is napari_sam2.document.prompt.Prompt
    assert Remembered is napari_sam2.engine.remembered_frames.Remembered
