"""The frames of a tracking run while it runs: one small TIFF per finished frame, in a folder beside the output.

`labels.tif.partial/` holds `run.json` (what the run is) and, per direction, `forward/frame_000012.tif` and so on;
each file appears only when it is whole, so a stopped or killed run leaves every finished frame readable, and a later
one can go on behind them. When all is done, `merged` gives the frames in order for the label file, and `discard`
removes the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.document.prompt import Prompt
from napari_sam2.engine.plan import Leg
from napari_sam2.engine.tracking import FrameResult, Resume
from napari_sam2.io.label_files import LabelSpec
from sam2_core.errors import StackError

_RUN_FILE = "run.json"
_FORMAT = "napari-sam2-run"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a run depends on; a run is only continued by one with the same.

    Attributes
    ----------
    stack
        Name of the stack.
    shape
        (frames, height, width).
    settings
        Model, direction, range, contrast and so on, as text.
    prompts
        Fingerprint of the prompts.
    """

    stack: str
    shape: tuple[int, int, int]
    settings: str
    prompts: str


def prompts_fingerprint(prompts: Sequence[Prompt]) -> str:
    """Return a short text that changes with any prompt."""
    digest = hashlib.sha256()
    for prompt in prompts:
        digest.update(repr((prompt.frame, prompt.object_id, prompt.points_yx, prompt.labels, prompt.box_yx)).encode())
        if prompt.mask is not None:
            digest.update(np.packbits(prompt.mask).tobytes())
    return digest.hexdigest()[:16]


def journal_folder(out: Path) -> Path:
    """Return where the finished frames of a run towards `out` are kept."""
    return out.with_name(f"{out.name}.partial")


class Journal:
    """Finished frames of one run on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, out: Path, info: RunInfo) -> Journal:
        """Return an empty journal for a run; one that is there is deleted."""
        journal = cls(journal_folder(out))
        journal.discard()
        journal.folder.mkdir()
        content = {"format": _FORMAT, "version": _VERSION, **asdict(info)}
        (journal.folder / _RUN_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        return journal

    @classmethod
    def reopen(cls, out: Path, info: RunInfo) -> Journal:
        """Return the journal of an interrupted run.

        Raises
        ------
        StackError
            If there is none, or it belongs to a run with another stack, model, settings or prompts.
        """
        journal = cls(journal_folder(out))
        try:
            content = json.loads((journal.folder / _RUN_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StackError(
                f"There is no interrupted run to resume for {out.name} (looked in {journal.folder}); "
                "start it without --resume."
            ) from error
        now = json.loads(json.dumps({"format": _FORMAT, "version": _VERSION, **asdict(info)}))
        changed = [key for key in now if now[key] != content.get(key)]
        if changed:
            details = ", ".join(f"{key} {content.get(key)!r} instead of {now[key]!r}" for key in changed)
            raise StackError(
                f"The interrupted run in {journal.folder.name} was started differently: {details}. Repeat the first "
                "command with --resume, or start again with --overwrite."
            )
        return journal

    def add(self, result: FrameResult) -> None:
        """Keep one finished frame."""
        import tifffile

        path = self._path(result.leg, result.frame_index)
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        tifffile.imwrite(part, result.labels, compression="zlib", metadata={"axes": "YX"})
        os.replace(part, path)

    def last(self, leg: Leg) -> Resume | None:
        """Return the last frame of a leg up to which all are finished, with its labels; None if none is."""
        finished = None
        for frame in leg.frames:
            if not self._path(leg.name, frame).exists():
                break
            finished = frame
        return None if finished is None else Resume(finished, _read(self._path(leg.name, finished)))

    def merged(self, spec: LabelSpec) -> Iterator[np.ndarray[Any, Any]]:
        """Yield the labels (H, W) of every frame of the stack; where both directions have a mask, forward stays."""
        for frame in range(spec.shape[0]):
            labels = np.zeros(spec.shape[1:], dtype=spec.dtype)
            for name in ("forward", "backward"):
                path = self._path(name, frame)
                if path.exists():
                    labels = np.where(labels == 0, _read(path), labels)
            yield labels

    def count(self) -> int:
        """Return how many frames are finished, over both directions."""
        return sum(1 for _ in self.folder.glob("*/frame_*.tif"))

    def discard(self) -> None:
        """Remove the journal and all in it."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def discard_if_empty(self) -> None:
        """Remove the journal if it holds no finished frame."""
        if self.count() == 0:
            self.discard()

    def _path(self, leg: str, frame: int) -> Path:
        return self.folder / leg / f"frame_{frame:06d}.tif"


def _read(path: Path) -> np.ndarray[Any, Any]:
    import tifffile

    return np.asarray(tifffile.imread(path))
