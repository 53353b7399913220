"""The test ground itself: the fixtures that every other test trusts."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request

import numpy as np
import pytest


def test_no_test_reaches_the_network() -> None:
    with pytest.raises(urllib.error.URLError, match="tests do not use the network"):
        urllib.request.urlopen("http://example.com")
    with socket.socket() as sock, pytest.raises(OSError, match="tests do not use the network"):
        sock.connect(("192.0.2.1", 80))


def test_local_servers_are_reachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()


def test_rng_is_the_same_in_every_run(rng: np.random.Generator) -> None:
    expected = np.random.default_rng(2_309_533_250).integers(1 << 30)
    assert rng.integers(1 << 30) == expected
