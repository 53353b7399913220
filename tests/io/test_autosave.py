from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_sam2.document.difference import difference
from napari_sam2.document.document import Document
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.document.proposals import Proposal
from napari_sam2.document.proposing import rejected
from napari_sam2.io import Autosaver, FrameDone, load_session, save_session, session_document, session_masks
from napari_sam2.masks.mask_store import MaskStatus, StoredMask
from sam2_core.errors import StackError

REQUEST = {"direction": "both", "frames": [0, 9]}


def stored(object_id, frame):
    logits = np.random.default_rng((object_id, frame)).normal(4, 4, (7, 6)).astype(np.float32)
    return StoredMask.of_logits(frame, object_id, logits, leg="backward")


@dataclass
class Memory:
    tensors: dict = field(default_factory=lambda: {"bank": torch.arange(6, dtype=torch.bfloat16).reshape(2, 3).T})
    meta: dict = field(default_factory=lambda: {"objects": [1, 2], "next": 4})


@pytest.fixture
def saver(tmp_path, saved):
    with Autosaver.create(tmp_path / "a.sam2", saved) as opened:
        yield opened


def test_masks_are_on_disk_as_soon_as_they_are_put(saver, saved):
    saver.put([((9, 5), stored(9, 5)), ((1, 0), None)])
    saver.put([((2, 0), stored(2, 0).with_status(MaskStatus.stale))])
    masks = dict(load_session(saver.folder).masks)
    assert masks[9, 5] == stored(9, 5)
    assert masks[2, 0].status is MaskStatus.stale
    assert (1, 0) not in masks
    assert len(masks) == len(saved.masks)


def test_a_mask_that_is_removed_and_comes_back_keeps_its_place(saver, saved):
    key, mask = saved.masks[0]
    saver.put([(key, None)])
    saver.put([(key, mask)])
    assert load_session(saver.folder).masks[0] == (key, mask)


def test_a_document_is_saved_alone(saver, saved):
    changed = saved.document.without_object(2)
    saver.save_document(changed)
    saver.save_document(changed, {"model": "other"})
    back = load_session(saver.folder)
    assert difference(changed, back.document).is_empty
    assert back.settings == {"model": "other"}
    assert len(back.masks) == len(saved.masks)


def test_an_edit_that_was_cut_off_has_changed_neither_prompts_nor_masks(tmp_path, saved, monkeypatch):
    """Neither for those who only look, nor for those who go on there."""
    folder, kept = tmp_path / "a.sam2", (9, 5)
    fewer = saved.document.without_object(2)
    gone = [(key, None) for key, _ in saved.masks if key[0] == 2]

    def dies(*_):
        raise OSError("killed")

    with Autosaver.create(folder, saved) as saver:
        saver.save_document(saved.document, changes=[(kept, stored(*kept))])
        with monkeypatch.context() as cut:
            cut.setattr(session_document, "write_atomically", dies)
            with pytest.raises(StackError, match="killed"):
                saver.save_document(fewer, changes=gone)
    assert {2, 9} <= {one for (one, _), _ in load_session(folder).masks}
    saver, back = Autosaver.open(folder)
    with saver:
        assert difference(saved.document, back.document).is_empty
        assert dict(back.masks) == {**dict(saved.masks), kept: stored(*kept)}
        assert not back.notes
        saver.save_document(saved.document, changes=[(kept, None)])
    assert dict(load_session(folder).masks) == dict(saved.masks)


def test_edits_count_though_another_program_changed_the_document(saver, saved):
    saver.save_document(saved.document, changes=[((9, 5), stored(9, 5))])
    path = saver.folder / "session.json"
    path.write_text(path.read_text().replace('"name": "', '"name": "the '))
    assert dict(load_session(saver.folder).masks)[9, 5] == stored(9, 5)


def test_masks_of_frames_that_did_not_change_are_not_looked_at_again(saver, monkeypatch):
    inside = np.ones((4, 4), bool)
    found = {n: Proposal(n % 5, Mask.in_box((32, 40), 2, 2, inside), 0.5, "m") for n in range(1, 11)}
    looked_at = []
    told = session_masks._told
    monkeypatch.setattr(session_masks, "_told", lambda mask: looked_at.append(mask) or told(mask))
    document = Document({}, {}, found)
    saver.save_document(document)
    looked_at.clear()
    saver.save_document(rejected(document, [3]))
    assert not looked_at, "what was decided is no other mask"
    changed = document.with_proposals({3: Proposal(3, Mask.in_box((32, 40), 9, 9, inside), 0.5, "m")})
    saver.save_document(changed)
    assert 0 < len(looked_at) <= 2
    (sheet, *_) = sorted((saver.folder / "prompts").glob("proposals-frame0-*.tif"))
    sheet.unlink()
    saver.save_document(changed)
    assert difference(changed, load_session(saver.folder).document).is_empty


def test_an_interrupted_run_is_known_with_what_it_finished(saver, saved):
    saver.begin_run(REQUEST, saved.document)
    saver.put([((1, 5), stored(1, 5))], FrameDone("forward", 5))
    saver.put([], FrameDone("forward", 6))
    saver.put([((1, 3), stored(1, 3))], FrameDone("backward", 3))
    run = load_session(saver.folder).run
    assert run.request == REQUEST
    assert run.finished == {"forward": (5, 6), "backward": (3,)}
    assert run == saver.run
    saver.end_run()
    assert load_session(saver.folder).run is None


def test_a_run_goes_on_after_it_was_opened_again_and_saved(tmp_path, saved):
    with Autosaver.create(tmp_path / "a.sam2", saved) as first:
        first.begin_run(REQUEST, saved.document)
        first.put([((1, 5), stored(1, 5))], FrameDone("forward", 5))
        first.snapshot(Memory(), FrameDone("forward", 5))
    second, back = Autosaver.open(tmp_path / "a.sam2")
    with second:
        assert back.run.finished == {"forward": (5,)}
        second.put([((1, 6), stored(1, 6))], FrameDone("forward", 6))
        second.save(replace(back, masks=load_session(second.folder).masks))
        second.put([((1, 7), stored(1, 7))], FrameDone("forward", 7))
    again = load_session(tmp_path / "a.sam2")
    assert again.run.finished == {"forward": (5, 6, 7)}
    assert again.snapshot.frame == 5
    assert dict(again.masks)[1, 7] == stored(1, 7)
    assert sorted(path.name for path in second.folder.glob("masks-*")) == ["masks-000002.log"]


@pytest.mark.parametrize("setting", ["model", "overlaps"])
def test_a_run_is_over_when_a_setting_changed_that_masks_depend_on(saver, saved, setting):
    saver.begin_run(REQUEST, saved.document)
    saver.save_document(saved.document, dict(saved.settings) | {setting: "other"})
    assert (load_session(saver.folder).run is None) == (setting == "model")


def test_an_interrupted_run_goes_into_another_folder_with_its_snapshot(tmp_path, saver, saved):
    saver.begin_run(REQUEST, saved.document)
    saver.put([((1, 5), stored(1, 5))], FrameDone("forward", 5))
    saver.snapshot(Memory(), FrameDone("forward", 5))
    with Autosaver.create(tmp_path / "b.sam2", load_session(saver.folder)) as other:
        other.put([], FrameDone("forward", 6))
        assert other.run.finished == {"forward": (5, 6)}
    back = load_session(tmp_path / "b.sam2")
    assert back.run == other.run
    assert torch.equal(back.snapshot.tensors["bank"], Memory().tensors["bank"])
    assert dict(back.masks)[1, 5] == stored(1, 5)
    save_session(tmp_path / "b.sam2", replace(saved, run=None))
    again = load_session(tmp_path / "b.sam2")
    assert (again.run, again.snapshot) == (None, None)
    assert not list((tmp_path / "b.sam2").glob("snapshot-*"))


def test_a_run_whose_prompts_were_changed_since_is_over(tmp_path, saved):
    with Autosaver.create(tmp_path / "a.sam2", saved) as saver:
        saver.begin_run(REQUEST, saved.document)
        saver.put([], FrameDone("forward", 0))
        saver.snapshot(Memory(), FrameDone("forward", 0))
        saver.save_document(saved.document.with_prompts({(1, 0): None}))
    assert load_session(tmp_path / "a.sam2").run is None
    saver, back = Autosaver.open(tmp_path / "a.sam2")
    with saver:
        assert back.run is None
        assert saver.run is None
        assert not list(saver.folder.glob("snapshot-*"))


def test_a_snapshot_comes_back_to_the_bit(saver, saved):
    saver.snapshot(Memory(), FrameDone("forward", 1))
    assert load_session(saver.folder).snapshot is None
    saver.begin_run(REQUEST, saved.document)
    saver.put([], FrameDone("forward", 4))
    saver.snapshot(Memory({"a": Memory().tensors["bank"], "b": np.float32([[1.5]])}), FrameDone("forward", 4))
    snapshot = load_session(saver.folder).snapshot
    assert snapshot.meta == Memory().meta
    assert (snapshot.leg, snapshot.frame) == ("forward", 4)
    assert torch.equal(snapshot.tensors["a"], Memory().tensors["bank"])
    assert snapshot.tensors["a"].dtype == torch.bfloat16
    assert snapshot.tensors["b"].item() == 1.5


def test_a_snapshot_that_is_ahead_of_the_masks_is_passed_over(saver, saved):
    saver.begin_run(REQUEST, saved.document)
    for frame in (2, 4, 6):
        saver.put([], FrameDone("forward", frame))
        saver.snapshot(Memory(), FrameDone("forward", frame + 1 if frame == 6 else frame))
    assert len(list(saver.folder.glob("snapshot-??????.safetensors"))) == 3, "the two newest, and what they need"
    assert load_session(saver.folder).snapshot.frame == 4
    saver.put([], FrameDone("forward", 7))
    assert load_session(saver.folder).snapshot.frame == 7


def test_a_cut_snapshot_is_passed_over(saver, saved):
    saver.begin_run(REQUEST, saved.document)
    for frame in (2, 4):
        saver.put([], FrameDone("forward", frame))
        saver.snapshot(Memory(), FrameDone("forward", frame))
    newest = sorted(saver.folder.glob("snapshot-*"))[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    assert load_session(saver.folder).snapshot.frame == 2


@pytest.mark.parametrize("is_over", [False, True], ids=["in work", "over"])
@pytest.mark.parametrize("which", ["snapshot-000003", "snapshot-000003-kept", "snapshot-000004"])
@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-1] + b"?", lambda data: b"garbage"])
def test_a_damaged_snapshot_is_put_aside_and_never_removed(saver, saved, which, damage, is_over):
    saver.begin_run(REQUEST, saved.document)
    for frame in (2, 4, 6, 8):
        saver.put([], FrameDone("forward", frame))
        saver.snapshot(Memory(), FrameDone("forward", frame))
    if is_over:
        saver.save_document(saved.document.with_prompts({(1, 0): None}))
    saver.close()
    path = saver.folder / f"{which}.safetensors"
    path.write_bytes(damaged := damage(path.read_bytes()))
    again, back = Autosaver.open(saver.folder)
    with again:
        assert (back.run is None) == is_over
        assert back.notes == (f"{which}.safetensors is kept as {which}.damaged-1.safetensors.",)
        again.begin_run(REQUEST, saved.document)
        again.put([], FrameDone("forward", 1))
        again.snapshot(Memory(), FrameDone("forward", 1))
        again.end_run()
    assert [one.name for one in again.folder.glob("snapshot-*")] == [f"{which}.damaged-1.safetensors"]
    assert next(again.folder.glob("snapshot-*")).read_bytes() == damaged
    assert not load_session(saver.folder).notes


@pytest.mark.parametrize("lost", [1, 7, 12, 40])
def test_a_record_that_was_cut_is_dropped_and_writing_goes_on_behind_it(tmp_path, saved, lost):
    with Autosaver.create(tmp_path / "a.sam2", saved) as first:
        first.put([((9, 1), stored(9, 1))])
        log = first.folder / "masks-000001.log"
        whole = log.stat().st_size
        first.put([((9, 2), stored(9, 2)), ((9, 3), stored(9, 3))])
    os.truncate(log, log.stat().st_size - lost)
    assert log.stat().st_size > whole
    second, back = Autosaver.open(tmp_path / "a.sam2")
    with second:
        assert back.notes == (
            f"masks-000001.log ends in a record that is not whole; {len(back.masks)} masks were read.",
        )
        assert {key for key, _ in back.masks if key[0] == 9} == {(9, 1)}
        second.put([((9, 4), stored(9, 4))])
    again = load_session(tmp_path / "a.sam2")
    assert {key for key, _ in again.masks if key[0] == 9} == {(9, 1), (9, 4)}
    assert again.notes == ()


def test_the_folder_has_one_writer(saver, saved):
    for attempt in (
        lambda: Autosaver.open(saver.folder),
        lambda: save_session(saver.folder, saved),
        lambda: Autosaver.create(saver.folder, saved),
    ):
        with pytest.raises(StackError, match=r"is open elsewhere \(another window or process\); close it there"):
            attempt()
    saver.put([((9, 5), stored(9, 5))])
    saver.close()
    with Autosaver.open(saver.folder)[0]:
        assert (9, 5) in dict(load_session(saver.folder).masks)


def test_another_process_cannot_write(saver):
    code = f"from napari_sam2.io import Autosaver; Autosaver.open({str(saver.folder)!r})"
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "is open elsewhere" in outcome.stderr


def test_a_killed_process_loses_at_most_the_frame_in_work(tmp_path, saved):
    """A process says which frame it has put, and is killed in the middle of its work: all these are there."""
    save_session(tmp_path / "a.sam2", saved)
    writer = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("endless_writer.py")), str(tmp_path / "a.sam2")],
        stdout=subprocess.PIPE,
        text=True,
    )
    said = []
    with writer:
        for line in writer.stdout:
            said.append(int(line))
            if len(said) == 60:
                os.kill(writer.pid, signal.SIGKILL)
                said += [int(rest) for rest in writer.stdout if rest.endswith("\n")]
                break
    assert writer.returncode == -signal.SIGKILL
    saver, back = Autosaver.open(tmp_path / "a.sam2")
    saver.close()
    finished = back.run.finished["backward"]
    assert list(finished) == list(range(len(finished)))
    assert set(said) <= set(finished)
    assert len(finished) <= len(said) + 1
    masks = dict(back.masks)
    assert all(masks[object_id, frame] == stored(object_id, frame) for frame in finished for object_id in (11, 12))
    assert back.snapshot.frame in finished
    assert back.snapshot.meta["next"] == back.snapshot.frame
    assert back.notes == ()
