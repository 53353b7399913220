"""One file over HTTP, resumed where it stopped: a downloader for pooch.

What arrives goes into a part whose name nobody can guess and which is made anew, never opened through a link; beside
it, ``<part>.json`` notes which version of the file it is. A
transfer that breaks is taken up again where it stopped: at once as long as bytes keep coming, else by the next call.
A part is continued only if the server confirms that it still has the same version; else the file starts anew.
What is complete and looks like a checkpoint is moved to where pooch asked for it, and pooch checks its hash.

Nothing here decides where a file comes from or ends up: that is `download`.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from sam2_core.checkpoints.formats import is_web_page, sniff_format
from sam2_core.errors import CheckpointError

logger = logging.getLogger(__name__)

Progress = Callable[[int, int | None], None]
Cancel = Callable[[], bool]

_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)$")


@dataclass(frozen=True, slots=True)
class TransferSettings:
    """Patience of a transfer.

    connect_timeout_s: wait for a connection; stall_timeout_s: longest silence of the server; attempts: how often one
    call takes a broken transfer up; chunk_bytes: read at a time, between which cancel is looked at.
    """

    connect_timeout_s: float = 10.0
    stall_timeout_s: float = 30.0
    attempts: int = 5
    chunk_bytes: int = 64 * 1024


class Interrupted(Exception):
    """The connection failed or ended early; what has arrived is kept."""


class ResumingDownloader:
    """A downloader as pooch calls it: ``downloader(url, output_file, pooch)``.

    partial: file that holds what has arrived, kept when the transfer breaks or is cancelled. progress, cancel: see
    `download.fetch`.
    """

    def __init__(
        self,
        partial: Path,
        settings: TransferSettings,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> None:
        self.partial = partial
        self.settings = settings
        self.progress = progress
        self.cancel = cancel
        self._notes = partial.with_name(partial.name + ".json")

    def __call__(self, url: str, output_file: str | Path, pooch: Any = None) -> None:
        """Bring the file at `url` to `output_file`, which appears only when it is complete.

        Raises
        ------
        Interrupted
            If the server cannot be reached, falls silent or breaks off.
        CheckpointError
            If it answers with an error, with something that is no checkpoint, or if the transfer is cancelled.
        """
        for attempt in range(1, self.settings.attempts + 1):
            before = self._arrived()
            try:
                self._receive(url)
                break
            except requests.RequestException as error:
                if self._arrived() <= before or attempt == self.settings.attempts:
                    raise Interrupted(self._describe(error)) from error
                logger.info("transfer of %s broke after %d bytes, resuming", url, self._arrived())
        self._check_format(url)
        self.partial.replace(output_file)
        self._notes.unlink(missing_ok=True)

    def _receive(self, url: str) -> None:
        with self._open(url, self._resume_headers(url)) as response:
            start = self._confirmed_start(response)
            if start is not None:
                self._write(response, start)
                return
        self._discard()  # the part is of another version, or the server cannot continue it
        with self._open(url, {}) as response:
            if self._confirmed_start(response) != 0:
                raise CheckpointError(f"{url} answered with a piece of the file where the whole was asked for")
            self._write(response, 0)

    def _open(self, url: str, headers: dict[str, str]) -> requests.Response:
        patience = (self.settings.connect_timeout_s, self.settings.stall_timeout_s)
        headers = {"Accept-Encoding": "identity", **headers}
        response = requests.get(url, headers=headers, stream=True, timeout=patience)
        if response.status_code in (200, 206) or (response.status_code == 416 and "Range" in headers):
            return response
        response.close()
        advice = {404: "the file is not there any more", 403: "access is refused"}.get(
            response.status_code, "try again later"
        )
        raise CheckpointError(f"{url} answered {response.status_code} {response.reason}: {advice}")

    def _confirmed_start(self, response: requests.Response) -> int | None:
        """The offset at which the answer begins, None if it does not continue what is here."""
        if response.status_code == 200:
            return 0
        found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        if response.status_code != 206 or found is None or int(found[1]) != self._arrived():
            return None
        total = self._read_notes().get("total")
        return int(found[1]) if total in (None, int(found[2])) else None

    def _write(self, response: requests.Response, start: int) -> None:
        total = _total_bytes(response)
        self._check_room(total, start)
        if start == 0:
            self._discard()
            self._write_notes(response, total)
        with self.partial.open("r+b" if start else "xb") as file:
            file.seek(start)
            self._report(start, total)
            for chunk in response.iter_content(self.settings.chunk_bytes):
                if file.tell() == 0 and is_web_page(chunk):
                    raise CheckpointError(
                        f"{response.url} answered with a web page instead of a checkpoint; "
                        "a proxy or login page may stand in between"
                    )
                file.write(chunk)
                self._report(file.tell(), total)
            done = file.tell()
        if total is not None and done != total:
            raise requests.ConnectionError(f"{done} of {total} bytes arrived")

    def _report(self, done: int, total: int | None) -> None:
        if self.progress is not None:
            self.progress(done, total)
        if self.cancel is not None and self.cancel():
            raise CheckpointError(
                f"download cancelled after {done} bytes, kept in {self.partial}: the next download goes on from there"
            )

    def _check_room(self, total: int | None, start: int) -> None:
        free = shutil.disk_usage(self.partial.parent).free
        if total is not None and total - start > free:
            raise CheckpointError(
                f"{self.partial.parent} has {free / 1e6:.0f} MB free, {(total - start) / 1e6:.0f} MB are needed"
            )

    def _check_format(self, url: str) -> None:
        try:
            sniff_format(self.partial)
        except CheckpointError as error:
            self._discard()
            raise CheckpointError(f"what {url} sent is no complete checkpoint and was thrown away ({error})") from error

    def _resume_headers(self, url: str) -> dict[str, str]:
        notes = self._read_notes()
        if not self._arrived() or notes.get("url") != url or not notes.get("version"):
            return {}
        return {"Range": f"bytes={self._arrived()}-", "If-Range": notes["version"]}

    def _read_notes(self) -> dict[str, Any]:
        try:
            notes = json.loads(self._notes.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return notes if isinstance(notes, dict) else {}

    def _write_notes(self, response: requests.Response, total: int | None) -> None:
        strong = response.headers.get("ETag", "")
        version = strong if strong.startswith('"') else response.headers.get("Last-Modified")
        asked = response.history[0].url if response.history else response.url
        notes = {"url": asked, "version": version, "total": total}
        with self._notes.open("x", encoding="utf-8") as file:
            json.dump(notes, file)

    def _arrived(self) -> int:
        return self.partial.stat().st_size if self.partial.exists() else 0

    def _discard(self) -> None:
        self.partial.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)

    def _describe(self, error: requests.RequestException) -> str:
        if isinstance(error, requests.ConnectTimeout):
            return f"no connection within {self.settings.connect_timeout_s:g} s"
        if isinstance(error, requests.Timeout) or "timed out" in str(error).lower():
            return f"no answer for {self.settings.stall_timeout_s:g} s after {self._arrived()} bytes"
        return f"{type(error).__name__} after {self._arrived()} bytes: {error}"


def _total_bytes(response: requests.Response) -> int | None:
    found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    if found is not None:
        return int(found[2])
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() and "Content-Encoding" not in response.headers else None
