"""The Hugging Face client itself, against a server on this machine that speaks as much of the hub as it needs."""

from __future__ import annotations

import functools
import hashlib

import huggingface_hub
import pytest

from sam2_core.checkpoints.download import fetch
from sam2_core.checkpoints.registry import ModelEntry
from sam2_core.errors import CheckpointError

ENTRY = ModelEntry(name="toy", config="none", filename="toy.pt", hf_id="someone/toy")


def hub_answer(behave, body, etag=None):
    """What the hub says of a large file: its sha256 as the version, and the commit."""
    digest = etag or hashlib.sha256(body).hexdigest()
    return behave.fixed(body, **{"ETag": f'"{digest}"', "X-Repo-Commit": "c" * 40, "X-Linked-Size": str(len(body))})


@pytest.fixture
def hub(server, tmp_path, monkeypatch):
    cache = tmp_path / "hub"
    download = functools.partial(huggingface_hub.hf_hub_download, endpoint=server.url, cache_dir=cache)
    look = functools.partial(huggingface_hub.try_to_load_from_cache, cache_dir=cache)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", look)
    return server


def test_a_file_comes_from_the_hub_once(hub, behave):
    body = behave.checkpoint_bytes()
    hub.answers = [hub_answer(behave, body)]
    seen = []
    path = fetch(ENTRY, lambda done, total: seen.append((done, total)), source="hub")
    assert path.read_bytes() == body
    assert seen[-1] == (len(body), len(body))
    assert "/someone/toy/resolve/main/toy.pt" in {request["path"] for request in hub.requests}
    asked = len(hub.requests)
    assert fetch(ENTRY, source="hub") == path
    assert len(hub.requests) == asked


def test_a_damaged_file_in_the_hubs_cache_is_noticed(hub, behave):
    body = behave.checkpoint_bytes()
    hub.answers = [hub_answer(behave, body)]
    path = fetch(ENTRY, source="hub")
    path.resolve().write_bytes(behave.checkpoint_bytes(seed=1))
    with pytest.raises(CheckpointError, match="is damaged"):
        fetch(ENTRY, source="hub")


def test_a_hub_that_sends_something_else_is_noticed(hub, behave):
    hub.answers = [hub_answer(behave, behave.checkpoint_bytes(seed=1), etag="a" * 64)]
    with pytest.raises(CheckpointError, match=r"is damaged|could not get"):
        fetch(ENTRY, source="hub")


def test_cancel_stops_the_hub(hub, behave):
    hub.answers = [hub_answer(behave, behave.checkpoint_bytes())]
    with pytest.raises(CheckpointError, match="cancelled"):
        fetch(ENTRY, cancel=lambda: True, source="hub")


def test_a_repository_that_is_not_there_is_named(hub, behave):
    hub.answers = [behave.fixed(b"", 404, **{"X-Error-Code": "RepoNotFound"})]
    with pytest.raises(CheckpointError, match=r"could not get toy\.pt of someone/toy .*by hand"):
        fetch(ENTRY, source="hub")


def test_without_any_source_the_error_says_so():
    with pytest.raises(CheckpointError, match="has no known source"):
        fetch(ModelEntry(name="toy", config="none", filename="toy.pt"))
