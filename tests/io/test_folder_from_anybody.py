"""A session folder may come from anybody and may be damaged: nothing outside is touched, nothing is believed unseen."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_sam2.document.difference import difference
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.document.proposals import Proposal
from napari_sam2.io import Autosaver, FrameDone, load_session, save_session
from napari_sam2.io.atomic import write_atomically
from napari_sam2.io.session_masks import read_sheets, write_proposal_masks
from napari_sam2.io.snapshot_files import SnapshotWriter, read_snapshot
from napari_sam2.masks.mask_store import StoredMask
from sam2_core.errors import PromptError, StackError


class Memory:
    """A snapshot of anything."""

    def __init__(self, **tensors):
        self.tensors, self.meta = tensors, {"next": 1}


@pytest.fixture
def folder(tmp_path, saved):
    """A session with a run in work and two snapshots of it, saved before."""
    folder = tmp_path / "a.sam2"
    save_session(folder, saved)
    with Autosaver.create(folder, saved) as saver:
        saver.begin_run({}, saved.document)
        for frame in (4, 5):
            saver.put([], FrameDone("forward", frame))
            saver.snapshot(Memory(bank=np.full((40, 300), frame, np.float32)), FrameDone("forward", frame))
    return folder


def work_on(folder, saved):
    """Open a session as a window does, change everything in it, and close it."""
    saver, back = Autosaver.open(folder)
    with saver:
        saver.save_document(back.document.with_prompts({(1, 0): None}))
        saver.put([((1, 3), StoredMask.empty())])
        saver.begin_run({}, back.document)
        saver.put([], FrameDone("forward", 1))
        saver.snapshot(Memory(bank=np.zeros((4, 300), np.float32)), FrameDone("forward", 1))
        saver.save(replace(back, document=saved.document))
        saver.save_document(saved.document.without_object(3))
        saver.save_document(saved.document)
    return back


LINKED = [
    "masks-000002.log",
    "session.json",
    "session.previous.json",
    "snapshot-000002.safetensors",
    "prompts",
    ".lock",
]


@pytest.mark.parametrize("name", [*LINKED, "prompts/object3_frame2_*.tif", "masks-000003.log", "images.zarr"])
@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symbolic", "hard"])
def test_nothing_outside_is_changed_through_a_link(tmp_path, folder, saved, name, link):
    outside = tmp_path / "thesis"
    path = next(folder.glob(name), folder / name)
    if path.exists():
        shutil.move(path, outside)
    else:
        outside.write_text("PRECIOUS")
    if outside.is_dir():
        (outside / "object9_frame9_0123456789ab.tif").write_text("MINE")
        if link is os.link:
            pytest.skip("folders have no hard links")
    link(outside, path)
    before = {one: one.read_bytes() for one in [outside, *outside.rglob("*")] if one.is_file()}
    try:
        work_on(folder, saved)
    except StackError as error:
        assert "is a link" in str(error)  # noqa: PT017 - both are right
    assert {one: one.read_bytes() for one in [outside, *outside.rglob("*")] if one.is_file()} == before


def test_a_part_that_somebody_laid_there_is_not_written_through(tmp_path, monkeypatch):
    victim = tmp_path / "thesis.txt"
    victim.write_text("PRECIOUS")
    monkeypatch.setattr("secrets.token_hex", lambda count: "0" * 2 * count)
    (tmp_path / f".new.json.{'0' * 32}.part").symlink_to(victim)
    with pytest.raises(StackError, match="cannot be written"):
        write_atomically(tmp_path / "new.json", b"{}")
    assert victim.read_text() == "PRECIOUS"


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_who_may_read_is_said_by_the_process(tmp_path, saved, mask):
    before = os.umask(mask)
    try:
        with Autosaver.create(tmp_path / "a.sam2", saved):
            modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "a.sam2").rglob("*") if path.is_file()}
    finally:
        os.umask(before)
    assert modes == {0o666 & ~mask}


def record(header, blobs=b""):
    text = json.dumps(header).encode()
    payload = struct.pack("<I", len(text)) + text + blobs
    return struct.pack("<4sII", b"SM2R", len(payload), zlib.crc32(payload)) + payload


PACKED = zlib.compress(np.full(12, 40, np.uint8).tobytes())
ENTRY = {
    "object": 1,
    "frame": 3,
    "y0": 0,
    "x0": 0,
    "shape": [3, 4],
    "status": "tracked",
    "score": 1.0,
    "leg": "forward",
}
ENTRY |= {"size": len(PACKED)}


@pytest.mark.parametrize(
    ("said", "blob"),
    [
        ({"shape": [2_000_000, 2_000_000]}, PACKED),
        ({"shape": [1000, 12]}, PACKED),
        ({"shape": [3, 3]}, PACKED),
        ({"shape": [3, -4]}, PACKED),
        ({"shape": "34"}, PACKED),
        ({"y0": -1}, PACKED),
        ({"y0": 2.5}, PACKED),
        ({"x0": 10**30}, PACKED),
        ({"size": 4 * 10**12}, PACKED),
        ({"size": -5}, PACKED),
        ({"status": "sure"}, PACKED),
        ({"score": "high"}, PACKED),
        ({"object": 0}, PACKED),
        ({"object": True}, PACKED),
        ({"frame": -1}, PACKED),
        ({"leg": None}, PACKED),
        ({"shape": [0, 0]}, PACKED),
        ({}, b"x" * len(PACKED)),
        ({"shape": [2, 4], "size": 0}, b""),
        ({"size": len(zlib.compress(bytes(10**8)))}, zlib.compress(bytes(10**8))),
    ],
)
def test_a_mask_that_cannot_be_is_left_out_alone(tmp_path, saved, said, blob):
    save_session(tmp_path / "a.sam2", saved)
    log = tmp_path / "a.sam2" / "masks-000001.log"
    good = ENTRY | {"frame": 9}
    with log.open("ab") as file:
        file.write(record({"kind": "masks", "masks": [good]}, PACKED))
        file.write(record({"kind": "masks", "masks": [ENTRY | said]}, blob))
        file.write(record({"kind": "masks", "masks": [good | {"object": 2}]}, PACKED))
    back = load_session(tmp_path / "a.sam2")
    kept = dict(saved.masks) | {(one, 9): StoredMask(0, 0, (3, 4), PACKED, "tracked", 1.0, "forward") for one in (1, 2)}
    assert dict(back.masks) == kept
    assert back.notes == (f"masks-000001.log is damaged in 1 place(s); {len(kept)} masks were read.",)


@pytest.mark.parametrize(
    "header", [[], {}, {"kind": "masks"}, {"kind": "run", "id": 1}, {"kind": "log", "version": 1, "masks": "all"}, None]
)
def test_a_record_that_says_nothing_costs_itself_alone(tmp_path, saved, header):
    save_session(tmp_path / "a.sam2", saved)
    log = tmp_path / "a.sam2" / "masks-000001.log"
    log.write_bytes(log.read_bytes() + (record(header) if header is not None else record({})[:12] + b"\0"))
    back = load_session(tmp_path / "a.sam2")
    assert dict(back.masks) == dict(saved.masks)
    assert back.notes


def test_a_later_log_is_refused_and_left_alone(folder):
    log = folder / "masks-000002.log"
    log.write_bytes(record({"kind": "log", "version": 2}) + b"more")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for read in (load_session, Autosaver.open):
        with pytest.raises(StackError, match="has version 2, and this program reads version 1; update"):
            read(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-20] ^= 0x55
    path.write_bytes(content)


def make_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("harm", [cut, flip, make_folder, lambda path: path.write_bytes(b""), os.remove])
@pytest.mark.parametrize("name", ["masks-000002.log", "session.json", "session.previous.json", "prompts/*.tif"])
def test_what_is_damaged_costs_itself_alone_is_said_once_and_put_aside(folder, saved, name, harm):
    path = next(folder.glob(name))
    harm(path)
    harmed = path.read_bytes() if path.is_file() else None
    seen = []
    for _ in range(3):
        saver, back = Autosaver.open(folder)
        saver.close()
        seen.append(back)
    kept = {content.read_bytes() for content in folder.rglob("*.damaged-1.*") if content.is_file()}
    if name != "session.previous.json":
        assert seen[0].notes
        assert harmed is None or harmed in kept or "not whole" in seen[0].notes[0]
    assert dict(seen[1].masks) == dict(seen[2].masks) == dict(seen[0].masks)
    assert difference(seen[0].document, seen[2].document).is_empty
    if "log" not in name:
        assert dict(seen[2].masks) == dict(saved.masks)
    if "tif" not in name:
        assert difference(saved.document, seen[2].document).is_empty
        assert seen[2].notes == ()


class TestSnapshots:
    def grown(self, frames):
        """Return the memory of a run behind so many frames: what is packed only grows, the newest lie in full."""
        rng = np.random.default_rng(0)
        pointers = rng.normal(size=(2000, 256)).astype(np.float32)[:frames]
        whole = torch.from_numpy(rng.normal(size=(2000, 2, 8, 8))).to(torch.bfloat16)[max(0, frames - 8) : frames]
        return Memory(pointers=pointers, whole=whole, frames=np.arange(frames), none=np.zeros((0, 4), np.float32))

    def test_what_earlier_ones_hold_is_not_written_again_and_comes_back_to_the_bit(self, tmp_path):
        writer, sizes = SnapshotWriter(tmp_path), []
        for frame in range(16, 400, 16):
            seen = set(tmp_path.iterdir())
            writer.write(self.grown(frame), "run", FrameDone("forward", frame))
            sizes.append(sum(path.stat().st_size for path in set(tmp_path.iterdir()) - seen))
            back = read_snapshot(tmp_path, "run", {"forward": (frame,)})
            for name, tensor in self.grown(frame).tensors.items():
                assert torch.equal(back.tensors[name], torch.as_tensor(tensor)), name
                assert back.tensors[name].dtype == torch.as_tensor(tensor).dtype
        assert max(sizes[12:]) < 1.5 * max(sizes[2:8])
        again = SnapshotWriter(tmp_path)  # a run that goes on in another process
        for frame in (400, 416, 432):
            again.write(self.grown(frame), "run", FrameDone("forward", frame))
        assert torch.equal(
            read_snapshot(tmp_path, "run", {"forward": (416,)}).tensors["whole"], self.grown(416).tensors["whole"]
        )
        again.forget()
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("harm", [cut, flip, os.remove, lambda path: path.write_bytes(b"")])
    def test_one_that_lacks_something_is_passed_over(self, tmp_path, harm):
        writer = SnapshotWriter(tmp_path)
        for frame in (16, 32, 48, 64):
            writer.write(self.grown(frame), "run", FrameDone("forward", frame))
        finished = {"forward": (16, 32, 48, 64)}
        assert read_snapshot(tmp_path, "run", finished).frame == 64
        harm(tmp_path / "snapshot-000004.safetensors")
        assert read_snapshot(tmp_path, "run", finished).frame == 48
        harm(tmp_path / "snapshot-000003-kept.safetensors")
        assert read_snapshot(tmp_path, "run", finished) is None

    @pytest.mark.parametrize(
        "layout",
        [
            {"a": ["float32", [10**6, 10**6], []]},
            {"a": ["float32", [2], [["../secret.safetensors", "a", 0, 8]]]},
            {"a": ["float32", [2], [["snapshot-000001.safetensors", "a", 0, 4]]]},
            {"a": ["object", [2], [["snapshot-000001.safetensors", "a", 0, 8]]]},
            {"a": ["float32", ["2"], [["snapshot-000001.safetensors", "a", 0, 8]]]},
            {"a": ["float32", [10**5, 10**5], [["snapshot-000001.safetensors", "a", 0, 8]] * 10**3]},
            [],
        ],
    )
    def test_what_it_says_of_itself_is_not_believed(self, tmp_path, layout):
        from napari_sam2.io.snapshot_files import _write

        path = tmp_path / "snapshot-000001.safetensors"
        about = {"version": "2", "meta": "{}", "run": "run", "leg": "forward", "frame": "3"}
        _write(path, {"a": bytearray(8)}, about | {"layout": json.dumps(layout)})
        assert read_snapshot(tmp_path, "run", {"forward": (3,)}) is None


@pytest.mark.parametrize("at", ["begins", "ends"])
def test_a_last_record_that_was_damaged_is_kept_and_brings_no_removed_object_back(tmp_path, saved, at):
    folder = tmp_path / "last.sam2"
    mask = StoredMask.of_mask(np.ones((4, 5), bool))
    with Autosaver.create(folder, replace(saved, masks=[((70000, 0), mask)])) as saver:
        log = saver._log.path
        before = log.stat().st_size
        saver.put([((70000, 0), None)])
    data = bytearray(log.read_bytes())
    data[before if at == "begins" else -1] ^= 0x20
    log.write_bytes(data)
    openings = []
    for _ in range(2):
        saver, found = Autosaver.open(folder)
        saver.close()
        openings.append(found)
    assert [one.document.objects for one in openings] == [saved.document.objects] * 2
    assert openings[0].notes
    assert not openings[1].notes
    assert any(bytes(data) == one.read_bytes() for one in folder.glob("*.damaged-1.log"))


@pytest.mark.parametrize("value", [0, 255])
def test_whichever_byte_of_a_file_that_masks_share_is_harmed_only_our_own_error_comes(tmp_path, value):
    mask = Mask(np.eye(12, dtype=bool))
    proposals = {1: Proposal(0, mask, 0.5, "test"), 2: Proposal(0, Mask(np.eye(12, k=3, dtype=bool)), 0.5, "test")}
    (name,) = set(write_proposal_masks(tmp_path, proposals, {}).values())
    whole, path = (tmp_path / name).read_bytes(), tmp_path / name
    came = []
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
        came.append(read_sheets(tmp_path, [name])[name])
    assert all(isinstance(one, PromptError) or one[1].inside.shape == mask.inside.shape for one in came)
    assert any(isinstance(one, PromptError) for one in came)
