"""The models as the panels show them, and what a person can do with them; every function may take long, none uses Qt.

They are called in a worker: listing reads configurations, adding reads a checkpoint with torch, downloading waits for
a server. `sam2_core.checkpoints` does the work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sam2_core.errors import CheckpointError

# Upper bounds in millions of parameters.
_SPEEDS = ((10.0, "fastest"), (42.0, "fast"), (60.0, "medium"), (100.0, "slow"))


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model as a row.

    Attributes
    ----------
    name
        What the session is asked for.
    size, licence, speed
        For people; "" or "unknown" where it is not known.
    where
        "ships", "downloaded", "added", "missing" or "not here".
    path
        Where the file is or would be.
    source
        From where it can be fetched, "" where it cannot.
    """

    name: str
    size: str
    licence: str
    speed: str
    where: str
    path: Path
    source: str = ""

    @property
    def is_here(self) -> bool:
        """Whether it can be used without a network."""
        return self.where in ("ships", "downloaded", "added")

    @property
    def can_download(self) -> bool:
        """Whether it can be fetched."""
        return self.where == "not here"

    @property
    def label(self) -> str:
        """The name, with what is to be done first where it cannot be used as it is."""
        return self.name if self.is_here else f"{self.name} ({'download' if self.can_download else 'missing'})"

    @property
    def about(self) -> str:
        """Where it is, or what to do where it is not here."""
        if self.is_here:
            return str(self.path)
        if self.can_download:
            return f"{self.name} is not here yet; Download fetches {self.size} from {self.source}."
        return f"The file of {self.name} is gone: put it back at {self.path}, or delete {self.name} under Models."

    @property
    def can_delete(self) -> bool:
        """Whether it can be deleted, or forgotten where the file is the person's own."""
        return self.where in ("downloaded", "added", "missing")


def list_models() -> tuple[ModelRow, ...]:
    """Return every known model."""
    from sam2_core.checkpoints.registry import BUNDLED_NAME, ModelEntry, models, place_of

    def row(entry: ModelEntry) -> ModelRow:
        path = place_of(entry)
        here = path.is_file()
        if entry.name == BUNDLED_NAME:
            where = "ships"
        elif entry.is_local:
            where = "added" if here else "missing"
        else:
            where = "downloaded" if here else "not here"
        size = "" if entry.size_bytes is None else f"{entry.size_bytes / 1e6:.0f} MB"
        speed, source = _speed(entry.parameters_m), urlsplit(entry.url or "").netloc
        return ModelRow(entry.name, size, entry.licence or "unknown", speed, where, path, source)

    return tuple(row(entry) for entry in models())


def download_model(name: str, progress: Callable[[int, int], None], cancelled: Callable[[], bool]) -> Path:
    """Return the weights file of a model as `fetch` does; `progress` gets the bytes here and in all (0: unknown)."""
    from sam2_core.checkpoints.download import fetch
    from sam2_core.checkpoints.registry import find_model

    entry = find_model(name)
    return fetch(entry, lambda done, total: progress(done, total or entry.size_bytes or 0), cancelled)


def register_model(name: str, path: Path, config: str | None) -> str:
    """Return the name under which a checkpoint is known from now on; its configuration is told from it if None.

    Raises
    ------
    CheckpointError
        If it cannot be read, does not fit the configuration or any, or the name is taken.
    """
    from sam2_core.assembly import build_sam2
    from sam2_core.checkpoints.load import OpenedModel, read_state_dict
    from sam2_core.checkpoints.registry import add_model, models
    from sam2_core.checkpoints.signature import infer_config

    if any(entry.answers_to(name) for entry in models()):
        raise CheckpointError(f"{name} is the name of a model already; choose another, or delete that one first.")
    tensors = read_state_dict(path)
    config = config or infer_config(tensors)
    if config is None:
        raise CheckpointError(
            f"{path.name} fits none of the configurations that ship; choose the configuration that it was trained with."
        )
    try:
        build_sam2(config, OpenedModel(config, tensors, path), device="cpu")
    except CheckpointError as error:
        raise CheckpointError(f"{path.name} was not added: {error}") from error
    return add_model(name, path, config).name


def delete_model(row: ModelRow) -> None:
    """Delete what was downloaded, or forget what was added (that file stays).

    Raises
    ------
    CheckpointError
        If the model ships, or the file cannot be deleted.
    """
    from sam2_core.checkpoints.registry import remove_model

    if row.where in ("added", "missing"):
        remove_model(row.name)
        return
    if not row.can_delete:
        raise CheckpointError(f"{row.name} {row.where} and cannot be deleted; only downloaded or added models can.")
    try:
        row.path.unlink(missing_ok=True)
        row.path.with_name(row.path.name + ".sha256").unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(f"cannot delete {row.path} ({error}); close what uses it") from error


def _speed(parameters_m: float | None) -> str:
    if parameters_m is None:
        return ""
    return next((word for bound, word in _SPEEDS if parameters_m <= bound), "slowest")
