"""What every test gets: no network, a printed seed, and a screen that cannot abort the run; and two small models."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "", None}

if sys.platform == "linux" and not os.environ.get("DISPLAY") and shutil.which("Xvfb") is None:
    # Without any screen Qt's default platform ends the process; this one at least lets every other test run.
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers that differ from test to test and never from run to run; NAPARI_SAM2_SEED sets another seed."""
    seed = int(os.environ.get("NAPARI_SAM2_SEED") or zlib.crc32(request.node.name.encode()))
    print(f"seed of rng: {seed}")
    return np.random.default_rng(seed)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this machine answers: what needs the internet fails as it would on a train."""
    resolve, connect = socket.getaddrinfo, socket.socket.connect

    def resolve_local(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in LOCAL_HOSTS:
            raise socket.gaierror(socket.EAI_NONAME, f"tests do not use the network: {name}")
        return resolve(host, *args, **kwargs)

    def connect_local(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in LOCAL_HOSTS:
            raise OSError(f"tests do not use the network: {address}")
        return connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_local)
    monkeypatch.setattr(socket.socket, "connect", connect_local)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tmp_path_factory: Any) -> None:
    """Image features of one test are not found by another, and none are left in the user's folder."""
    name = f"cache-{zlib.crc32(request.node.nodeid.encode()):08x}"
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path_factory.getbasetemp() / name))


@pytest.fixture(autouse=True)
def torch_left_as_found() -> Iterator[None]:
    """Nothing that a test calls may change torch for the rest of the process: precision, gradients, default dtype."""
    yield
    torch = sys.modules.get("torch")
    if torch is None:
        return
    assert torch.get_default_dtype() == torch.float32, "the default dtype was changed and left so"
    assert torch.is_grad_enabled(), "gradients were switched off and left off"
    assert not torch.is_inference_mode_enabled(), "inference mode was entered and never left"
    assert not torch.is_autocast_enabled("cpu"), "autocast was entered and never left"


@pytest.fixture(scope="module")
def model() -> Any:
    """The smallest model that has every part, with stand-in weights."""
    from small_models import tiny_model

    return tiny_model()


@pytest.fixture(scope="module")
def real(model: Any) -> Any:
    """A video predictor on the smallest model: all that the real one does, in little time."""
    from sam2_core import SAM2VideoPredictor

    return SAM2VideoPredictor(model)


@pytest.fixture(scope="module")
def nano() -> Any:
    """The bundled model, which finds the discs of `stand_ins.movie`, at 64 px."""
    from sam2_core import build_sam2

    return build_sam2("cells-nano", "cells-nano", device="cpu", image_size=64)


@pytest.fixture
def encoded(nano: Any) -> Iterator[list[int]]:
    """Counts images that pass nano's image encoder: their number, for each pass."""
    from small_models import passes

    yield from passes(nano.image_encoder.trunk)


@pytest.fixture
def tracked(nano: Any) -> Iterator[list[int]]:
    """Counts objects that pass nano's memory attention: one per object and frame that is tracked, for each pass."""
    from small_models import passes

    yield from passes(nano.memory_attention)
