"""What can be undone still can be after reopening, exactly; where it is damaged, nothing else suffers."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from disc_predictor import DiscPredictor
from finding_predictor import FindingPredictor

from napari_sam2.document.prompt_parts import Mask
from napari_sam2.document.proposals import Proposal
from napari_sam2.document.track_events import EventKind, TrackEvent
from napari_sam2.session import Session
from napari_sam2.session.found import Search, propose

FRAMES, SIZE = 12, (40, 60)


@pytest.fixture
def movie(tmp_path):
    np.save(tmp_path / "movie.npy", np.zeros((FRAMES, *SIZE), np.uint8))
    return tmp_path / "movie.npy"


def opened(source):
    return Session.open(source, axes="TYX", predictor=DiscPredictor())


def square(y0=10, x0=10, side=8):
    mask = np.zeros(SIZE, bool)
    mask[y0 : y0 + side, x0 : x0 + side] = True
    return mask


def everything(session):
    document = session.document
    said = (document.prompts, document.objects, document.proposals, document.claims, document.review.decisions)
    return (
        *(dict(one) for one in said),
        list(document.objects),
        (document.divisions, document.events),
        dict(session.masks.items()),
        session.settings,
        (session.undo_text, session.redo_text),
    )


def edit(session):
    """Edit in all kinds of ways."""
    session.add_points(1, 0, [(10, 10)])
    session.add_points(2, 0, [(30, 30)], [1])
    list(session.propagate())
    session.edit_mask(1, 4, square())
    session.edit_mask(1, 5, np.zeros(SIZE, bool))
    session.proposals.add(3, [square(20, 40)], "test", [0.9])
    session.proposals.accept(session.proposals.shown(3))
    session.proposals.add(4, [square(28, 40)], "test", [0.4])
    session.proposals.reject(session.proposals.shown(4))
    session.lineage.divide(2, 6, [3])
    session.rename_object(1, "mother")
    session.remove_object(1)
    session.lineage.add_event(TrackEvent(2, 9, EventKind.dies))
    session.change_settings(even_out=True)
    session.swap_objects(2, 3, 7)


def ways_back(session):
    """All that undo and redo bring, from here to the first step and back to the last."""
    found = []
    while session.undo():
        found.append(everything(session))
    while session.redo():
        found.append(everything(session))
    return found


@pytest.mark.parametrize("saved_before", [True, False], ids=["saved as it goes on", "saved at the end"])
@pytest.mark.parametrize("undone", [0, 3])
def test_undo_and_redo_are_the_same_after_reopening(movie, tmp_path, saved_before, undone):
    session = opened(movie)
    if saved_before:
        session.save(tmp_path / "a.sam2")
    edit(session)
    for _ in range(undone):
        session.undo()
    session.save(tmp_path / "a.sam2")
    before = everything(session)
    session.flush()
    shutil.copytree(tmp_path / "a.sam2", tmp_path / "killed.sam2")
    wanted = ways_back(session)
    session.close()
    (tmp_path / "killed.sam2" / ".lock").unlink(missing_ok=True)
    with opened(tmp_path / "killed.sam2") as again:
        assert not again.notes
        assert everything(again) == before
        found = ways_back(again)
        assert len(found) == len(wanted) > 10
        for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
            assert one == other, number


def test_steps_are_added_before_and_after_reopening(movie, tmp_path):
    with opened(movie) as session:
        session.save(tmp_path / "a.sam2")
        session.add_points(1, 0, [(10, 10)])
        session.rename_object(1, "one")
        session.undo()
    with opened(tmp_path / "a.sam2") as session:
        assert (session.undo_text, session.redo_text) == ("add a point", "rename an object")
        session.redo()
        session.rename_object(1, "two")
    with opened(tmp_path / "a.sam2") as session:
        names = [session.document.objects[1].name]
        while session.undo() and session.document.objects:
            names.append(session.document.objects[1].name)
        assert names == ["two", "one", ""]
        assert not session.document.prompts


@pytest.fixture
def cells(tmp_path):
    """Two squares that stay, of which one is there on frames 3 to 5 alone."""
    images = np.zeros((FRAMES, *SIZE), np.uint8)
    images[:, 25:35, 30:40] = images[3:6, 5:15, 30:40] = 200
    np.save(tmp_path / "cells.npy", images)
    return tmp_path / "cells.npy"


def found_in(source):
    return Session.open(source, axes="TYX", predictor=FindingPredictor())


@pytest.mark.parametrize("saved_before", [True, False], ids=["saved as it goes on", "saved at the end"])
def test_linking_with_what_memory_saw_can_be_undone_after_reopening(cells, tmp_path, saved_before):
    with found_in(cells) as session:
        if saved_before:
            session.save(tmp_path / "a.sam2")
        session.proposals.find(frames=None, diameter_px=10)
        before = len(session.document.proposals)
        assert list(session.proposals.look_on(1)), "memory saw nothing"
        session.proposals.link()
        session.save(tmp_path / "a.sam2")
    with found_in(tmp_path / "a.sam2") as session:
        assert not session.notes
        assert session.undo_text == "link cells"
        session.undo()
        assert session.undo_text == "propose what memory saw"
        assert len(session.document.proposals) > before
        session.undo()
        assert len(session.document.proposals) == before
        assert not session.document.objects


def test_a_session_json_that_another_program_changed_begins_anew(movie, tmp_path):
    with opened(movie) as session:
        session.save(tmp_path / "a.sam2")
        session.add_points(1, 0, [(10, 10)])
        session.rename_object(1, "one")
    path = tmp_path / "a.sam2" / "session.json"
    path.write_text(path.read_text().replace('"one"', '"three"'))
    with opened(tmp_path / "a.sam2") as session:
        assert session.document.objects[1].name == "three"
        assert not session.can_undo
        session.rename_object(1, "four")
    with opened(tmp_path / "a.sam2") as session:
        session.undo()
        assert session.document.objects[1].name == "three"


@pytest.mark.parametrize("damage", ["middle", "cut", "garbage"])
def test_damage_costs_what_can_be_undone_and_nothing_else(movie, tmp_path, damage):
    with opened(movie) as session:
        session.save(tmp_path / "a.sam2")
        edit(session)
        before = everything(session)[:-1]
    (path,) = (tmp_path / "a.sam2").glob("history-*.log")
    held = path.read_bytes()
    middle = len(held) // 2
    path.write_bytes(
        {
            "middle": held[:middle] + bytes([held[middle] ^ 0x20]) + held[middle + 1 :],
            "cut": held[: middle + 7],
            "garbage": b"garbage" * 20,
        }[damage]
    )
    with opened(tmp_path / "a.sam2") as session:
        assert everything(session)[:-1] == before
        assert not session.can_undo
        assert bool(session.notes) is (damage == "middle")
        session.rename_object(2, "after")
    with opened(tmp_path / "a.sam2") as session:
        assert not session.notes
        session.undo()
        assert everything(session)[:-1] == before


def test_what_is_found_after_reopening_is_a_step_of_its_own(tmp_path):
    """A search and a look of memory are one step each, and neither goes on in another process."""
    images = np.zeros((FRAMES, *SIZE), np.uint8)
    images[:, 5:15, 5:15] = images[3:6, 25:35, 30:40] = 200
    np.save(tmp_path / "movie.npy", images)

    def at_work(source):
        return Session.open(source, axes="TYX", predictor=FindingPredictor())

    with at_work(tmp_path / "movie.npy") as session:
        session.change_settings(contrast_limits=((0, 255),))
        session.save(tmp_path / "a.sam2")
        session.proposals.find(frames=range(2, 8), diameter_px=10)
        list(session.proposals.look_on(1))
        before = everything(session)
        assert session.undo()
        session.save()
        assert session.redo()
    with at_work(tmp_path / "a.sam2") as session:
        assert not session.notes
        assert everything(session) == before
        for frame in range(4):
            session.proposals.find(frames=[frame], diameter_px=10)
        found = everything(session)
        for _ in range(4):
            assert session.undo()
        assert everything(session)[:-1] == before[:-1]
        for _ in range(4):
            assert session.redo()
        assert everything(session) == found


def test_what_was_undone_before_a_search_went_on_is_gone_after_reopening_too(tmp_path):
    np.save(tmp_path / "movie.npy", np.zeros((FRAMES, *SIZE), np.uint8))
    seen = np.zeros(SIZE, bool)
    seen[5:15, 5:15] = True

    def at_work(source):
        return Session.open(source, axes="TYX", predictor=FindingPredictor())

    def found(session, frame):
        """Let a search that is under way find something on one more frame."""
        came = [Proposal(frame, Mask(seen), 0.9, "x")]
        propose(session._state, session.proposals._steps, came, Search(frame, "x", run=5))

    with at_work(tmp_path / "movie.npy") as session:
        session.save(tmp_path / "a.sam2")
        found(session, 0)
        session.new_object("mine")
        found(session, 1)
        session.undo()
        session.undo()
        found(session, 2)
        before = everything(session)
        assert not session.can_redo
    with at_work(tmp_path / "a.sam2") as session:
        assert not session.can_redo
        assert everything(session) == before
