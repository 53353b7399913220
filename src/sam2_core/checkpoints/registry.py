"""The models that have a name: where their weights come from, what they may be used for, how large they are.

Three kinds: the eight official models (fetched when first asked for), ``cells-nano`` (ships in this package), and
those that the user registered (a path on this machine, remembered in ``models.json`` in the user's data folder).
``cells-nano`` is the newest version of it, ``cells-nano-1.3`` that version alone.
The folder is platformdirs' user data folder of napari-sam2, or what the environment variable NAPARI_SAM2_HOME says.

Nothing here opens a connection or reads a tensor.
"""

from __future__ import annotations

import difflib
import json
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from sam2_core.config import CONFIG_ROOT, config_names, find_config, load_config
from sam2_core.errors import CheckpointError

OnDownload = Callable[[str, int, int], None]
"""Called with the name of a model, the bytes of its weights that are here, and the bytes in all, 0 where unknown."""
HOME_VARIABLE = "NAPARI_SAM2_HOME"
BUNDLED_NAME = "cells-nano"
BUNDLED_VERSION = "1.3"
"""Counts up with every other set of weights that ships; the table in docs/models.md has those of before."""

_BUNDLED_PATH = Path(__file__).parent / "weights" / f"cells_nano-{BUNDLED_VERSION}.safetensors"
_OFFICIAL_LICENCE = "Apache-2.0"
_OFFICIAL_FOLDERS = {
    "sam2": "https://dl.fbaipublicfiles.com/segment_anything_2/072824",
    "sam2.1": "https://dl.fbaipublicfiles.com/segment_anything_2/092824",
}
# short name, long name, millions of parameters of 2.0 and of 2.1
_OFFICIAL_SIZES = (
    ("t", "tiny", 38.946, 38.963),
    ("s", "small", 46.044, 46.061),
    ("b+", "base-plus", 80.834, 80.850),
    ("l", "large", 224.430, 224.447),
)
_OFFICIAL_SHA256 = {
    "sam2.1_hiera_tiny.pt": "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
    "sam2.1_hiera_small.pt": "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
    "sam2.1_hiera_base_plus.pt": "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
    "sam2.1_hiera_large.pt": "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
    "sam2_hiera_tiny.pt": "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125",
    "sam2_hiera_small.pt": "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3",
    "sam2_hiera_base_plus.pt": "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071",
    "sam2_hiera_large.pt": "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b",
}
"""Meta publishes none; these are those of micro-sam (`micro_sam/v2/util.py`). A second source states the same for 2.1
tiny and large and 2.0 tiny, base-plus and large; none was found for 2.1 small, 2.1 base-plus and 2.0 small."""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One named model.

    Attributes
    ----------
    name, aliases
        What `find_model` answers to.
    config
        The configuration that fits, as `sam2_core.config.load_config` takes it.
    filename
        Name of the weights file in the checkpoints folder.
    url, hf_id
        Where the file is fetched from: a direct address, or a Hugging Face repository that holds `filename`.
    sha256
        Known checksum, None where nobody stated one; then the first download is trusted, remembered and shown.
    licence
        SPDX identifier, "" where unknown.
    parameters_m
        Parameters in millions, None where unknown.
    path
        Where the file is, for models that are never fetched.
    version
        Of the weights, "" where nobody counts them.
    """

    name: str
    config: str
    filename: str
    aliases: tuple[str, ...] = ()
    url: str | None = None
    hf_id: str | None = None
    sha256: str | None = None
    licence: str = ""
    parameters_m: float | None = None
    path: Path | None = None
    version: str = ""

    @property
    def is_local(self) -> bool:
        """Whether the weights are a file that is never fetched."""
        return self.path is not None

    def answers_to(self, name: str) -> bool:
        """Return whether a name is one of the model's; case and the use of ``-`` or ``_`` do not matter."""
        return _plain(name) in {_plain(answer) for answer in _answers(self)}

    @property
    def size_bytes(self) -> int | None:
        """Size of the file in bytes: exact where `path` exists, else about what its parameters take in float32."""
        if self.path is not None and self.path.is_file():
            return self.path.stat().st_size
        return None if self.parameters_m is None else round(self.parameters_m * 4e6)


def data_folder() -> Path:
    """The folder for what belongs to the user and not to one session; it may not exist yet."""
    chosen = os.environ.get(HOME_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_data_dir("napari-sam2", appauthor=False))


def checkpoints_folder() -> Path:
    """The folder for fetched weights; it may not exist yet."""
    return data_folder() / "checkpoints"


def place_of(entry: ModelEntry) -> Path:
    """Where the weights file of a model is, or would be once it is fetched."""
    return entry.path or checkpoints_folder() / entry.filename


def models() -> tuple[ModelEntry, ...]:
    """Every known model: the bundled one, the official ones, then the user's.

    Raises
    ------
    CheckpointError
        If the list of the user's models cannot be read.
    """
    return _shipped_models() + _user_models()


def find_model(name: str) -> ModelEntry:
    """The model with that name, alias or Hugging Face id; case and the use of ``-`` or ``_`` do not matter.

    Raises
    ------
    CheckpointError
        If there is none; the message lists names like it.
    """
    shipped = next((entry for entry in _shipped_models() if entry.answers_to(name)), None)
    if shipped is not None:
        return shipped  # whatever became of the list of the user's own
    known = models()
    for entry in known:
        if entry.answers_to(name):
            return entry
    answers = {_plain(answer): entry.name for entry in known for answer in _answers(entry)}
    near = dict.fromkeys(answers[key] for key in difflib.get_close_matches(_plain(name), answers, n=8, cutoff=0.6))
    hint = f"did you mean {', '.join(near)}" if near else f"there are {', '.join(entry.name for entry in known)}"
    raise CheckpointError(f"no model is named {name!r}; {hint}; or give the path of a checkpoint file")


def add_model(name: str, path: str | Path, config: str) -> ModelEntry:
    """The entry under which a file on this machine is known from now on; a user's entry of that name is replaced.

    Raises
    ------
    CheckpointError
        If the name is empty or one that ships, the file is missing, or there is no such configuration.
    """
    path = Path(path).expanduser().resolve()
    if not name.strip() or "/" in name or "\\" in name:
        raise CheckpointError(f"{name!r} cannot be a model name; use letters, digits, '-' and '_'")
    if any(entry.answers_to(name) for entry in _shipped_models()):
        raise CheckpointError(f"{name!r} is a model that ships; choose another name for {path.name}")
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint file {path}; give the path of a .pt or .safetensors file")
    entry = ModelEntry(name=name, config=_checked_config(config), filename=path.name, path=path)
    others = [other for other in _user_models() if _plain(other.name) != _plain(name)]
    _write_user_models([*others, entry])
    return entry


def remove_model(name: str) -> None:
    """Forget a model that the user registered; its file stays.

    Raises
    ------
    CheckpointError
        If the user registered no model of that name.
    """
    registered = _user_models()
    kept = [entry for entry in registered if _plain(entry.name) != _plain(name)]
    if len(kept) == len(registered):
        names = ", ".join(entry.name for entry in registered) or "none"
        raise CheckpointError(f"no model named {name!r} was registered by you (registered: {names})")
    _write_user_models(kept)


def _shipped_models() -> tuple[ModelEntry, ...]:
    bundled = ModelEntry(
        name=BUNDLED_NAME,
        aliases=("cells_nano", "default", f"{BUNDLED_NAME}-{BUNDLED_VERSION}"),
        config="configs/cells/cells_nano.yaml",
        filename=_BUNDLED_PATH.name,
        licence=_OFFICIAL_LICENCE,
        parameters_m=8.150,
        path=_BUNDLED_PATH,
        version=BUNDLED_VERSION,
    )
    versions = (("sam2.1", 1), ("sam2", 0))  # newest first
    official = (
        _official_entry(family, short, long, parameters[column])
        for family, column in versions
        for short, long, *parameters in _OFFICIAL_SIZES
    )
    return (bundled, *official)


def _official_entry(family: str, short: str, long: str, parameters_m: float) -> ModelEntry:
    filename = f"{family}_hiera_{long.replace('-', '_')}.pt"
    return ModelEntry(
        name=f"{family}_hiera_{short}",
        aliases=(f"{family}-hiera-{long}", f"{family}_hiera_{long.replace('-', '_')}", filename),
        config=f"configs/{family}/{family}_hiera_{short}.yaml",
        filename=filename,
        url=f"{_OFFICIAL_FOLDERS[family]}/{filename}",
        hf_id=f"facebook/{family}-hiera-{long}",
        sha256=_OFFICIAL_SHA256[filename],
        licence=_OFFICIAL_LICENCE,
        parameters_m=parameters_m,
    )


def _answers(entry: ModelEntry) -> tuple[str, ...]:
    return (entry.name, *entry.aliases, *((entry.hf_id,) if entry.hf_id else ()))


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_")


def _checked_config(config: str) -> str:
    """The configuration as it can be found again from any working directory."""
    try:
        file = find_config(config)
        load_config(file)
    except (FileNotFoundError, ValueError) as error:
        raise CheckpointError(
            f"{config!r} is no usable configuration ({error}); shipped are {', '.join(config_names())}"
        ) from error
    return config if file.is_relative_to(CONFIG_ROOT) else str(file.resolve())


def _user_models() -> tuple[ModelEntry, ...]:
    file = data_folder() / "models.json"
    try:
        records = json.loads(file.read_text(encoding="utf-8"))["models"]
        return tuple(_user_entry(record) for record in records)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"the list of your models {file} cannot be read ({type(error).__name__}: {error}); repair or delete it"
        ) from error


def _user_entry(record: Mapping[str, object]) -> ModelEntry:
    name, path, config = record["name"], record["path"], record["config"]
    if not (isinstance(name, str) and isinstance(path, str) and isinstance(config, str) and name and path and config):
        raise ValueError(f"name, path and config of a model are text, not {record}")
    return ModelEntry(name=name, config=config, filename=Path(path).name, path=Path(path))


def _write_user_models(entries: list[ModelEntry]) -> None:
    records = [{"name": entry.name, "path": str(entry.path), "config": entry.config} for entry in entries]
    folder = data_folder()
    part = folder / f"models.{uuid.uuid4().hex}.part"  # made as the umask says, unlike what tempfile makes
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("x", encoding="utf-8") as file:
                json.dump({"version": 1, "models": records}, file, indent=2)
            part.replace(folder / "models.json")
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"cannot write the list of your models in {folder} ({error}); set {HOME_VARIABLE} to a folder you may write"
        ) from error
