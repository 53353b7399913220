from __future__ import annotations

import hashlib
import logging
import socket
import threading
from collections import namedtuple

import pooch
import pytest
import requests

from sam2_core.checkpoints.download import fetch, local_file
from sam2_core.checkpoints.load import read_state_dict, resolve_checkpoint
from sam2_core.checkpoints.registry import ModelEntry
from sam2_core.checkpoints.transfer import TransferSettings
from sam2_core.errors import CheckpointError

FAST = TransferSettings(connect_timeout_s=5.0, stall_timeout_s=0.15, attempts=3, chunk_bytes=256)
PATIENT = TransferSettings(connect_timeout_s=5.0, stall_timeout_s=30.0, attempts=3, chunk_bytes=256)


@pytest.fixture
def body(behave):
    return behave.checkpoint_bytes()


@pytest.fixture
def entry(server):
    return ModelEntry(name="toy", config="none", filename="toy.pt", url=f"{server.url}/toy.pt")


def hashed(entry: ModelEntry, body: bytes) -> ModelEntry:
    return ModelEntry(
        name="toy", config="none", filename="toy.pt", url=entry.url, sha256=hashlib.sha256(body).hexdigest()
    )


def files_in(home) -> set[str]:
    return {path.name for path in (home / "checkpoints").iterdir() if not path.name.endswith(".lock")}


def test_a_download_arrives_whole_with_progress_and_a_remembered_hash(server, behave, body, entry, home):
    server.answers = [behave.whole(body)]
    seen = []
    path = fetch(entry, progress=lambda done, total: seen.append((done, total)), settings=PATIENT)
    assert path.read_bytes() == body
    assert path == home / "checkpoints" / "toy.pt"
    assert seen[-1] == (len(body), len(body))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert files_in(home) == {"toy.pt", "toy.pt.sha256"}
    assert (home / "checkpoints" / "toy.pt.sha256").read_text() == f"{hashlib.sha256(body).hexdigest()}  toy.pt\n"
    assert set(read_state_dict(path)) == {"a.weight", "a.bias"}


def test_a_second_fetch_uses_the_file_without_a_connection(server, behave, body, entry):
    server.answers = [behave.whole(body)]
    first = fetch(entry, settings=PATIENT)
    assert fetch(entry, settings=PATIENT) == first == local_file(entry)
    assert len(server.requests) == 1


def part_in(home):
    """What has arrived, under a name that nobody can guess."""
    (part,) = (home / "checkpoints").glob("toy.pt.*.part")
    assert len(part.suffixes[1]) == 33
    return part


def test_a_part_that_somebody_else_put_there_is_not_written_to(server, behave, body, entry, home):
    victim = home / "victim"
    (home / "checkpoints").mkdir(parents=True)
    victim.write_bytes(b"precious")
    (home / "checkpoints" / f"toy.pt.{'0' * 32}.part").symlink_to(victim)
    (home / "checkpoints" / "toy.pt.part").symlink_to(victim)
    server.answers = [behave.whole(body)]
    assert fetch(entry, settings=PATIENT).read_bytes() == body
    assert victim.read_bytes() == b"precious"


def test_a_truncated_transfer_is_resumed_where_it_stopped(server, behave, body, entry):
    server.answers = [behave.fixed(body[:2048], length=len(body)), behave.whole(body)]
    assert fetch(entry, settings=PATIENT).read_bytes() == body
    assert [request.get("Range") for request in server.requests] == [None, "bytes=2048-"]


def test_a_server_that_always_truncates_is_given_up_with_advice(server, behave, body, entry, home):
    server.answers = [behave.fixed(body[:2048], length=len(body))]
    with pytest.raises(CheckpointError, match=r"could not download toy .*2048 bytes.*by hand.*toy\.pt.*checkpoints"):
        fetch(entry, settings=PATIENT)
    assert "toy.pt" not in files_in(home)
    assert part_in(home).read_bytes() == body[:2048]
    assert len(server.requests) == 2


def test_a_stalled_transfer_is_given_up_and_resumed_by_the_next_call(server, behave, body, entry, home):
    server.answers = [behave.stalling(body[:1024], len(body))]
    with pytest.raises(CheckpointError, match=r"no answer for 0\.15 s after 1024 bytes"):
        fetch(entry, settings=FAST)
    assert "toy.pt" not in files_in(home)
    server.answers = [behave.whole(body)]
    assert fetch(entry, settings=PATIENT).read_bytes() == body
    assert server.requests[-1]["Range"] == "bytes=1024-"


def test_a_server_that_never_answers_is_given_up(server, entry, home):
    server.answers = [lambda handler, script: script.released.wait()]
    with pytest.raises(CheckpointError, match=r"no answer for 0\.15 s after 0 bytes"):
        fetch(entry, settings=FAST)
    assert files_in(home) == set()


def test_the_patience_asked_for_is_the_one_kept(server, behave, body, entry, monkeypatch):
    asked, get = [], requests.get

    def noting(url, **options):
        asked.append(options["timeout"])
        return get(url, **options)

    monkeypatch.setattr(requests, "get", noting)
    server.answers = [behave.whole(body)]
    fetch(entry, settings=TransferSettings(connect_timeout_s=7.0, stall_timeout_s=11.0))
    assert asked == [(7.0, 11.0)]


def test_a_server_that_ignores_the_range_is_read_from_the_start(server, behave, body, entry):
    server.answers = [behave.fixed(body[:2048], length=len(body)), behave.fixed(body)]
    assert fetch(entry, settings=PATIENT).read_bytes() == body
    assert server.requests[1]["Range"] == "bytes=2048-"


def test_a_part_of_another_version_is_not_continued(server, behave, body, entry):
    newer = behave.checkpoint_bytes(seed=1)
    server.answers = [behave.fixed(body[:2048], length=len(body)), behave.whole(newer, '"v2"')]
    assert fetch(entry, settings=PATIENT).read_bytes() == newer


@pytest.mark.parametrize("where", ["bytes 0-99/{total}", "bytes 2048-99999/99999", "nonsense"])
def test_a_wrong_content_range_is_not_appended(server, behave, body, entry, where):
    lie = behave.fixed(body[2048:], 206, Content_Range=where.format(total=len(body)))
    server.answers = [behave.fixed(body[:2048], length=len(body)), lie, behave.whole(body)]
    assert fetch(entry, settings=PATIENT).read_bytes() == body
    assert "Range" not in server.requests[2]


def test_a_part_that_is_already_longer_than_the_file_starts_anew(server, behave, body, entry, home):
    server.answers = [behave.fixed(body[:2048], length=len(body)), behave.whole(body)]
    with pytest.raises(CheckpointError):
        fetch(entry, settings=TransferSettings(attempts=1, chunk_bytes=256))
    with part_in(home).open("ab") as part:
        part.write(bytes(2 * len(body)))
    assert fetch(entry, settings=PATIENT).read_bytes() == body
    assert [request.get("Range") for request in server.requests[1:]] == [f"bytes={2048 + 2 * len(body)}-", None]


def test_an_unasked_piece_is_refused(server, behave, body, entry):
    server.answers = [behave.fixed(body[10:], 206, Content_Range=f"bytes 10-{len(body) - 1}/{len(body)}")]
    with pytest.raises(CheckpointError, match="a piece of the file where the whole was asked for"):
        fetch(entry, settings=PATIENT)


def test_more_bytes_than_announced_are_noticed(server, behave, body, entry, home):
    server.answers = [behave.fixed(body, length=len(body) - 500)]
    with pytest.raises(CheckpointError, match=r"no complete checkpoint and was thrown away.*cut short"):
        fetch(entry, settings=PATIENT)
    assert files_in(home) == set()


def test_an_end_without_an_announced_length_is_noticed(server, body, entry, home):
    def until_closed(handler, script):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2])
        handler.close_connection = True

    server.answers = [until_closed]
    with pytest.raises(CheckpointError, match="no complete checkpoint"):
        fetch(entry, settings=PATIENT)
    assert files_in(home) == set()


def test_a_wrong_hash_is_thrown_away(server, behave, body, entry, home):
    server.answers = [behave.whole(behave.checkpoint_bytes(seed=1))]
    with pytest.raises(CheckpointError, match=r"is not toy .*thrown away"):
        fetch(hashed(entry, body), settings=PATIENT)
    assert files_in(home) == set()


def test_a_right_hash_is_accepted(server, behave, body, entry):
    server.answers = [behave.whole(body)]
    assert fetch(hashed(entry, body), settings=PATIENT).read_bytes() == body


def test_a_web_page_instead_of_a_checkpoint_is_named(server, behave, entry, home):
    server.answers = [behave.fixed(b"\n<!DOCTYPE html><html>please log in</html>")]
    with pytest.raises(CheckpointError, match="web page instead of a checkpoint"):
        fetch(entry, settings=PATIENT)
    assert "toy.pt" not in files_in(home)


def test_something_else_than_a_checkpoint_is_thrown_away(server, behave, entry, home):
    server.answers = [behave.fixed(b'{"error": "no such key"}')]
    with pytest.raises(CheckpointError, match=r"thrown away.*neither a torch nor a safetensors"):
        fetch(entry, settings=PATIENT)
    assert files_in(home) == set()


@pytest.mark.parametrize(
    ("status", "advice"), [(404, "not there any more"), (403, "refused"), (503, "try again later")]
)
def test_an_error_answer_is_reported(server, behave, entry, status, advice):
    server.answers = [behave.fixed(b"sorry", status)]
    with pytest.raises(CheckpointError, match=rf"answered {status} .*{advice}"):
        fetch(entry, settings=PATIENT)
    assert len(server.requests) == 1


def test_without_a_network_the_error_says_what_to_put_where(home):
    with socket.socket() as probe:  # a port on which nobody listens
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    entry = ModelEntry(name="toy", config="none", filename="toy.pt", url=f"http://127.0.0.1:{port}/toy.pt", hf_id="a/b")
    with pytest.raises(CheckpointError) as caught:
        fetch(entry, settings=FAST)
    message = str(caught.value)
    for part in (entry.url, "https://huggingface.co/a/b", "toy.pt", str(home / "checkpoints"), "NAPARI_SAM2_HOME"):
        assert part in message


def test_cancel_keeps_what_has_arrived_for_the_next_download(server, behave, body, entry, home):
    server.answers = [behave.whole(body)]
    seen = []
    with pytest.raises(CheckpointError, match="cancelled after"):
        fetch(entry, lambda done, total: seen.append(done), lambda: seen[-1] >= 1024, settings=PATIENT)
    part = part_in(home)
    assert part.read_bytes() == body[: seen[-1]]
    assert 1024 <= seen[-1] < len(body)
    assert fetch(entry, settings=PATIENT).read_bytes() == body
    assert server.requests[-1]["Range"] == f"bytes={seen[-1]}-"
    assert not part.exists()


def test_two_downloads_at_once_ask_the_server_once(server, behave, body, entry):
    server.answers = [behave.whole(body)]
    together, found = threading.Barrier(2), []

    def work():
        together.wait()
        found.append(fetch(entry, settings=PATIENT).read_bytes())

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [body, body]
    assert len(server.requests) == 1


def test_waiting_for_another_download_can_be_cancelled(server, behave, body, entry):
    started, asked = threading.Event(), threading.Event()

    def hold(handler, script):
        started.set()
        script.released.wait()
        behave.whole(body)(handler, script)

    server.answers = [hold]
    first = threading.Thread(target=fetch, args=(entry,), kwargs={"settings": PATIENT})
    first.start()
    started.wait()
    with pytest.raises(CheckpointError, match=r"another download of toy\.pt was running"):
        fetch(entry, cancel=lambda: asked.set() or True, settings=PATIENT)
    assert asked.is_set()
    server.released.set()
    first.join()
    assert local_file(entry).read_bytes() == body


def test_a_full_disk_is_noticed_before_anything_is_written(server, behave, body, entry, home, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10, 0, 10))
    server.answers = [behave.whole(body)]
    with pytest.raises(CheckpointError, match="MB are needed"):
        fetch(entry, settings=PATIENT)
    assert files_in(home) == set()


def test_a_folder_that_cannot_be_made_is_reported(server, entry, home):
    home.write_text("a file where the folder should be")
    with pytest.raises(CheckpointError, match=r"cannot write .*NAPARI_SAM2_HOME"):
        fetch(entry, settings=PATIENT)


def test_a_file_put_there_by_hand_is_used(entry, body, home, sockets_refused):
    (home / "checkpoints").mkdir(parents=True)
    (home / "checkpoints" / "toy.pt").write_bytes(body)
    assert fetch(entry).read_bytes() == body
    assert "toy.pt.sha256" in files_in(home)


def test_a_file_that_changed_since_its_first_use_is_refused(entry, body, behave, home, sockets_refused):
    (home / "checkpoints").mkdir(parents=True)
    path = home / "checkpoints" / "toy.pt"
    path.write_bytes(body)
    fetch(entry)
    path.write_bytes(behave.checkpoint_bytes(seed=1))
    with pytest.raises(CheckpointError, match=r"not the file that it was.*delete it"):
        fetch(entry)


def test_a_known_hash_counts_more_than_a_remembered_one(entry, body, behave, home, sockets_refused):
    (home / "checkpoints").mkdir(parents=True)
    (home / "checkpoints" / "toy.pt").write_bytes(behave.checkpoint_bytes(seed=1))
    fetch(entry)
    with pytest.raises(CheckpointError, match="not the file that it was"):
        fetch(hashed(entry, body))


def test_a_model_that_is_not_here_is_not_fetched_by_local_file(entry, sockets_refused):
    with pytest.raises(CheckpointError, match="toy has not been downloaded yet"):
        local_file(entry)


def test_a_local_path_never_touches_the_network(tmp_path, body, sockets_refused):
    path = tmp_path / "mine.pt"
    path.write_bytes(body)
    assert resolve_checkpoint(path) == resolve_checkpoint(str(path)) == path
    assert len(read_state_dict(path)) == 2
    for absent in (tmp_path / "sam2.1_hiera_tiny.pt", str(tmp_path / "sam2.1_hiera_tiny.pt"), "checkpoints/x.pt"):
        with pytest.raises(CheckpointError, match="there is no checkpoint file"):
            resolve_checkpoint(absent)


def test_pooch_keeps_its_own_log_level(server, behave, body, entry, capsys, monkeypatch):
    monkeypatch.setattr(pooch.get_logger(), "level", logging.INFO)
    server.answers = [behave.whole(body)]
    fetch(entry, settings=PATIENT)
    assert pooch.get_logger().level == logging.INFO
    assert capsys.readouterr() == ("", "")
