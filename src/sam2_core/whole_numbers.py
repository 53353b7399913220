"""Ids, frames and indices as scripts give them: of numpy or torch, out of a table, arrays of one value."""

from __future__ import annotations

import operator
from typing import Any, SupportsFloat, SupportsIndex, cast

from sam2_core.errors import PromptError


def whole_number(value: object, what: str, error: type[ValueError] = PromptError) -> int:
    """Return an id or index as an int; a float that is whole is one.

    Raises
    ------
    PromptError
        If it is none, or what is given as `error`.
    """
    if type(value) is int:
        return value
    try:
        return int(operator.index(cast(SupportsIndex, value)))
    except TypeError:
        pass  # a float, or an array of one
    try:
        number = float(cast(SupportsFloat, value))
        if isinstance(value, str) or not number.is_integer():
            raise ValueError(value)
    except (TypeError, ValueError, RuntimeError):  # the last one of torch
        raise error(f"{what} {value!r:.200} is no whole number.") from None
    return int(number)


def plain_id(value: Any) -> int:
    """Return the id of an object as an int; a text, which official calls take too, stays as it is.

    Raises
    ------
    PromptError
        If it is neither.
    """
    return cast(int, value) if isinstance(value, str) else whole_number(value, "object id")
