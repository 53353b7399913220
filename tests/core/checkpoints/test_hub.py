"""The Hugging Face client itself, against a server on this machine that speaks as much of the hub as it needs."""

from __future__ import annotations

import pytest

from sam2_core.checkpoints.download import fetch
from sam2_core.checkpoints.registry import ModelEntry
from sam2_core.errors import CheckpointError

ENTRY = ModelEntry(name="toy", config="none", filename="toy.pt", hf_id="someone/toy")


def test_a_file_comes_from_the_hub_once(hub, behave):
    body = behave.checkpoint_bytes()
    hub.answers = [behave.of_the_hub(body)]
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
    hub.answers = [behave.of_the_hub(body)]
    path = fetch(ENTRY, source="hub")
    path.resolve().write_bytes(behave.checkpoint_bytes(seed=1))
    with pytest.raises(CheckpointError, match="is damaged"):
        fetch(ENTRY, source="hub")


def test_a_hub_that_sends_something_else_is_noticed(hub, behave):
    hub.answers = [behave.of_the_hub(behave.checkpoint_bytes(seed=1), etag="a" * 64)]
    with pytest.raises(CheckpointError, match=r"is damaged|could not get"):
        fetch(ENTRY, source="hub")


def test_cancel_stops_the_hub(hub, behave):
    hub.answers = [behave.of_the_hub(behave.checkpoint_bytes())]
    with pytest.raises(CheckpointError, match="cancelled"):
        fetch(ENTRY, cancel=lambda: True, source="hub")


def test_a_repository_that_is_not_there_is_named(hub, behave):
    hub.answers = [behave.fixed(b"", 404, **{"X-Error-Code": "RepoNotFound"})]
    with pytest.raises(CheckpointError, match=r"could not get toy\.pt of someone/toy .*by hand"):
        fetch(ENTRY, source="hub")


def test_without_any_source_the_error_says_so():
    with pytest.raises(CheckpointError, match="has no known source"):
        fetch(ModelEntry(name="toy", config="none", filename="toy.pt"))
