"""Which weights a file holds: name, version and digest, short enough to be kept beside what was made with them.

A name alone says too little: `cells-nano` is the newest version that ships, and a path is whatever lies there today.
Needs no torch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sam2_core.checkpoints.locate import WEIGHTS_FILE, located
from sam2_core.checkpoints.registry import models, place_of
from sam2_core.errors import CheckpointError

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class WeightsId:
    """Weights as they are told from others; they are the same where `sha256` is.

    Attributes
    ----------
    name
        Of the registered model, else of the file, or of its folder where all such files have one name.
    version
        "" where nobody counts versions.
    sha256
        Of the file, 64 hexadecimal digits.
    """

    name: str
    version: str
    sha256: str

    def __str__(self) -> str:
        """Return it for people: "cells-nano 1.3 (sha256 51d20b03cb43)"."""
        return f"{' '.join(filter(None, (self.name, self.version)))} (sha256 {self.sha256[:_SHOWN]})"


def weights_id(path: str | Path) -> WeightsId:
    """Return which weights a file holds; it is read unless it was verified when it was fetched.

    Raises
    ------
    CheckpointError
        If it cannot be read.
    """
    from sam2_core.checkpoints.download import expected_sha256

    path = Path(path).expanduser()
    try:
        entry = next((one for one in models() if place_of(one) == path.absolute()), None)
        known = None if entry is None else expected_sha256(entry)
        digest = (known or _digest(path)).removeprefix("sha256:")
    except OSError as error:
        raise CheckpointError(f"cannot read the weights {path}: {error.strerror or error}") from error
    if entry is None:
        return WeightsId(path.absolute().parent.name if path.name == WEIGHTS_FILE else path.name, "", digest)
    return WeightsId(entry.name, entry.version, digest)


def weights_here(name_or_path: str | Path) -> WeightsId | None:
    """Return which weights a registered name or a path stands for on this machine, None where they are not here."""
    try:
        found = located(name_or_path, download=False)
        path = found if isinstance(found, Path) else place_of(found)
        return weights_id(path) if path.is_file() else None
    except CheckpointError:
        return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
