"""Weights from a file into a model: find the file, read its tensors, fit them strictly.

`open_model` is the door. Order: `resolve_checkpoint` turns a name or a path into a file, `read_state_dict` reads its
tensors into main memory, `fit` compares them with a model and copies them in. Formats are told by content, not by file
name.

Nothing is ever unpickled but tensors and plain containers. What training programs put around tensors and in front of
all their keys (`WRAPPERS`, `PREFIXES`) is taken off; no other key is renamed and none is ignored: a file either fits,
or the error says what does not and which shipped configuration would have fitted.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from sam2_core.checkpoints.formats import sniff_format
from sam2_core.checkpoints.locate import located
from sam2_core.checkpoints.registry import ModelEntry, OnDownload
from sam2_core.checkpoints.signature import infer_config
from sam2_core.errors import CheckpointError

logger = logging.getLogger(__name__)

WRAPPERS = ("model", "state_dict", "model_state_dict", "model_state")
"""Names under which the tensors may lie in a file."""
PREFIXES = ("module.", "_orig_mod.", "sam2_model.", "sam2.", "sam.", "model.", "net.", "network.")
"""What may stand in front of every key, of data parallel and compiled models and of classes around the model."""
_NAMED = 3  # how many keys of each kind an error spells out


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model as it was read: the configuration that fits, its tensors by their keys, and the file they came from."""

    config: str
    tensors: Mapping[str, Tensor]
    path: Path


def open_model(name_or_path: str | Path, on_download: OnDownload | None = None) -> OpenedModel:
    """Return the configuration and the tensors of a registered name or a checkpoint file, which is read once.

    Parameters
    ----------
    name_or_path
        As for `resolve_checkpoint`. The configuration of a path is told from its tensors.
    on_download
        Told how far the download is, where there is one.

    Raises
    ------
    CheckpointError
        If there is no such file or model, it cannot be fetched or read, or no configuration that ships fits.
    """
    found = located(name_or_path)
    path = _file_of(found, on_download)
    tensors = read_state_dict(path)
    config = found.config if isinstance(found, ModelEntry) else infer_config(tensors)
    if config is None:
        raise CheckpointError(
            f"{path.name} fits none of the configurations that ship; register it with its own configuration "
            "(sam2_core.checkpoints.registry.add_model), then give its name."
        )
    return OpenedModel(config, tensors, path)


def resolve_checkpoint(name_or_path: str | Path, *, download: bool = True) -> Path:
    """Return the checkpoint file that a registered name or a path stands for.

    An existing file, or anything that is written like a path, never touches the network; of a folder it is the weights
    in it (`locate`). A registered name gives the file that ships with the package, that was registered by the user or
    that was fetched before; an official model that is not here yet is fetched if `download` is set, and so is the
    repository of a Hugging Face id that is not registered.

    Raises
    ------
    CheckpointError
        If there is no such file or model, or if it cannot be fetched or verified.
    """
    return _file_of(located(name_or_path, download=download), download=download)


def _file_of(found: Path | ModelEntry, on_download: OnDownload | None = None, download: bool = True) -> Path:
    from sam2_core.checkpoints.download import fetch, local_file, told_of

    if isinstance(found, Path):
        return found
    return fetch(found, told_of(found, on_download)) if download else local_file(found)


def load_checkpoint(model: nn.Module, path: str | Path) -> None:
    """Copy the weights in `path` into `model`: every key, every shape, nothing else.

    Raises
    ------
    CheckpointError
        If the file cannot be read, or if keys are missing, left over or of another shape. The model is then unchanged.
    """
    fit(model, read_state_dict(path), path)


def fit(model: nn.Module, state_dict: Mapping[str, Tensor], path: str | Path) -> None:
    """Copy tensors that were read from `path` into `model`, as `load_checkpoint` does."""
    difference = _difference(model.state_dict(), state_dict)
    if difference:
        raise CheckpointError(f"{path} does not fit this model: {difference}. {_advice(state_dict)}")
    model.load_state_dict(state_dict, strict=True)
    logger.info("loaded %d tensors from %s", len(state_dict), path)


def _difference(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """Return what is missing, left over and of another shape in `found`, empty where nothing is."""
    kinds = {
        "missing": [key for key in expected if key not in found],
        "left over": [key for key in found if key not in expected],
        "of another shape": [
            f"{key}: {tuple(found[key].shape)} in the file, {tuple(tensor.shape)} in the model"
            for key, tensor in expected.items()
            if key in found and found[key].shape != tensor.shape
        ],
    }
    return "; ".join(f"{len(keys)} {kind} ({_first(keys)})" for kind, keys in kinds.items() if keys)


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors in a checkpoint file by their keys, in main memory, half precision raised to float32.

    Reads what ``torch.save`` wrote (``{"model": tensors}`` as the official files, or the tensors themselves) and
    safetensors.

    Raises
    ------
    CheckpointError
        If the file is missing, corrupt, cut short, a web page, holds code, or holds no tensors.
    """
    path = Path(path).expanduser()
    content = _read_safetensors(path) if sniff_format(path) == "safetensors" else _tensors_of(_unpickle(path), path)
    _check_storage(content, path)
    plain = {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in content.items()}
    return _without_prefixes(plain)


def read_metadata(path: str | Path) -> dict[str, str]:
    """The text fields stored beside the tensors: name -> text, empty where there are none.

    Raises
    ------
    CheckpointError
        If the file cannot be read.
    """
    path = Path(path).expanduser()
    if sniff_format(path) == "safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                return dict(file.metadata() or {})
        except (SafetensorError, OSError) as error:
            raise _corrupt(path, error) from error
    content = _unpickle(path)
    stored = content.get("metadata") if isinstance(content, Mapping) else None
    return {str(key): str(value) for key, value in stored.items()} if isinstance(stored, Mapping) else {}


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path, device="cpu")
    except MemoryError:
        raise
    except Exception as error:  # of another shape or type than is promised, safetensors raises what comes
        raise _corrupt(path, error) from error


def _unpickle(path: Path) -> object:
    try:
        content: object = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds something else than tensors, or is corrupt, and was not opened ({_first_line(error)}); "
            "save it again as tensors alone, for example as safetensors"
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle makes torch raise what comes: AttributeError, IndexError, ...
        raise _corrupt(path, error) from error
    return content


def _tensors_of(content: object, path: Path) -> dict[str, Tensor]:
    while isinstance(content, Mapping):
        wrapper = next((name for name in WRAPPERS if isinstance(content.get(name), Mapping)), None)
        if wrapper is None:
            break
        content = content[wrapper]
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"{path} holds a {type(content).__name__} where a mapping of tensors was expected")
    wrong = [str(key) for key, value in content.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if wrong:
        raise CheckpointError(
            f"{path} is no checkpoint of a model: {len(wrong)} entries are no tensors ({_first(wrong)}); "
            'expected {"model": tensors} or the tensors themselves'
        )
    return dict(content)


def _check_storage(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Return nothing if each tensor is as large as it says; raise `CheckpointError` where a value stands for many."""
    for key, tensor in tensors.items():
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise CheckpointError(
                f"{path} is damaged: {key} claims the shape {tuple(tensor.shape)}, and the file holds fewer values"
            )


def _without_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors without what stands in front of all of their keys."""
    prefix = next((prefix for prefix in PREFIXES if tensors and all(key.startswith(prefix) for key in tensors)), None)
    if prefix is None:
        return tensors
    logger.info("all keys begin with %r, which is left out", prefix)
    return _without_prefixes({key.removeprefix(prefix): tensor for key, tensor in tensors.items()})


def _advice(state_dict: Mapping[str, Tensor]) -> str:
    fitting = infer_config(state_dict)
    if fitting is None:
        return "Its tensors fit none of the shipped configurations; give the configuration that it was trained with"
    return f"Its tensors look like {fitting}: build the model with that configuration"


def _corrupt(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{path} is corrupt or incomplete ({_first_line(error)}); delete it and fetch or copy it again"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _first(keys: list[str]) -> str:
    return ", ".join(keys[:_NAMED]) + (", ..." if len(keys) > _NAMED else "")
