"""Plain numbers of what scripts give: ids out of `np.unique`, coordinates out of a table, arrays of one value.

And how many there are of something, in words. A document is made of Python's own values, whatever it was made from, so
it can be compared, hashed and saved.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, SupportsFloat, cast

from sam2_core.errors import PromptError
from sam2_core.whole_numbers import whole_number as whole_number


def whole_numbers(values: object, what: str) -> list[int]:
    """Return ids or indices as ints, of one or of several; see `whole_number`."""
    several = isinstance(values, Iterable) and not isinstance(values, str)
    return [whole_number(one, what) for one in (cast("Iterable[object]", values) if several else [values])]


def ids_of(values: object, what: str = "object id") -> list[int]:
    """Return ids as ints, of one or of several, each once and in the order in which they were given."""
    return list(dict.fromkeys(whole_numbers(values, what)))


def pair_of(value: object, what: str) -> tuple[int, int]:
    """Return two whole numbers, as an object id and a frame.

    Raises
    ------
    PromptError
        If it is not two whole numbers.
    """
    try:
        first, second = whole_numbers(value, what)
    except (PromptError, ValueError):
        raise PromptError(f"{value!r:.200} cannot be used; give {what}, two whole numbers.") from None
    return first, second


def number(value: object, what: str) -> float:
    """Return a number as a float.

    Raises
    ------
    PromptError
        If it is none.
    """
    try:
        return float(cast(SupportsFloat, value))
    except (TypeError, ValueError):
        raise PromptError(f"{what} {value!r:.200} is no number.") from None


def numbers(values: Any, what: str) -> tuple[float, ...]:
    """Return coordinates as floats.

    Raises
    ------
    PromptError
        If one is no number.
    """
    try:
        return tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise PromptError(f"{what} {values!r:.200}: that is not numbers.") from None


def counted(count: int, what: str) -> str:
    """Return how many there are of something, in words; more of it take an s."""
    return f"{count} {what}{'' if count == 1 else 's'}"
