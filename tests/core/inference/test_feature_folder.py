"""The folder stays within its limit, forgets what was not used for longest, and survives what happens to disks."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sam2_core.errors import StackError
from sam2_core.inference import feature_folder
from sam2_core.inference.feature_folder import DEFAULT_LIMIT, FeatureFolder, default_folder

Usage = namedtuple("Usage", "total used free")


def key(number: int) -> str:
    return f"{number:040x}"


def dated(folder: FeatureFolder, number: int, seconds: int) -> None:
    """Let a file be used last at that time."""
    os.utime(folder.path / f"{key(number)}.safetensors", (seconds, seconds))


def there(folder: FeatureFolder) -> list[int]:
    return sorted(int(path.stem, 16) for path in folder.path.glob("*.safetensors"))


@pytest.fixture
def folder(tmp_path) -> FeatureFolder:
    return FeatureFolder(tmp_path / "features", limit_bytes=1000)


def test_what_was_written_is_found_by_others_too(folder):
    assert folder.find(key(1)) is None
    assert folder.write(key(1), b"some features")
    found = FeatureFolder(folder.path).find(key(1))
    assert found is not None
    assert found.read_bytes() == b"some features"
    assert (folder.size_bytes(), folder.count()) == (13, 1)
    assert [path.name for path in folder.path.iterdir()] == [f"{key(1)}.safetensors"]


def test_what_was_not_used_for_longest_goes_first(folder):
    for number in range(5):
        folder.write(key(number), bytes(200))
        dated(folder, number, 1000 + number)
    folder.find(key(0))
    folder.write(key(5), bytes(300))
    assert there(folder) == [0, 3, 4, 5]
    assert folder.size_bytes() <= 1000


@pytest.mark.parametrize("size", [1, 30, 31, 32, 400, 999])
def test_one_process_never_exceeds_the_limit(folder, size):
    for number in range(60):
        folder.write(key(number), bytes(size + number % 7))
        assert folder.size_bytes() <= 1000
    assert folder.find(key(59)) is not None or size + 59 % 7 > 1000


def test_what_is_larger_than_the_limit_is_not_kept(folder):
    folder.write(key(1), bytes(500))
    assert not folder.write(key(2), bytes(1001))
    assert there(folder) == [1]


def test_a_limit_is_remembered_for_all_and_enforced_at_once(folder):
    for number in range(5):
        folder.write(key(number), bytes(200))
        dated(folder, number, 1000 + number)
    folder.set_limit(450)
    assert there(folder) == [3, 4]
    assert FeatureFolder(folder.path).limit_bytes == 450
    assert FeatureFolder(folder.path, limit_bytes=7).limit_bytes == 7
    folder.write(key(9), bytes(200))
    assert there(folder) == [4, 9]


def test_a_damaged_limit_file_leaves_the_default(folder, caplog):
    folder.path.mkdir()
    (folder.path / "limit.json").write_text("[12")
    assert FeatureFolder(folder.path).limit_bytes == DEFAULT_LIMIT
    assert "limit.json cannot be read" in caplog.text


def test_clearing_deletes_features_and_nothing_else(folder):
    folder.write(key(1), bytes(200))
    folder.write(key(2), bytes(100))
    own = folder.path / "notes.txt"
    own.write_text("mine")
    assert folder.clear() == 300
    assert (folder.size_bytes(), own.read_text()) == (0, "mine")
    assert FeatureFolder(folder.path / "never made").clear() == 0


def test_files_of_other_names_are_neither_counted_nor_deleted(folder):
    folder.path.mkdir()
    strangers = [folder.path / name for name in ("a.safetensors", "ABC.part", f"{key(1)}.safetensors.bak", "model.pt")]
    for path in strangers:
        path.write_bytes(bytes(5000))
    folder.write(key(1), bytes(900))
    folder.write(key(2), bytes(900))
    assert folder.size_bytes() == 900
    assert all(path.exists() for path in strangers)


def test_parts_that_a_killed_process_left_go_after_a_while(folder):
    folder.path.mkdir()
    old, new = (folder.path / f"{key(1)}.{number:032x}.part" for number in (1, 2))
    for path in (old, new):
        path.write_bytes(bytes(100))
    os.utime(old, (1000, 1000))
    assert folder.size_bytes() == 0
    assert (old.exists(), new.exists()) == (False, True)


def test_a_full_disk_ends_writing_with_one_warning(folder, monkeypatch, caplog):
    folder.write(key(1), b"here before")

    def full(self: Path, mode: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(Path, "open", full)
        assert not folder.write(key(2), b"x")
        assert not folder.write(key(3), b"y")
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1
    assert "No space left on device" in folder.fault
    found = folder.find(key(1))
    assert found is not None
    assert found.read_bytes() == b"here before"
    assert [path.name for path in folder.path.iterdir()] == [f"{key(1)}.safetensors"]


def test_the_last_gigabyte_of_a_disk_is_left_to_others(folder, monkeypatch, caplog):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12, 10**9))
    assert not folder.write(key(1), b"x")
    assert "1.0 GB of the disk are free" in caplog.text


def test_a_place_where_no_folder_can_be_is_a_warning_when_writing_and_an_error_when_asked(tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    folder = FeatureFolder(tmp_path / "file" / "features")
    assert not folder.write(key(1), b"x")
    assert len(caplog.records) == 1
    with pytest.raises(StackError, match="NAPARI_SAM2_CACHE"):
        folder.set_limit(10)


def test_many_writers_of_one_folder_leave_whole_files(tmp_path):
    def fill(writer: int) -> None:
        own = FeatureFolder(tmp_path, limit_bytes=4000)
        for number in range(40):
            own.write(key((writer * 7 + number) % 50), b"abcdefghij" * 10)
            found = own.find(key(number))
            assert found is None or not found.exists() or len(found.read_bytes()) == 100

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fill, range(4)))
    folder = FeatureFolder(tmp_path, limit_bytes=4000)
    assert folder.size_bytes() <= 4000 + 3 * max(100, 4000 // 32)
    assert not list(tmp_path.glob("*.part"))


def test_the_folder_is_that_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv(feature_folder.FOLDER_VARIABLE, str(tmp_path))
    assert FeatureFolder().path == default_folder() == tmp_path / "features"
    monkeypatch.delenv(feature_folder.FOLDER_VARIABLE)
    assert default_folder().name == "features"
    assert "napari-sam2" in str(default_folder())


def test_limits_below_zero_are_refused(folder):
    with pytest.raises(ValueError, match="limit_bytes is -1"):
        FeatureFolder(limit_bytes=-1)
    with pytest.raises(ValueError, match="limit_bytes is -2"):
        folder.set_limit(-2)
