"""Which axis of an array is which: names from the caller, from the file, or guessed when only one reading is possible.

The letters are T (time), Z (depth), C (channel), Y, X and S (the samples of an RGB or RGBA image). What the caller says
wins over what the file says, and the file wins over a guess. This module does not read files.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from numbers import Integral

from sam2_core.errors import StackError

LETTERS = "TZCYXS"
_LONG_NAMES = {"TIME": "T", "FRAME": "T", "DEPTH": "Z", "CHANNEL": "C", "CHANNELS": "C", "HEIGHT": "Y", "WIDTH": "X"}
_EXAMPLES = {2: "YX", 3: "TYX, ZYX or YXS", 4: "TCYX, TZYX or TYXS", 5: "TZCYX or TCZYX"}
_OF_ONE_CHANNEL = {3: ("YXC", "TYX"), 4: ("TYXC", "TZYX")}
"""By the number of dimensions, the last of which has one position: what they are, and what they could be as well."""
_log = logging.getLogger(__name__)


def resolve_axes(shape: Sequence[int], given: str | None, from_file: str | None, name: str) -> str:
    """Return one letter per dimension of `shape`, for example "TCYX".

    Parameters
    ----------
    given
        What the caller said, or None.
    from_file
        What the metadata says, or None; letters other than TZCYXS count as "not known".
    name
        Of the stack, for messages.

    Raises
    ------
    StackError
        If the axes cannot be told, or the given ones do not fit the shape.
    """
    if given is not None:
        return _checked(given.upper().strip(), shape, name)
    axes = _guessed(shape, name) if from_file is None else _from_metadata(from_file.upper(), shape, name)
    height, width = (shape[axes.index(axis)] for axis in "YX")
    if len(axes) > 2 and 1 in (height, width):
        _log.warning(
            "%s: shape %s is taken as %s, so its frames are only %d x %d pixels. If an axis of 1 is a channel, say so "
            "with axes that name it C.",
            *(name, tuple(shape), axes, height, width),
        )
    return axes


def letters_from_names(names: Sequence[object]) -> str:
    """Return one letter per axis name as used by OME-Zarr and xarray ("time", "c", "y"); "?" where it is not known."""
    found = []
    for entry in names:
        word = entry.upper() if isinstance(entry, str) else "?"
        word = _LONG_NAMES.get(word, word)
        found.append(word if len(word) == 1 and word in LETTERS else "?")
    return "".join(found)


def pick_track_axis(axes: str, shape: Sequence[int], wanted: str | None) -> str | None:
    """Return the axis along which objects are followed: T, or Z where there is no time; None for a still image."""
    if wanted is not None:
        letter = str(wanted).upper()
        if letter not in ("T", "Z") or letter not in axes:
            raise StackError(
                f"Cannot track along axis {wanted!r}: the axes are {axes}; choose T or Z, whichever is there."
            )
        return letter
    sizes = dict(zip(axes, shape, strict=True))
    for letter in ("T", "Z"):
        if sizes.get(letter, 1) > 1:
            return letter
    return next((letter for letter in ("T", "Z") if letter in axes), None)


def fix_axes(axes: str, shape: Sequence[int], free: str, fixed: Mapping[str, int]) -> dict[str, int]:
    """Return the index at which every axis outside `free` is held, checked against the shape.

    Raises
    ------
    StackError
        If an axis longer than 1 is not fixed, or an index or a letter does not exist.
    """
    sizes = dict(zip(axes, shape, strict=True))
    if not isinstance(fixed, Mapping):
        raise StackError(
            f"fixed {fixed!r:.200} cannot be used; give the index by the letter of its axis, as {{'Z': 3}}."
        )
    wanted = {str(letter).upper(): index for letter, index in fixed.items()}
    for letter, index in wanted.items():
        _check_fixed(letter, index, sizes, free)
    held = {}
    for letter, size in sizes.items():
        if letter in free:
            continue
        if letter not in wanted and size > 1:
            raise StackError(
                f"Axis {letter} has {size} positions and nothing says which one to use (axes {axes}, shape "
                f"{tuple(shape)}); fix it, for example with --fixed {letter}={size // 2}."
            )
        held[letter] = wanted.get(letter, 0)
    return held


def _check_fixed(letter: str, index: int, sizes: Mapping[str, int], free: str) -> None:
    axes = "".join(sizes)
    if letter not in sizes:
        raise StackError(f"Axis {letter} cannot be fixed: the axes of the stack are {axes}.")
    if letter in free:
        raise StackError(f"Axis {letter} cannot be fixed: it is tracked, shown or chosen as a channel (axes {axes}).")
    if not isinstance(index, Integral):
        raise StackError(f"Axis {letter} cannot be fixed at {index!r}: give a whole number.")
    if not 0 <= index < sizes[letter]:
        raise StackError(f"{letter}={index} lies outside the stack: axis {letter} runs from 0 to {sizes[letter] - 1}.")


def _checked(axes: str, shape: Sequence[int], name: str) -> str:
    strange = sorted(set(axes) - set(LETTERS))
    if strange or len(set(axes)) != len(axes):
        raise StackError(
            f"Axes {axes!r} for {name} cannot be used: give each of the letters T, Z, C, Y, X, S at most once, "
            f"for example {_example(len(shape))}."
        )
    if len(axes) != len(shape):
        raise StackError(
            f"Axes {axes!r} name {len(axes)} dimensions, but {name} has {len(shape)} (shape {tuple(shape)}); "
            f"give one letter per dimension, for example {_example(len(shape))}."
        )
    if "Y" not in axes or "X" not in axes:
        raise StackError(
            f"Axes {axes!r} for {name} lack Y or X; an image needs both, for example {_example(len(shape))}."
        )
    return axes


def _from_metadata(axes: str, shape: Sequence[int], name: str) -> str:
    if len(axes) != len(shape):
        return _guessed(shape, name)
    unknown = [position for position, letter in enumerate(axes) if letter not in LETTERS]
    if not unknown:
        return _checked(axes, shape, name)
    if len(unknown) == 1 and "T" not in axes and "Y" in axes and "X" in axes:
        _log.info("%s: the file does not name its first axis; it is taken as time (axes T...).", name)
        return _checked(axes[: unknown[0]] + "T" + axes[unknown[0] + 1 :], shape, name)
    return _guessed(shape, name)


def _guessed(shape: Sequence[int], name: str) -> str:
    if len(shape) == 2:
        return "YX"
    if len(shape) == 3 and shape[-1] > 4:
        _log.info("%s: no axes are given; shape %s is taken as TYX.", name, tuple(shape))
        return "TYX"
    if len(shape) in _OF_ONE_CHANNEL and shape[-1] == 1:
        axes, thin = _OF_ONE_CHANNEL[len(shape)]
        _log.warning(
            "%s: no axes are given; the last axis of shape %s is taken as a channel (%s). If frames are 1 pixel wide, "
            "say so: --axes %s",
            *(name, tuple(shape), axes, thin),
        )
        return axes
    raise StackError(
        f"The axes of {name} cannot be told from its shape {tuple(shape)}; say what they are, one letter per "
        f"dimension, for example --axes {_example(len(shape))}."
    )


def _example(ndim: int) -> str:
    return _EXAMPLES.get(ndim, "TYX")
