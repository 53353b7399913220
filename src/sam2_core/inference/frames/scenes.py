"""Which one of several image series in a file is meant: the caller says it, by number or name, or is asked to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sam2_core.errors import StackError

_MOST_NAMED = 12


def scene_index(names: Sequence[str], scene: int | str, path: Path | str) -> int:
    """Return the position of a series that is given by its name or number.

    Raises
    ------
    StackError
        There is none, or several have that name.
    """
    if isinstance(scene, str) and scene and names.count(scene) > 1:
        raise StackError(f"{path} holds {names.count(scene)} series named {scene!r}; give the number of one, from 0.")
    index = names.index(scene) if scene and scene in names else int(scene) if str(scene).isdecimal() else -1
    if not 0 <= index < len(names):
        known = _listed([f"{number} {name}".strip() for number, name in enumerate(names)])
        raise StackError(f"{path} has no scene {scene!r}; it holds {len(names)} series: {known}.")
    return index


def several(words: Sequence[str], path: Path | str) -> str:
    """Return the text of an error that asks to choose one of several series."""
    listed = _listed([f"{number}: {word}" for number, word in enumerate(words)])
    return (
        f"{path} holds {len(words)} series of images ({listed}), and nothing says which one is meant; choose one by "
        "number or name: scene=0, on the command line --scene 0."
    )


def _listed(words: Sequence[str]) -> str:
    more = [f"and {len(words) - _MOST_NAMED} more"] if len(words) > _MOST_NAMED else []
    return ", ".join([*words[:_MOST_NAMED], *more])
