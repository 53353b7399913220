"""What tracking knew at some moment, as plain arrays and a few words; the value alone.

`state_snapshots` makes one of an inference state and the other way round; who tracks in another way (through windows,
say) composes one of several. How it gets into a file is decided elsewhere: `tensors` suits safetensors, `meta` JSON.
Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from sam2_core.errors import CheckpointError, StackError

VERSION = 1

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state outside a predictor.

    Attributes
    ----------
    tensors
        Arrays by name, of types that numpy and safetensors both know.
    meta
        The rest, of dicts, lists, strings, numbers and None: what JSON can hold.
    """

    tensors: Arrays
    meta: dict[str, Any]

    @classmethod
    def begun(cls, must_fit: Mapping[str, Any]) -> Snapshot:
        """Return one without objects, and with what `check_fits` will ask for."""
        return cls({}, {"version": VERSION, **must_fit, "objects": []})


def check_fits(meta: Mapping[str, Any], must_fit: Mapping[str, Any]) -> None:
    """Pass for a snapshot in whose meta everything is as it must be.

    Raises
    ------
    CheckpointError
        Another version, model or reading of the calls.
    StackError
        Frames of another number or size.
    """
    for key, wanted in {"version": VERSION, **must_fit}.items():
        found = meta.get(key)
        if found == wanted:
            continue
        if key in ("num_frames", "size"):
            raise StackError(
                f"the snapshot was taken of a stack whose {key} is {found}, here it is {wanted}; open the stack that "
                "it was taken of, or start again from the prompts"
            )
        raise CheckpointError(
            f"the snapshot does not fit: its {key} is {found}, here it is {wanted}; load the model that it was taken "
            "with, or start again from the prompts"
        )


@contextmanager
def nothing_missing() -> Iterator[None]:
    """Read a snapshot in the body.

    Raises
    ------
    CheckpointError
        An array or a word that is looked up is not there.
    """
    try:
        yield
    except KeyError as error:
        raise CheckpointError(f"the snapshot is incomplete, it has no {error}; start again from the prompts") from error


def with_prefix(prefix: str, arrays: Arrays) -> Arrays:
    """Return the arrays under longer names."""
    return {prefix + name: array for name, array in arrays.items()}


def below(prefix: str, arrays: Arrays) -> Arrays:
    """Return the arrays whose names begin with the prefix, under the rest of their names."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
