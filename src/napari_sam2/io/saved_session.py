"""What a session folder holds, as values: document, masks, where the images are, and a run that was interrupted.

`session_files` reads and writes it, `autosave` adds to it while a session is open. Masks are given as they are stored
in memory, so nothing is decoded on the way. What can be undone is in it as well.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np

from napari_sam2.document.document import Document
from napari_sam2.engine.engine import KeptSnapshot
from napari_sam2.io.saved_history import SavedHistory
from napari_sam2.masks.stored_masks import MaskKey, StoredMask
from napari_sam2.stacks import Stack
from sam2_core.checkpoints.identity import WeightsId
from sam2_core.errors import StackError

MOST_READ = 2**28
"""Bytes that are read of a stack to tell it from others."""
_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "BOOL": "bool",
}
"""What safetensors calls the types that torch has."""
_SIZES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2}
_SIZES |= {"int8": 1, "uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8, "bool": 1}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor as bytes, for who has no torch; `dtype` is called as torch does."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if self.dtype not in _SIZES or any(side < 0 for side in self.shape):
            raise ValueError(f"a tensor of type {self.dtype!r} and shape {self.shape} cannot be")

    @classmethod
    def of_safetensors(cls, dtype: str, shape: Iterable[int], data: bytes | bytearray) -> StoredTensor:
        """Return what safetensors read."""
        return cls(_DTYPES.get(dtype, dtype), tuple(shape), bytes(data))

    @property
    def nbytes(self) -> int:
        """Bytes that a tensor of its type and shape takes."""
        return math.prod(self.shape) * _SIZES[self.dtype]

    def tensor(self) -> Any:
        """Return it as a torch tensor on the CPU."""
        import torch

        if not self.data:
            return torch.empty(self.shape, dtype=getattr(torch, self.dtype))
        return torch.frombuffer(bytearray(self.data), dtype=getattr(torch, self.dtype)).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class SavedSnapshot:
    """A snapshot as it comes back from a session folder, and behind which frame of which leg of the run it was taken.

    Attributes
    ----------
    stored
        The tensors by name, as bytes; torch is needed only when they are asked for.
    meta
        All the rest, as JSON can hold it.
    """

    stored: Mapping[str, StoredTensor] = field(repr=False)
    meta: Mapping[str, Any]
    leg: str
    frame: int

    @property
    def tensors(self) -> dict[str, Any]:
        """Name -> torch tensor on the CPU, as it was written."""
        return {name: stored.tensor() for name, stored in self.stored.items()}


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run that was begun and not ended.

    Attributes
    ----------
    request
        The fields of the PropagateRequest, as JSON can hold them.
    finished
        Leg ("forward" or "backward") -> the frames that are saved, in the order in which they came.
    """

    request: Mapping[str, Any]
    finished: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StackRecord:
    """What tells whether a stack is the one that a session was made on.

    Attributes
    ----------
    shape, dtype
        As stored, before axes are chosen; the order of bytes does not count.
    fingerprint
        Changes with the pixels of the first and of the last plane.
    content
        Changes with the pixels of every plane; of a stack above `MOST_READ`, of so many that are spread evenly over it.
        "" in sessions of 0.1, which go by the fingerprint.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    shape: tuple[int, ...]
    dtype: str
    fingerprint: str
    content: str = ""

    @classmethod
    def of(cls, stack: Stack) -> StackRecord:
        """Return the record of a stack; up to `MOST_READ` bytes of it are read.

        Raises
        ------
        StackError
            If they cannot be read.
        """
        digest, dtype = hashlib.sha256(), stack.dtype.newbyteorder("=")
        for plane in _outer_planes(stack):
            digest.update(np.ascontiguousarray(plane, dtype=dtype).tobytes())
        content = hashlib.sha256()
        for place in _spread_places(stack):
            content.update(np.ascontiguousarray(stack.read(place), dtype=dtype).tobytes())
        shape = tuple(int(size) for size in stack.shape)
        return cls(shape, str(dtype), digest.hexdigest()[:16], content.hexdigest()[:16])

    def is_of(self, stack: Stack) -> bool:
        """Return whether a stack is this one; nothing is read of one that has another shape or type."""
        return self.fits(stack) and not self._differences(stack)

    def fits(self, stack: Stack) -> bool:
        """Return whether a stack has this shape and type, whatever it holds."""
        return self.shape == stack.shape and self.dtype == str(stack.dtype.newbyteorder("="))

    def check(self, stack: Stack) -> None:
        """Return nothing if a stack is this one.

        Raises
        ------
        StackError
            If it has another shape, type or content.
        """
        saved = asdict(self)
        for what, found in self._differences(stack).items():
            raise StackError(
                f"{stack.name} is not the stack that the session was made on: its {what} is {found}, and the "
                f"session's {saved[what]}. Put the right file in its place, or make a new session."
            )

    def _differences(self, stack: Stack) -> dict[str, object]:
        """Return what is different in a stack, by the names of the fields; what was not saved is not."""
        saved = asdict(self)
        found = asdict(StackRecord.of(stack))
        return {what: value for what, value in found.items() if value != saved[what] and saved[what] != ""}


@dataclass(frozen=True)
class SavedSession:
    """All that is kept of a session.

    Attributes
    ----------
    masks
        ((object_id, frame), mask) in any order.
    settings
        As JSON can hold them (the dump of SessionSettings).
    source
        Path of the stack, None if it was an array in memory.
    axes
        One letter per dimension of the stack, None if they were not given.
    scene
        Number or name of the image in its file, None if it was not given.
    run
        The interrupted run. An Autosaver that has one in work of its own goes by that.
    snapshot
        The predictor's memory from which that run can go on; it goes into a file only as a `SavedSnapshot`, which
        says behind which frame it was taken.
    stack
        What tells that a stack is the same, None to not check it.
    notes
        What could not be read, one sentence each; empty when all is well.
    history
        What can be undone and redone.
    weights
        Those that made masks or proposals of it, the last used last; empty where nobody wrote that down.
    """

    document: Document
    masks: Iterable[tuple[MaskKey, StoredMask]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    axes: str | None = None
    run: RunRecord | None = None
    snapshot: KeptSnapshot | None = None
    stack: StackRecord | None = None
    notes: tuple[str, ...] = ()
    scene: int | str | None = None
    history: SavedHistory = field(default_factory=SavedHistory)
    weights: tuple[WeightsId, ...] = ()


def _outer_planes(stack: Stack) -> tuple[np.ndarray[Any, Any], ...]:
    """Return the first and the last plane of a stack."""
    first = tuple(slice(None) if axis in "YXS" else 0 for axis in stack.axes)
    last = tuple(slice(None) if axis in "YXS" else size - 1 for axis, size in zip(stack.axes, stack.shape, strict=True))
    return stack.read(first), stack.read(last)


def _spread_places(stack: Stack) -> list[tuple[slice | int, ...]]:
    """Return where the planes of a stack are, or so many of them, spread evenly, that `MOST_READ` is not exceeded."""
    sizes = [1 if axis in "YXS" else size for axis, size in zip(stack.axes, stack.shape, strict=True)]
    count = math.prod(sizes)
    plane = stack.dtype.itemsize * math.prod(stack.shape) // max(count, 1)
    chosen = np.linspace(0, count - 1, min(count, max(3, MOST_READ // max(plane, 1)))).round().astype(int)
    places = (np.unravel_index(number, sizes) for number in dict.fromkeys(chosen.tolist()))
    whole = [axis in "YXS" for axis in stack.axes]
    return [tuple(slice(None) if w else int(at) for w, at in zip(whole, place, strict=True)) for place in places]
