"""Frames that are segmented, kept one by one in the folder of a run until all are there: labels and rows of a table.

A frame is a label TIFF and, written behind it, a JSON file with what is known of it; so one that was not finished is
not there. `run.json` says what was asked for, so that a run only goes on as it began.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from napari_sam2.io.atomic import part_beside, remove_parts, remove_path, write_atomically, writing
from napari_sam2.io.found_table import Row
from napari_sam2.io.label_planes import label_plane
from sam2_core.errors import StackError
from sam2_core.inference.frames.reading import reading

RUN_FILE, LOCK_FILE = "run.json", ".lock"
Array = np.ndarray[Any, Any]


class _Row(BaseModel):
    """What every row of the table has; the rest is written as it is."""

    model_config = ConfigDict(extra="allow")
    frame: int
    label: int
    score: float | str


class _Told(BaseModel):
    """What the JSON file of a frame says."""

    rows: list[_Row]
    diameter_px: float | None


class FoundFrames:
    """The frames that are finished in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def is_begun(self) -> bool:
        """Whether the folder is that of a run."""
        return (self.folder / RUN_FILE).is_file()

    def begin(self, asked: Mapping[str, Any]) -> None:
        """Make the folder anew for a run that asks for something; it is there with that or not at all.

        Raises
        ------
        StackError
            If it cannot be written, or another process is at work in it.
        """
        with self.held() if self.is_begun else nullcontext():
            pass
        self.remove()
        remove_parts(self.folder.parent, self.folder.name)
        part = part_beside(self.folder)
        try:
            with writing(self.folder):
                part.mkdir()
                _write_json(part / RUN_FILE, asked)
                os.replace(part, self.folder)
        finally:
            remove_path(part)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the right to work in the folder, which is there.

        Raises
        ------
        StackError
            If another process has it.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / LOCK_FILE, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise StackError(
                f"Another process is at work in {self.folder}; wait until it is done, or choose another name."
            ) from error
        except OSError as error:
            raise StackError(f"{self.folder} cannot be written ({error}); choose another folder.") from error
        try:
            yield
        finally:
            lock.release()

    def asked(self) -> dict[str, Any]:
        """Return what the run asks for.

        Raises
        ------
        StackError
            If a file of the folder cannot be read; so for `labels`, `rows` and `diameter_px`.
        """
        path = self.folder / RUN_FILE
        with reading(path):
            return dict(json.loads(path.read_text(encoding="utf-8")))

    def put(self, frame: int, labels: Array, rows: Iterable[Row], diameter_px: float | None) -> None:
        """Keep a frame (H, W) with the rows of its table, and the typical diameter that was gone by."""
        import tifffile

        buffer = io.BytesIO()
        tifffile.imwrite(buffer, labels, compression="zlib", metadata={"axes": "YX"})
        write_atomically(self._path(frame, "tif"), buffer.getvalue())
        _write_json(self._path(frame, "json"), {"rows": list(rows), "diameter_px": diameter_px})

    def finished(self) -> tuple[int, ...]:
        """Return the frames that are there, ascending."""
        return tuple(sorted(int(path.stem.removeprefix("frame")) for path in self.folder.glob("frame[0-9]*.json")))

    def labels(self, frame: int) -> Array:
        """Return the labels of a frame, (H, W)."""
        path = self._path(frame, "tif")
        with reading(path):
            return label_plane(path.read_bytes())

    def rows(self) -> Iterator[Row]:
        """Yield the rows of all frames in order."""
        for frame in self.finished():
            yield from (row.model_dump() for row in self._told(frame).rows)

    def diameter_px(self) -> float | None:
        """Return the typical diameter that was gone by first; None where nothing told it."""
        found = (self._told(frame).diameter_px for frame in self.finished())
        return next((size for size in found if size is not None), None)

    def remove(self) -> None:
        """Remove the folder, from its place at once: half a folder would be in the way of the next run."""
        if self.folder.is_dir():
            part = part_beside(self.folder)
            os.replace(self.folder, part)
            remove_path(part)

    def _told(self, frame: int) -> _Told:
        path = self._path(frame, "json")
        with reading(path):
            return _Told.model_validate(
                json.loads(path.read_bytes())
            )  # that of pydantic reads no names that are no text

    def _path(self, frame: int, suffix: str) -> Path:
        return self.folder / f"frame{frame:06d}.{suffix}"


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_atomically(path, json.dumps(content).encode())
