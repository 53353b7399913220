"""What a person made reaches the folder, or the person knows that it did not: whatever happens to disk and folder."""

from __future__ import annotations

import os
import resource
import shutil
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace

import numpy as np
import pytest
from disc_predictor import DiscPredictor

from napari_sam2.io import load_session
from napari_sam2.io.autosave import Autosaver
from napari_sam2.session import Session
from sam2_core.errors import StackError

SIZE = (40, 60)


@contextmanager
def full_disk():
    """No file grows any more; the system says so as it does on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def session(tmp_path):
    session = Session.open(np.zeros((6, *SIZE), np.uint8), predictor=DiscPredictor())
    session.add_points(1, 0, [(10, 10)])
    session.save(tmp_path / "work.sam2")
    yield session
    session.close(discard=True)


def paint(session, *object_ids):
    for object_id in object_ids:
        mask = np.zeros(SIZE, bool)
        mask[object_id : object_id + 9, 5:20] = True
        session.edit_mask(object_id, 2, mask)


def tried(session):
    """Wait until the writing thread has done what it can."""
    with pytest.raises(StackError):
        session.saving.queue.flush()


def painted(folder):
    saved = load_session(folder)
    assert saved.notes == ()
    masks = {key for key, _ in saved.masks}
    return {key[0] for key in saved.document.prompts if key in masks}


@pytest.mark.parametrize(
    "occasion",
    [
        lambda session: (session.rename_object(1, "cell"), session.saving.queue.flush()),
        lambda session: session.flush(),
        lambda session: session.close(),
        lambda session: session.save(),
        lambda session: (list(session.propagate()), session.saving.queue.flush()),
    ],
    ids=["edit", "flush", "close", "save", "run"],
)
def test_what_did_not_fit_on_the_disk_is_written_when_there_is_room(session, occasion):
    folder, told = session.folder, []
    session.events.saving_failed.connect(told.append)
    with full_disk():
        paint(session, 2, 3)
        tried(session)
        paint(session, 4)
        tried(session)
        assert session.is_dirty
        assert "cannot be" in session.unsaved
        assert told, "the next edit says so"
        with pytest.raises(StackError, match="cannot be"):
            session.close()
        paint(session, 5)
        assert session.folder == folder, "it is still open"
    occasion(session)
    assert (session.unsaved, session.is_dirty) == ("", False)
    session.flush()
    assert painted(folder) >= {2, 3, 4, 5}


def test_what_cannot_be_saved_here_is_saved_elsewhere_or_let_go(session, tmp_path):
    folder = session.folder
    shutil.rmtree(folder)
    paint(session, 2)
    with pytest.raises(StackError, match=r"not there any more: it was moved, deleted or is out of reach"):
        session.close()
    session.save(tmp_path / "elsewhere.sam2")
    assert painted(tmp_path / "elsewhere.sam2") == {2}
    assert not folder.exists(), "it is not made again unasked"
    paint(session, 3)
    session.flush()
    shutil.rmtree(tmp_path / "elsewhere.sam2")
    session.save(tmp_path / "elsewhere.sam2")
    assert painted(tmp_path / "elsewhere.sam2") == {2, 3}
    shutil.rmtree(tmp_path / "elsewhere.sam2")
    paint(session, 4)
    session.close(discard=True)


def test_a_folder_that_comes_back_gets_what_was_missed_and_another_in_its_place_is_left_alone(session, tmp_path):
    folder, away = session.folder, tmp_path / "away.sam2"
    folder.rename(away)
    shutil.copytree(away, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    paint(session, 2)
    tried(session)
    list(session.run(session.propagate_job()))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    shutil.rmtree(folder)
    away.rename(folder)
    paint(session, 3)
    session.flush()
    assert painted(folder) == {2, 3}


@pytest.mark.parametrize("loss", ["removed", "replaced", "cut", "added to"])
def test_a_log_that_somebody_changed_is_written_anew(session, loss):
    (log,) = session.folder.glob("masks-*.log")
    paint(session, 2)
    session.flush()
    before = log.read_bytes()
    if loss in ("removed", "replaced"):
        log.unlink()
    if loss != "removed":
        log.write_bytes(before[:-9] if loss == "cut" else before + b"x" * (loss == "added to"))
    paint(session, 3)
    folder = session.folder
    session.close()
    assert painted(folder) == {2, 3}


@pytest.mark.parametrize("is_saved", [False, True])
def test_the_newest_document_is_written_however_far_the_disk_is_behind(session, is_saved):
    """Edits before, during and after the begin of a run or a save, while the writing thread is held up."""
    gate = threading.Event()
    session.saving.queue.do(lambda saver: gate.wait())
    session.add_points(1, 0, [(11, 10)])
    if is_saved:
        session.save(wait=False)
    for update in session.propagate("forward"):
        if update.leg == "forward":
            break
    session.add_points(2, 3, [(30, 40)])
    session.rename_object(2, "last")
    gate.set()
    folder = session.folder
    session.close()
    document = load_session(folder).document
    assert document.prompts.keys() == {(1, 0), (2, 3)}
    assert len(document.prompts[1, 0].points_yx) == 2
    assert document.objects[2].name == "last"


def test_a_disk_that_is_behind_holds_up_the_run_and_not_the_person(session):
    gate, kept = threading.Event(), []
    queue = session.saving.queue
    queue.do(lambda saver: gate.wait())
    queue.do_bulky(lambda saver: kept.append("first"))
    lane = threading.Thread(target=lambda: queue.do_bulky(lambda saver: kept.append("second")))
    lane.start()
    paint(session, 2)
    lane.join(0.2)
    assert lane.is_alive(), "it waits until the first is written"
    gate.set()
    lane.join()
    session.flush()
    assert kept == ["first", "second"]


def test_what_numpy_gives_is_saved_like_any_number(tmp_path):
    folder = tmp_path / "work.sam2"
    session = Session.open(np.zeros((6, *SIZE), np.uint8), predictor=DiscPredictor())
    session.save(folder)
    one, two, three = np.arange(1, 4, dtype=np.uint16)
    session.add_points(one, np.int64(0), np.float32([[10, 10]]), np.array([True]))
    session.add_box(np.array(2), np.float64(1), np.float32([3, 4, 20, 30]))
    session.edit_masks(np.int32(2), {three: np.ones(SIZE, bool)})
    session.set_visible(two, np.bool_(False))
    session.set_locked(two, np.True_)
    session.rename_object(one, np.str_("µ"))
    session.rename_object(three, np.int64(7))
    session.change_settings(object_diameter_px=np.float32(12), contrast_limits=np.array([[0.0, 5.0]]))
    list(session.propagate(objects=np.array([1]), frames=range(*np.array([0, 3]))))
    session.swap_objects(one, three, np.int64(4))
    session.close()
    with Session.open(folder, predictor=DiscPredictor()) as again:
        assert again.notes == ()
        assert set(again.document.prompts) == set(session.document.prompts)
        assert again.document.objects == session.document.objects
        assert again.settings == session.settings
        assert dict(again.masks.items()) == dict(session.masks.items())


def test_a_folder_that_can_only_be_read_is_opened_and_said_to_be(session, tmp_path, monkeypatch):
    folder = session.folder
    session.close()
    monkeypatch.setattr("os.access", lambda *about: False)
    with Session.open(folder, predictor=DiscPredictor()) as again:
        assert "can only be read: save the session in another folder" in again.notes[0]
        assert again.folder is None
        again.save(tmp_path / "mine.sam2")
    assert load_session(tmp_path / "mine.sam2").document.prompts.keys() == {(1, 0)}


@pytest.mark.parametrize("name", ["n" * 240, "Zelle a\u0308\u0301.sam2", "work.SAM2", "日本.sam2", "a b'\"#%.sam2"])
def test_a_folder_may_have_any_name(tmp_path, name):
    (tmp_path / "way").symlink_to(tmp_path)
    with Session.open(np.zeros((6, *SIZE), np.uint8), predictor=DiscPredictor()) as session:
        session.save(tmp_path / "way" / name)
        paint(session, 2)
        session.export_labels(tmp_path / ("l" * 240 + ".tif"))
    with Session.open(tmp_path / name, predictor=DiscPredictor()) as again:
        assert set(again.document.prompts) == {(2, 2)}
        again.save()
    assert painted(tmp_path / name) == {2}


def test_a_folder_stays_the_same_wherever_the_process_goes_and_however_it_is_called(session, tmp_path, monkeypatch):
    (tmp_path / "way").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("work.sam2", "./way/../work.sam2", tmp_path / "way" / "work.sam2"):
        session.save(name)
    session.save("other.sam2")
    monkeypatch.chdir("/")
    paint(session, 2)
    session.close()
    assert painted(tmp_path / "other.sam2") == {2}


def test_two_sessions_do_not_write_in_one_folder_though_the_lock_was_removed(session):
    (session.folder / ".lock").unlink()
    with Session.open(session.folder, predictor=DiscPredictor()) as second:
        paint(session, 2)
        with pytest.raises(StackError, match="Another session has taken"):
            session.flush()
        paint(second, 3)
        second.flush()
        assert painted(second.folder) == {3}


@pytest.mark.parametrize("name", ["session.json", "masks-000002.log", "prompts/object2_frame2_*.tif"])
def test_what_may_not_be_read_is_no_damage(session, tmp_path, name):
    folder = session.folder
    paint(session, 2)
    session.save()
    session.close()
    next(folder.glob(name)).chmod(0)
    for one in (folder, tmp_path, tmp_path.parent, tmp_path.parent.parent):
        one.chmod(0o777)
    (folder / ".lock").chmod(0o666)
    before = sorted(folder.rglob("*"))
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(StackError, match=r"cannot be read .*Nothing was changed"):
            Session.open(folder, predictor=DiscPredictor())
    finally:
        os.seteuid(user)
        tmp_path.parent.parent.chmod(0o700)
    assert sorted(folder.rglob("*")) == before


def test_where_something_fails_what_was_to_be_saved_as_one_is_not_saved(session):
    folder = session.folder
    paint(session, 2)
    session.flush()
    with suppress(StackError), session.saving.as_one():
        paint(session, 3)
        raise StackError("at last")
    session.flush()
    assert painted(folder) == {2}
    assert (session.folder, session.is_dirty) == (None, True)
    session.save(folder)
    assert painted(folder) == {2, 3}


def test_what_memory_filled_is_saved_as_one_with_the_edits_before(session, monkeypatch):
    """A process that is killed when it has written the first of what waits has written all of it."""
    job = replace(session.propagate_job(), is_aside=True)
    written = []
    put = Autosaver.put
    monkeypatch.setattr(Autosaver, "put", lambda *args, **kwargs: written.append(args) or put(*args, **kwargs))
    with session.saving.as_one():
        paint(session, 2)
        for update in session.run(job):
            session.accept(update)
        assert painted(session.folder) == set()
    session.flush()
    assert not written
    assert {key for key, _ in load_session(session.folder).masks} == {(1, frame) for frame in range(6)} | {(2, 2)}
