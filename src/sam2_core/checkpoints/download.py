"""The file of a named model, fetched once, verified, and kept.

Order: a file that is here is verified and used, without any connection. Otherwise one process at a time downloads it
(others wait), from the official address with pooch or from the Hugging Face hub, into a part that becomes the file
only when it is whole. Its sha256 is compared with the published one; where nobody published one, that of the first
download is written beside the file and compared at each later use.

A download that cannot work says which file to put where by hand.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import filelock
import pooch

from sam2_core.checkpoints.formats import sniff_format
from sam2_core.checkpoints.registry import HOME_VARIABLE, ModelEntry, OnDownload, checkpoints_folder, place_of
from sam2_core.checkpoints.transfer import Cancel, Interrupted, Progress, ResumingDownloader, TransferSettings
from sam2_core.errors import CheckpointError

logger = logging.getLogger(__name__)

_SHA256_NAME = re.compile(r"[0-9a-f]{64}")
_LOCK_WAIT_S = 0.2


def fetch(
    entry: ModelEntry,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
    *,
    source: Literal["url", "hub"] = "url",
    settings: TransferSettings | None = None,
) -> Path:
    """The verified weights file of a model, downloaded if it is not here yet.

    Parameters
    ----------
    entry
        From `sam2_core.checkpoints.registry.find_model`.
    progress
        Called with the bytes that are here and those in all (None if unknown), in the calling thread.
    cancel
        Asked about every 64 KiB; after True the download stops, keeps what has arrived, and raises.
    source
        The official address, or the Hugging Face hub (its own cache and settings, e.g. ``HF_ENDPOINT``, then apply).
    settings
        Timeouts and attempts.

    Raises
    ------
    CheckpointError
        If it cannot be fetched (the message says what to put where by hand), is damaged, or was cancelled.
    """
    target = place_of(entry)
    if target.is_file() or entry.is_local:
        return local_file(entry)
    if source == "hub" or entry.url is None:
        return _fetch_from_hub(entry, progress, cancel)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(target, cancel):
            if not target.is_file():
                _download(entry, ResumingDownloader(_partial(target), settings or TransferSettings(), progress, cancel))
    except Interrupted as error:
        raise CheckpointError(f"could not download {entry.name} ({error}). {_by_hand(entry)}") from error
    except OSError as error:
        raise CheckpointError(
            f"cannot write {target} ({error}); make room, or set {HOME_VARIABLE} to a folder that you may write"
        ) from error
    return local_file(entry)


def told_of(entry: ModelEntry, on_download: OnDownload | None) -> Progress | None:
    """Return the progress callback of a download that tells the name of the model, too."""
    if on_download is None:
        return None
    return lambda done, total: on_download(entry.name, done, total or entry.size_bytes or 0)


def local_file(entry: ModelEntry) -> Path:
    """The verified weights file of a model that is on this machine; never opens a connection.

    Raises
    ------
    CheckpointError
        If it is not here, or is not what was downloaded.
    """
    path = place_of(entry)
    if not path.is_file():
        raise CheckpointError(_missing(entry, path))
    if not entry.is_local:
        _verify(entry, path)
    return path


def _download(entry: ModelEntry, downloader: ResumingDownloader) -> None:
    target = place_of(entry)
    try:
        with _quiet_pooch():
            pooch.retrieve(
                entry.url, known_hash=entry.sha256, fname=target.name, path=target.parent, downloader=downloader
            )
    except ValueError as error:  # how pooch says that the hash differs; the file is gone then
        raise CheckpointError(
            f"what {entry.url} sent is not {entry.name} ({error}); it was thrown away. {_by_hand(entry)}"
        ) from error


def _verify(entry: ModelEntry, path: Path) -> None:
    """Compare a file with the published hash, or with the one of its first use, which is remembered here."""
    memo, expected = _memo(path), expected_sha256(entry)
    if expected is None:
        sniff_format(path)
    found = pooch.file_hash(str(path), alg="sha256")
    if expected is not None and found != expected.removeprefix("sha256:"):
        raise CheckpointError(
            f"{path} is not the file that it was: sha256 {found}, expected {expected}; "
            f"delete it to have it downloaded again (and {memo.name}, if you replaced it on purpose)"
        )
    if not memo.is_file():
        _remember(memo, f"{found}  {path.name}\n")


def expected_sha256(entry: ModelEntry) -> str | None:
    """Return the sha256 that a fetched file must have: the stated one, else that of the first download; else None."""
    if entry.sha256 is not None or entry.is_local:
        return entry.sha256
    try:
        recorded = _memo(place_of(entry)).read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{_memo(place_of(entry))} cannot be read ({error}); delete it") from error
    return recorded[0] if recorded else None


def _memo(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _remember(memo: Path, line: str) -> None:
    try:
        memo.write_text(line, encoding="utf-8")
    except OSError as error:
        logger.warning("cannot write %s (%s): the file is used, but will not be checked against its hash", memo, error)


def _fetch_from_hub(entry: ModelEntry, progress: Progress | None, cancel: Cancel | None) -> Path:
    """The file in the hub's own cache, downloaded if it is not there."""
    if entry.hf_id is None:
        raise CheckpointError(f"{entry.name} has no known source. {_by_hand(entry)}")
    try:
        path = hub_file(entry.hf_id, entry.filename, _hub_reporter(progress, cancel))
    except Unreachable as error:
        raise CheckpointError(f"{error}. {_by_hand(entry)}") from error
    sniff_format(path)
    return _verify_hub_file(path, entry.sha256)


class Unreachable(CheckpointError):
    """A file of the hub cannot be had."""


def hub_file(repository: str, filename: str, reporter: type[Any] | None = None, *, download: bool = True) -> Path:
    """The verified file of a Hugging Face repository in the hub's own cache, downloaded if it is not there.

    Raises
    ------
    CheckpointError
        If it is damaged, or, as `Unreachable`, cannot be had.
    """
    import huggingface_hub
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of the client that the hub uses

    try:
        cached = huggingface_hub.try_to_load_from_cache(repository, filename)
        if not isinstance(cached, str) and download:
            cached = huggingface_hub.hf_hub_download(repository, filename, tqdm_class=reporter)
    except (OSError, ValueError, HTTPError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise Unreachable(f"could not get {filename} of {repository} ({reason})") from error
    if not isinstance(cached, str):
        raise Unreachable(f"{filename} of {repository} has not been downloaded yet")
    return _verify_hub_file(Path(cached), None)


def _verify_hub_file(path: Path, sha256: str | None) -> Path:
    """The file, if it has the hash under which the hub stores large files."""
    stored = path.resolve().name
    expected = sha256 or (stored if _SHA256_NAME.fullmatch(stored) else None)
    if expected is not None and pooch.file_hash(str(path), alg="sha256") != expected.removeprefix("sha256:"):
        raise CheckpointError(f"{path} is damaged: its sha256 is not {expected}; delete it to have it downloaded again")
    return path


def _hub_reporter(progress: Progress | None, cancel: Cancel | None) -> type[Any]:
    """A progress bar class for the hub that draws nothing, reports, and stops the transfer when asked."""
    from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

    class Reporter(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.arrived = int(kwargs.get("initial") or 0)
            self.expected = kwargs.get("total")
            super().__init__(*args, **{**kwargs, "disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> bool | None:
            self.arrived += int(n or 0)
            if progress is not None:
                progress(self.arrived, self.expected)
            if cancel is not None and cancel():
                raise CheckpointError(f"download cancelled after {self.arrived} bytes")
            return None

    return Reporter


@contextmanager
def _only_one(target: Path, cancel: Cancel | None) -> Iterator[None]:
    """Hold the right to download `target`; wait while another thread or process holds it."""
    lock = filelock.FileLock(target.with_name(f".{target.name}.lock"))
    while not lock.is_locked:
        try:
            lock.acquire(timeout=_LOCK_WAIT_S)
        except filelock.Timeout:
            if cancel is not None and cancel():
                raise CheckpointError(f"cancelled while another download of {target.name} was running") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _quiet_pooch() -> Iterator[None]:
    """Without pooch's own messages on the terminal: progress is reported through the callback."""
    pooch_logger = pooch.get_logger()
    level = pooch_logger.level
    pooch_logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        pooch_logger.setLevel(level)


def _partial(target: Path) -> Path:
    """Return the newest part of our own that a transfer left, to be continued, or a new name."""
    name = re.compile(re.escape(target.name) + r"\.[0-9a-f]{32}\.part")
    left = [path for path in target.parent.iterdir() if name.fullmatch(path.name) and _is_own_file(path)]
    new = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
    return max(left, key=lambda path: path.lstat().st_mtime_ns, default=new)


def _is_own_file(path: Path) -> bool:
    """Return whether a path is a file of this user, and neither a link nor a second name of another file."""
    about = path.lstat()
    is_mine = os.name != "posix" or about.st_uid == os.geteuid()
    return stat.S_ISREG(about.st_mode) and about.st_nlink == 1 and is_mine


def _missing(entry: ModelEntry, path: Path) -> str:
    if entry.is_local:
        return f"the weights of {entry.name} are not at {path}; install again, or register the file where it is now"
    return f"{entry.name} has not been downloaded yet. {_by_hand(entry)}"


def _by_hand(entry: ModelEntry) -> str:
    sources = [source for source in (entry.url, entry.hf_id and f"https://huggingface.co/{entry.hf_id}") if source]
    return (
        f"To do it by hand, get {entry.filename} from {' or '.join(sources) or 'whoever made it'} on a machine with a "
        f"network and put it into {checkpoints_folder()} (or into 'checkpoints' of a folder named by {HOME_VARIABLE})"
    )
