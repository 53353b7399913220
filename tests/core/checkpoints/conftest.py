"""A server on this machine that does what it is told, and a home folder of its own for every test."""

from __future__ import annotations

import functools
import hashlib
import io
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch

Answer = Callable[[BaseHTTPRequestHandler, "Server"], None]


def checkpoint_bytes(seed: int = 0) -> bytes:
    generator = torch.Generator().manual_seed(seed)
    buffer = io.BytesIO()
    torch.save({"model": {"a.weight": torch.randn(40, 50, generator=generator), "a.bias": torch.zeros(40)}}, buffer)
    return buffer.getvalue()


@dataclass
class Server:
    """Answers each request with the next of `answers`, the last one for ever."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_answer(self, handler: BaseHTTPRequestHandler) -> Answer:
        with self.lock:
            self.requests.append({"method": handler.command, "path": handler.path, **dict(handler.headers)})
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def send(
    handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, length: int | None = None, **headers: str
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)
        handler.wfile.flush()


def whole(body: bytes, version: str = '"v1"') -> Answer:
    """An honest server that can resume."""

    def answer(handler: BaseHTTPRequestHandler, server: Server) -> None:
        asked = re.match(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        if asked and handler.headers.get("If-Range", version) == version:
            start = int(asked[1])
            if start >= len(body):
                send(handler, b"", 416, Content_Range=f"bytes */{len(body)}")
                return
            where = f"bytes {start}-{len(body) - 1}/{len(body)}"
            send(handler, body[start:], 206, ETag=version, Content_Range=where)
        else:
            send(handler, body, ETag=version)

    return answer


def fixed(body: bytes, status: int = 200, length: int | None = None, **headers: str) -> Answer:
    """The same answer whatever was asked; `length` is what the server says that it sends."""

    def answer(handler: BaseHTTPRequestHandler, server: Server) -> None:
        send(handler, body, status, length, **{"ETag": '"v1"', **headers})
        handler.close_connection = True

    return answer


def of_the_hub(body: bytes, etag: str | None = None) -> Answer:
    """What the hub says of a large file: its sha256 as the version, and the commit."""
    digest = etag or hashlib.sha256(body).hexdigest()
    return fixed(body, **{"ETag": f'"{digest}"', "X-Repo-Commit": "c" * 40, "X-Linked-Size": str(len(body))})


def stalling(body: bytes, total: int) -> Answer:
    """Announces `total` bytes, sends `body`, and says nothing more."""

    def answer(handler: BaseHTTPRequestHandler, server: Server) -> None:
        send(handler, body, length=total, ETag='"v1"')
        server.released.wait()
        handler.close_connection = True

    return answer


@pytest.fixture
def server() -> Iterator[Server]:
    script = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                script.next_answer(self)(self, script)
            except (BrokenPipeError, ConnectionResetError):  # the client had enough: that is what is tested
                self.close_connection = True

        do_HEAD = do_GET

        def log_message(self, *args: object) -> None:
            """Say nothing on the terminal."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = False  # so that server_close joins the thread of every request
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    script.url = f"http://127.0.0.1:{listener.server_port}"
    yield script
    script.released.set()
    listener.shutdown()
    listener.server_close()
    thread.join()


@pytest.fixture
def hub(server: Server, tmp_path, monkeypatch) -> Server:
    """The server in the place of the Hugging Face hub, with a cache of this test's own."""
    cache = tmp_path / "hub"
    download = functools.partial(huggingface_hub.hf_hub_download, endpoint=server.url, cache_dir=cache)
    look = functools.partial(huggingface_hub.try_to_load_from_cache, cache_dir=cache)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", look)
    return server


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The user's data folder of this test, with no proxy between the test and its server."""
    folder = tmp_path / "home"
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(folder))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return folder


@pytest.fixture
def sockets_refused(monkeypatch):
    """Every attempt to open a socket fails the test."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr("socket.socket", refuse)
    monkeypatch.setattr("socket.create_connection", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


@pytest.fixture
def behave() -> SimpleNamespace:
    """The answers that a server can be told to give, and something to send."""
    answers = {"whole": whole, "fixed": fixed, "of_the_hub": of_the_hub, "stalling": stalling}
    return SimpleNamespace(**answers, checkpoint_bytes=checkpoint_bytes)
