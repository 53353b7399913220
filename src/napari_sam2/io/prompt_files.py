"""Prompts from and to files: JSON (version 1) or CSV, by the suffix of the name.

`read_prompts` parses, joins what belongs to one object on one frame, and loads masks that the file points to. Whether
the prompts fit a stack is checked where the stack is known (`session.check_prompts`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from napari_sam2.document.prompt import Prompt, gathered
from napari_sam2.document.prompt_parts import BoolArray
from napari_sam2.io.atomic import write_atomically
from napari_sam2.io.prompt_csv import format_csv, parse_csv
from napari_sam2.io.prompt_schema import PromptDocument, PromptEntry, parse_document
from napari_sam2.io.session_masks import label_tiff
from napari_sam2.io.text_files import decoded
from napari_sam2.stacks import Movie, open_labels
from sam2_core.errors import PromptError


def read_prompts(path: str | Path, movie: Movie | None = None) -> tuple[Prompt, ...]:
    """Return the prompts of a file, one per object and frame, in order of frame and object.

    Parameters
    ----------
    path
        JSON, or CSV in our own columns or as napari saves a Points or Shapes layer.
    movie
        The images that they are for. Layers of more than three axes and shapes other than rectangles need it.

    Raises
    ------
    PromptError
        If the file is missing, empty, of another kind or version, or an entry cannot be used.
    StackError
        If a mask file that it names cannot be read.
    """
    path = Path(path).expanduser()
    text = _text(path)
    found = parse_csv(text, path.name, movie) if path.suffix.lower() == ".csv" else _from_json(text, path)
    if not found:
        raise PromptError(f"{path.name} holds no prompts; give at least one point, box or mask.")
    return gathered(found)


def files_of_prompts(path: Path, prompts: Iterable[Prompt]) -> list[Path]:
    """Return all files that `write_prompts` writes: the one of the prompts, and masks beside it."""
    drawn = [] if path.suffix.lower() == ".csv" else [one for one in prompts if one.drawn is not None]
    return [path, *(_mask_beside(path, prompt) for prompt in drawn)]


def write_prompts(path: str | Path, prompts: Sequence[Prompt]) -> None:
    """Write prompts as JSON, or as CSV where the name ends in .csv; each mask goes into a label TIFF beside it.

    Raises
    ------
    PromptError
        If a mask is to be written as CSV.
    StackError
        If the disk is full or the folder cannot be written to.
    """
    path = Path(path)
    if path.suffix.lower() == ".csv":
        text = format_csv(prompts)
    else:
        entries = [PromptEntry.of(prompt, _write_mask(path, prompt)) for prompt in prompts]
        text = json.dumps(PromptDocument(prompts=entries).model_dump(exclude_defaults=False), indent=2) + "\n"
    write_atomically(path, text.encode())


def _text(path: Path) -> str:
    if path.suffix.lower() not in (".json", ".csv"):
        raise PromptError(f"{path.name}: prompts are read from .json or .csv files.")
    try:
        return decoded(path.read_bytes())
    except FileNotFoundError:
        raise PromptError(f"There is no prompt file {path}; check the path.") from None
    except (OSError, ValueError) as error:
        raise PromptError(f"{path} cannot be read as text ({error}).") from error


def _from_json(text: str, path: Path) -> list[Prompt]:
    document = parse_document(_parsed_json(text, path), path.name)
    origins = [f"{path.name}, entry {number + 1}" for number in range(len(document.prompts))]
    entries = zip(document.prompts, origins, strict=True)
    return [entry.prompt(origin, partial(_mask, path.parent, entry, origin)) for entry, origin in entries]


def _parsed_json(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise PromptError(f"{path.name}, line {error.lineno}: this is not valid JSON ({error.msg}).") from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, thousands of brackets
        raise PromptError(f"{path.name} cannot be read as JSON ({error}).") from error


def _mask(folder: Path, entry: PromptEntry, origin: str, name: str) -> BoolArray:
    """Return where a label image holds the object's id; of a stack, the plane of the prompt's frame is taken."""
    labels = open_labels(folder / name)
    where = f"{origin}: mask {(folder / name).name}"
    if len(labels) > 1 and entry.frame >= len(labels):
        raise PromptError(f"{where} has {len(labels)} frames, so there is none for frame {entry.frame}.")
    mask: BoolArray = labels[entry.frame if len(labels) > 1 else 0] == entry.object_id
    if not mask.any():
        raise PromptError(f"{where} holds no pixel of value {entry.object_id}, the object id.")
    return mask


def _write_mask(path: Path, prompt: Prompt) -> str | None:
    """Return the name of the label TIFF, beside the prompt file, after writing the mask into it; None without one."""
    if prompt.drawn is None:
        return None
    place = _mask_beside(path, prompt)
    write_atomically(place, label_tiff(prompt.drawn.mask, prompt.object_id))
    return place.name


def _mask_beside(path: Path, prompt: Prompt) -> Path:
    return path.with_name(f"{path.stem}_object{prompt.object_id}_frame{prompt.frame}.tif")
