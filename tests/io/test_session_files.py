from __future__ import annotations

import json
import shutil
from dataclasses import replace
from importlib import metadata

import numpy as np
import pytest
import tifffile

from napari_sam2.document.claims import LinkClaims, Rival
from napari_sam2.document.difference import difference
from napari_sam2.document.document import Document
from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.document.proposals import Proposal, ProposalState
from napari_sam2.document.track_events import Division, EventKind, TrackEvent
from napari_sam2.io import Autosaver, SavedSession, StackRecord, is_session_folder, load_session, save_session
from napari_sam2.io.session_files import run_fingerprint
from napari_sam2.masks.mask_store import MaskStatus, MaskStore, Overlaps, StoredMask
from napari_sam2.stacks import Stack, open_stack
from sam2_core.errors import StackError


def edit(folder, **changes):
    path = folder / "session.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_is_saved_comes_back_to_the_bit(tmp_path, saved):
    save_session(tmp_path / "movie.sam2", saved)
    back = load_session(tmp_path / "movie.sam2")
    assert difference(saved.document, back.document).is_empty
    assert list(back.document.objects) == list(saved.document.objects)
    assert list(back.masks) == sorted(saved.masks, key=lambda item: item[0][1])
    assert (back.settings, back.axes, back.source) == (saved.settings, "TYX", None)
    assert (back.run, back.snapshot, back.notes) == (None, None, ())


def test_an_emptied_mask_and_an_absent_one_survive(tmp_path):
    document = Document.of([Prompt(1, 0, mask=np.zeros((6, 7), bool))])
    masks = [((1, 0), StoredMask.of_mask(np.zeros((6, 7), bool))), ((1, 1), StoredMask.empty())]
    save_session(tmp_path / "a.sam2", SavedSession(document, masks))
    back = load_session(tmp_path / "a.sam2")
    assert difference(document, back.document).is_empty
    assert [mask.status for _, mask in back.masks] == [MaskStatus.edited, MaskStatus.absent]


def test_masks_keep_the_age_by_which_overlaps_are_kept(tmp_path, saved):
    full = np.ones((4, 4), np.float32)
    masks = [((5, 0), StoredMask.of_logits(0, 0, full)), ((2, 0), StoredMask.of_logits(0, 0, full * 9))]
    save_session(tmp_path / "a.sam2", replace(saved, masks=masks))
    store = MaskStore((4, 4), 1)
    for key, mask in load_session(tmp_path / "a.sam2").masks:
        store.put(key, mask)
    assert np.unique(store.labels(0, overlaps=Overlaps.keep)).tolist() == [5]


def test_the_source_is_found_when_folder_and_images_move_together(tmp_path, saved):
    (tmp_path / "old").mkdir()
    tifffile.imwrite(tmp_path / "old" / "movie.tif", np.zeros((5, 8, 8), np.uint8), photometric="minisblack")
    save_session(tmp_path / "old" / "movie.sam2", replace(saved, source=str(tmp_path / "old" / "movie.tif")))
    content = json.loads((tmp_path / "old" / "movie.sam2" / "session.json").read_text())
    assert content["source"]["path"] == "../movie.tif"
    shutil.move(tmp_path / "old", tmp_path / "new")
    assert load_session(tmp_path / "new" / "movie.sam2").source == str(tmp_path / "new" / "movie.tif")
    (tmp_path / "new" / "movie.tif").unlink()
    assert load_session(tmp_path / "new" / "movie.sam2").source == str(tmp_path / "old" / "movie.tif")


@pytest.mark.parametrize("place", [(0, 2, 3), (1, 0, 0), (3, 7, 7), (4, 1, 1)])
def test_another_stack_in_the_place_of_the_first_is_noticed(tmp_path, saved, rng, place):
    frames = rng.integers(0, 255, (5, 8, 8), np.uint8)
    record = StackRecord.of(open_stack(frames, "TYX"))
    save_session(tmp_path / "a.sam2", replace(saved, stack=record))
    back = load_session(tmp_path / "a.sam2").stack
    back.check(open_stack(frames.copy(), "TYX"))
    changed = frames.copy()
    changed[place] ^= 1
    assert not back.is_of(open_stack(changed, "TYX"))
    with pytest.raises(StackError, match=r"not the stack that the session was made on: its (fingerprint|content) is"):
        back.check(open_stack(changed, "TYX"))
    with pytest.raises(StackError, match=r"its shape is \(2, 8, 8\), and the session's \(5, 8, 8\)"):
        back.check(open_stack(frames[:2], "TYX"))


def test_of_a_large_stack_planes_are_read_that_are_spread_over_it(rng, monkeypatch):
    monkeypatch.setattr("napari_sam2.io.saved_session.MOST_READ", 10 * 64)
    frames = rng.integers(0, 255, (4, 25, 8, 8), np.uint8)
    read = []

    class Watched:
        shape, dtype = frames.shape, frames.dtype

        def __getitem__(self, index):
            read.append(index[:2])
            return frames[index]

    StackRecord.of(Stack(Watched(), "TZYX", "large"))
    assert set(read) == {(number // 25, number % 25) for number in np.linspace(0, 99, 10).round().astype(int)}


def test_a_record_of_an_older_session_goes_by_its_fingerprint(rng):
    frames = rng.integers(0, 255, (5, 8, 8), np.uint8)
    older = replace(StackRecord.of(open_stack(frames, "TYX")), content="")
    assert older.is_of(open_stack(frames, "TYX"))
    assert not older.is_of(open_stack(frames[::-1].copy(), "TYX"))


def test_saving_again_leaves_no_old_files(tmp_path, saved, document):
    folder = tmp_path / "a.sam2"
    save_session(folder, saved)
    save_session(folder, replace(saved, document=document.with_prompts({(3, 2): None})))
    save_session(folder, replace(saved, document=document.with_prompts({(3, 2): None}), masks=saved.masks[:2]))
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert names == [".lock", "masks-000003.log", "session.json", "session.previous.json"]
    assert len(load_session(folder).masks) == 2


def test_a_later_version_is_refused_and_left_alone(tmp_path, saved):
    folder = tmp_path / "a.sam2"
    save_session(folder, saved)
    edit(folder, version=2)
    before = (folder / "session.json").read_bytes()
    with pytest.raises(StackError, match=r"session.json has version 2, and this program reads version 1; update"):
        load_session(folder)
    assert (folder / "session.json").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "something"}, r'is not a session: it needs "format": "napari-sam2-session"'),
        ({"colour": "red"}, r"colour: Extra inputs are not permitted"),
        (
            {"prompts": [{"object_id": 1, "frame": 0, "points_yx": [[1, 1]], "drawn": 3}]},
            r"entry 1: drawn: Extra inputs are not permitted",
        ),
        ({"divisions": [{"mother": 2, "frame": 1, "daughters": [1], "by": "me"}]}, "divisions.0.by"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, saved, changes, message):
    save_session(tmp_path / "a.sam2", saved)
    edit(tmp_path / "a.sam2", **changes)
    with pytest.raises(StackError, match=message):
        load_session(tmp_path / "a.sam2")


def test_a_damaged_session_file_falls_back_on_the_one_before(tmp_path, saved):
    folder = tmp_path / "a.sam2"
    save_session(folder, saved)
    (folder / "session.json").write_text("{ cut")
    with pytest.raises(StackError, match=r"session.json is damaged .* saved beside it: masks-000001.log"):
        load_session(folder)
    shutil.rmtree(folder)
    save_session(folder, saved)
    save_session(folder, saved)
    (folder / "session.json").write_text("{ cut")
    back = load_session(folder)
    assert difference(saved.document, back.document).is_empty
    assert len(back.masks) == len(saved.masks)
    assert "session.previous.json was read instead" in back.notes[0]
    assert len(back.notes) == 1


def test_a_damaged_mask_of_a_prompt_costs_that_prompt_only(tmp_path, saved):
    save_session(tmp_path / "a.sam2", saved)
    (path,) = (tmp_path / "a.sam2" / "prompts").iterdir()
    path.write_bytes(path.read_bytes()[:50])
    back = load_session(tmp_path / "a.sam2")
    assert back.document.prompts.keys() == saved.document.prompts.keys() - {(3, 2)}
    assert 3 in back.document.objects
    (note,) = back.notes
    assert "object 3, frame 2" in note
    assert path.name in note


def test_a_damaged_place_in_the_masks_costs_its_frame_only(tmp_path, saved, masks):
    save_session(tmp_path / "a.sam2", saved)
    log = tmp_path / "a.sam2" / "masks-000001.log"
    data = bytearray(log.read_bytes())
    second = [place for place in range(len(data)) if data[place : place + 4] == b"SM2R"][2]
    data[second + 60] ^= 0xFF
    log.write_bytes(data)
    back = load_session(tmp_path / "a.sam2")
    assert [key for key, _ in back.masks] == [key for key, _ in masks if key[1] != 1]
    assert back.notes == ("masks-000001.log is damaged in 1 place(s); 9 masks were read.",)


def test_missing_masks_are_reported_and_the_prompts_are_there(tmp_path, saved):
    save_session(tmp_path / "a.sam2", saved)
    (tmp_path / "a.sam2" / "masks-000001.log").unlink()
    back = load_session(tmp_path / "a.sam2")
    assert len(back.document.prompts) == 4
    assert back.notes == ("masks-000001.log is missing; there are no masks; track again.",)


def test_other_folders_are_not_touched(tmp_path, saved):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StackError, match=r"holds other files; choose a new folder"):
        save_session(tmp_path, saved)
    with pytest.raises(StackError, match=r"is not a session folder: it holds no session.json"):
        load_session(tmp_path)
    with pytest.raises(StackError, match=r"There is no folder .*no for such.sam2; create it first"):
        save_session(tmp_path / "no" / "such.sam2", saved)
    assert not is_session_folder(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt"]


SESSION_BEFORE = """{
  "format": "napari-sam2-session",
  "version": 1,
  "written_by": "napari-sam2 %s",
  "source": {
    "path": null,
    "absolute": null,
    "axes": null,
    "stack": null
  },
  "settings": {},
  "objects": [
    {
      "object_id": 1,
      "name": "",
      "visible": true,
      "locked": false,
      "parent": null
    }
  ],
  "prompts": [
    {
      "object_id": 1,
      "frame": 0,
      "points_yx": [
        [
          1.0,
          2.0
        ]
      ],
      "labels": [
        1
      ],
      "box_yx": null,
      "mask": null
    }
  ],
  "masks": "masks-000001.log"
}
"""


def test_without_proposals_and_divisions_a_session_is_written_as_the_last_release_wrote_it(tmp_path):
    save_session(tmp_path / "a.sam2", SavedSession(Document.of([Prompt(1, 0, ((1.0, 2.0),), (True,))])))
    text = (tmp_path / "a.sam2" / "session.json").read_text(encoding="utf-8")
    assert text == SESSION_BEFORE % metadata.version("napari-sam2")


def test_proposals_divisions_and_events_come_back(tmp_path, saved, document):
    first, second = np.eye(6, dtype=bool), np.ones((6, 6), bool)
    proposals = {
        7: Proposal(0, Mask(first), 0.75, "cells-nano", ProposalState.rejected),
        8: Proposal(0, Mask(np.eye(6, k=2, dtype=bool)), 0.5, "cells-nano"),
        9: Proposal(0, Mask(second), 0.25, "labels", label=4),  # on top of both
        70000: Proposal(3, Mask(second), 0.5, "labels"),
    }
    events = (TrackEvent(1, 2, EventKind.absent, 4), TrackEvent(2, 6, EventKind.dies))
    claims = {3: LinkClaims(3, (4, 5, 7), (0.75, 1, 0.29), (Rival(7, 2, True, 0.4),)), 2: LinkClaims(2)}
    divided = document.with_division(Division(2, 4, (1, 3)))
    made = replace(divided, proposals=proposals, events=events, claims=claims)
    folder = tmp_path / "a.sam2"
    for _ in range(2):
        save_session(folder, replace(saved, document=made))
        back = load_session(folder)
        assert difference(made, back.document).is_empty
        assert back.document.proposals == proposals
        assert dict(back.document.claims) == claims
        assert not back.notes
    files = sorted((folder / "prompts").glob("proposal*.tif"))
    assert [path.name.rsplit("-", 1)[0] for path in files] == [
        "proposals-frame0",
        "proposals-frame0",
        "proposals-frame3",
    ]
    files[2].write_bytes(b"broken")
    back = load_session(folder)
    assert list(back.document.proposals) == [7, 8, 9]
    assert back.notes[0].startswith("proposal 70000, frame 3: the mask proposals-frame3")
    labels = tifffile.imread(files[0])
    labels[5, 5] = 1000
    tifffile.imwrite(files[0], labels)
    assert len(load_session(folder).document.proposals) in (1, 2)
    for _ in range(2):  # the one before still names them
        save_session(folder, replace(saved, document=document))
    assert not list((folder / "prompts").glob("proposal*.tif"))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"prompts": [{"object_id": 0, "frame": 0}]}, "session.json: prompts 1 object_id: Input should be greater"),
        ({"masks": "../other.log"}, "masks: String should match"),
        ({"source": {"stack": {"shape": "large"}}}, "source stack shape"),
        ({"objects": [{"object_id": 7, "parent": 9}]}, "object 9, the parent of 7, does not exist"),
        ({"divisions": [{"mother": 2, "frame": 1, "daughters": [2]}]}, "cannot divide into"),
        ({"divisions": [{"mother": 1, "frame": 1, "daughters": [3]}]}, "needs daughters whose parent is 1"),
        ({"events": [{"object_id": 2, "frame": 1, "kind": "sleeps"}]}, "events 1 kind"),
        ({"events": [{"object_id": 8, "frame": 1, "kind": "dies"}]}, "object 8"),
    ],
)
def test_what_cannot_be_is_left_out_alone_and_put_aside_when_the_folder_is_written_to(tmp_path, saved, said, words):
    folder = tmp_path / "a.sam2"
    save_session(folder, saved)
    edit(folder, **said)
    before = (folder / "session.json").read_bytes()
    back = load_session(folder)
    assert words in " ".join(back.notes)
    assert dict(back.masks) == dict(saved.masks)
    assert (folder / "session.json").read_bytes() == before, "reading changes nothing"
    saver, back = Autosaver.open(folder)
    saver.close()
    assert "session.json is kept as session.damaged-1.json." in back.notes
    assert (folder / "session.damaged-1.json").read_bytes() == before
    again = load_session(folder)
    assert difference(again.document, back.document).is_empty
    assert (again.notes, dict(again.masks)) == ((), dict(saved.masks))


def test_a_run_goes_on_where_an_older_folder_lacks_a_setting_and_not_where_prompts_or_settings_changed():
    mask = np.zeros((4, 4), bool)
    mask[0, 0] = True
    prompts = [
        Prompt(1, 1, ((2.0, 2.0),), (1,)),
        Prompt(1, 1, ((2.0, 3.0),), (1,)),
        Prompt(1, 1, ((2.0, 2.0),), (0,)),
        Prompt(1, 1, mask=mask),
        Prompt(1, 1, mask=~mask),
    ]
    prints = [run_fingerprint(Document.of([prompt]), {"model": "a"}) for prompt in prompts]
    assert len(set(prints)) == len(prompts)
    document = Document.of(prompts[:1])
    assert run_fingerprint(document, {"model": "a", "image_size": None, "device": "cpu"}) == prints[0]
    assert run_fingerprint(document, {"model": "a", "image_size": 512}) != prints[0]
    assert run_fingerprint(document, {"model": "b"}) != prints[0]


def test_many_masks_of_a_frame_share_files_where_they_do_not_overlap(tmp_path):
    masks = {one: np.zeros((20, 20), bool) for one in range(1, 12)}
    for one, mask in masks.items():
        mask[one, :5] = True
    masks[11][1, 2] = True  # on object 1
    prompts = [Prompt(one, 0, mask=mask) for one, mask in masks.items()] + [Prompt(1, 1, mask=masks[1])]
    folder = tmp_path / "a.sam2"
    save_session(folder, SavedSession(Document.of(prompts)))
    names = sorted(path.name.rsplit("-", 1)[0].rsplit("_", 1)[0] for path in (folder / "prompts").iterdir())
    assert names == ["object1_frame1", "objects-frame0", "objects-frame0"]
    assert difference(Document.of(prompts), load_session(folder).document).is_empty
    for _ in range(2):
        save_session(folder, SavedSession(Document.of(prompts[:3])))
    assert len(list((folder / "prompts").iterdir())) == 3
    assert difference(Document.of(prompts[:3]), load_session(folder).document).is_empty
