"""What a name or a path stands for: a file, a registered model, or a folder that holds weights beside a configuration.

Such a folder (`scripts/export_huggingface.py` makes one) may lie here, or be a repository of the Hugging Face hub. What
is written like a path never touches the network; what is no path, no registered name and has one ``/`` may be a
repository, and is asked for where downloads are allowed. Needs no torch.
"""

from __future__ import annotations

from pathlib import Path

from sam2_core.checkpoints.registry import ModelEntry, find_model, models
from sam2_core.errors import CheckpointError

WEIGHTS_FILE, CONFIG_FILE = "model.safetensors", "config.json"
"""What such a folder holds; the names are those of the hub."""
_SUFFIXES = (".pt", ".pth", ".safetensors", ".ckpt", ".bin")


def located(name_or_path: str | Path, *, download: bool = True) -> Path | ModelEntry:
    """Return the file where a path was meant, else the model of that name or in that folder.

    Raises
    ------
    CheckpointError
        If there is none.
    """
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    if (path / WEIGHTS_FILE).is_file():
        return model_in(path)
    if isinstance(name_or_path, Path) or _looks_like_path(name_or_path):
        official = next((entry.name for entry in models() if entry.filename == path.name), None)
        hint = (
            f"{official!r} instead of a path fetches it"
            if official
            else f"give the path of a .pt or .safetensors file, or of a folder with {WEIGHTS_FILE} and {CONFIG_FILE}"
        )
        raise CheckpointError(f"there is no checkpoint file {path}; {hint}")
    try:
        return find_model(name_or_path)
    except CheckpointError as unknown:
        if not _is_hub_id(name_or_path):
            raise
        return _of_the_hub(name_or_path, download, unknown)


def model_in(folder: Path) -> ModelEntry:
    """Return the model in a folder that holds weights and configuration.

    Raises
    ------
    CheckpointError
        If one of the two is not there.
    """
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder} holds no {name}; give a folder with {WEIGHTS_FILE} and {CONFIG_FILE}")
    weights, config = (folder.absolute() / name for name in (WEIGHTS_FILE, CONFIG_FILE))
    return ModelEntry(name=folder.absolute().name, config=str(config), filename=WEIGHTS_FILE, path=weights)


def _of_the_hub(name: str, download: bool, unknown: CheckpointError) -> ModelEntry:
    """Return the model in a repository of the hub, in the hub's own cache."""
    from sam2_core.checkpoints.download import hub_file

    try:
        config, weights = (hub_file(name, file, download=download) for file in (CONFIG_FILE, WEIGHTS_FILE))
    except CheckpointError as error:
        raise CheckpointError(f"{unknown}; nor can it be had from the Hugging Face hub: {error}") from error
    return ModelEntry(name=name, config=str(config), filename=WEIGHTS_FILE, path=weights)


def _is_hub_id(text: str) -> bool:
    return text.count("/") == 1 and not text.startswith((".", "/", "~"))


def _looks_like_path(text: str) -> bool:
    return text.lower().endswith(_SUFFIXES) or "\\" in text or ("/" in text and not _is_hub_id(text))
