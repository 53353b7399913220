"""A CUDA device without a card: tensors that say ``cuda`` have shapes and no values, and tell when the host would wait.

`torch._subclasses.fake_tensor.FakeTensorMode` does most of it: it runs every operator by shape alone, raises where a
tensor on the CPU meets one on CUDA, and where the host asks for a value (``item``, ``bool``, ``nonzero``, a mask as an
index). `Card` adds what it does not know: that a copy between host and device may wait, and the few calls of Python
(indexing, ``to``) that a build of torch without CUDA refuses before an operator is reached.

A copy to the device does not wait where it comes from pinned memory and is `non_blocking`; every other copy does,
either way.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeCopyMode, FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from sam2_core.modeling import position

Module = TypeVar("Module", bound=torch.nn.Module)
CUDA = torch.device("cuda", 0)
COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class Card:
    """A card that is not there; its body runs as if it was, and new tensors have no values."""

    def __init__(self) -> None:
        self.waits: list[tuple[str, str, tuple[int, ...]]] = []
        """From where, to where, and the shape of what was copied while the host waited, in order."""
        self._pinned: list[Tensor] = []  # alive, so that an identity is never given twice
        self._mode = FakeTensorMode()
        self._entered = ExitStack()

    def __enter__(self) -> Card:
        with ExitStack() as stack:
            for mode in (self._mode, Copies(self), Calls(self)):
                stack.enter_context(mode)
            self._entered = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._entered.close()

    def forget(self) -> None:
        """Drop the position tables that are kept by device: those made here have no values."""
        for table in (position.sine_position_map, position.axial_rotation, position.stretching):
            table.cache_clear()

    @property
    def downloads(self) -> list[tuple[int, ...]]:
        """Shapes that were fetched from the device."""
        return [shape for source, _, shape in self.waits if source == "cuda"]

    def with_copy_of(self, model: Module) -> Module:
        """Return a model on the card, without its values: what ``to`` moves is there, and nothing else."""
        with FakeCopyMode(self._mode):
            copied = copy.deepcopy(model)
        with self, torch.no_grad():
            for module in copied.modules():
                for name, parameter in module.named_parameters(recurse=False):
                    setattr(module, name, torch.nn.Parameter(to(parameter, CUDA)))
                for name, buffer in module.named_buffers(recurse=False):
                    setattr(module, name, to(buffer, CUDA))
        self.waits.clear()
        return copied

    def pin(self, tensor: Tensor) -> Tensor:
        """Return the tensor, from now on in pinned memory."""
        self._pinned.append(tensor)
        return tensor

    def note(self, source: Tensor, target: torch.device, non_blocking: bool) -> None:
        """Take down a copy."""
        free = non_blocking and any(source is other for other in self._pinned)
        if source.device.type != target.type and not free:
            self.waits.append((source.device.type, target.type, tuple(source.shape)))


class Copies(TorchDispatchMode):
    """Sees every operator, those inside others too, and has the copies taken down."""

    def __init__(self, card: Card) -> None:
        super().__init__()
        self.card = card

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is COPIES[0]:
            self.card.note(args[0], kwargs.get("device") or args[0].device, bool(kwargs.get("non_blocking")))
        elif func is COPIES[1]:
            self.card.note(args[1], args[0].device, bool(args[2] if len(args) > 2 else kwargs.get("non_blocking")))
        return func(*args, **kwargs)


class Calls(TorchFunctionMode):
    """Says by operators what a build without CUDA refuses to do for a tensor on CUDA."""

    def __init__(self, card: Card) -> None:
        super().__init__()
        self._instead: dict[Any, Callable[..., Any]] = {
            Tensor.__getitem__: item_of,
            Tensor.__setitem__: set_item,
            Tensor.to: to,
            Tensor.cpu: lambda x: to(x, "cpu"),
            Tensor.cuda: lambda x: to(x, CUDA),
            Tensor.contiguous: contiguous,
            Tensor.copy_: torch.ops.aten.copy_,
            Tensor.numpy: as_zeros,
            Tensor.pin_memory: card.pin,
            torch.tensor: lambda *args, **kwargs: made(card, torch.tensor, *args, **kwargs),
            torch.as_tensor: lambda *args, **kwargs: made(card, torch.as_tensor, *args, **kwargs),
        }

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._instead.get(func, func)(*args, **(kwargs or {}))


def item_of(x: Tensor, key: Any) -> Tensor:
    """Return ``x[key]``."""
    viewed, indices = _spelled_out(x, key)
    return torch.ops.aten.index(viewed, indices) if indices else viewed


def set_item(x: Tensor, key: Any, value: Any) -> None:
    """Do ``x[key] = value``."""
    viewed, indices = _spelled_out(x, key)
    if indices:
        torch.ops.aten.index_put_(viewed, indices, value)
    elif isinstance(value, Tensor):
        torch.ops.aten.copy_(viewed, value)
    else:
        viewed.fill_(value)


def _spelled_out(x: Tensor, key: Any) -> tuple[Tensor, list[Tensor | None]]:
    """Return the view by numbers, slices and None, and the tensors that index its axes."""
    keys = list(key) if isinstance(key, tuple) else [key]
    taken = sum(each is not None and each is not Ellipsis for each in keys)
    if not any(each is Ellipsis for each in keys):
        keys.append(Ellipsis)
    at = next(place for place, each in enumerate(keys) if each is Ellipsis)
    keys[at : at + 1] = [slice(None)] * (x.ndim - taken)
    indices: list[Tensor | None] = []
    for each in keys:
        axis = len(indices)
        if isinstance(each, int):
            x = x.select(axis, each)
            continue
        if isinstance(each, slice):
            x = torch.ops.aten.slice(x, axis, each.start, each.stop, each.step or 1)
        elif each is None:
            x = x.unsqueeze(axis)
        indices.append(each if isinstance(each, Tensor) else None)
    return x, indices if any(each is not None for each in indices) else []


def to(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Return ``x.to(...)``."""
    copy_it = kwargs.pop("copy", False)
    if args and isinstance(args[0], Tensor):
        args = (args[0].device, args[0].dtype, *args[1:])
    device, dtype, non_blocking, memory_format = torch._C._nn._parse_to(*args, **kwargs)
    device, dtype = device or x.device, dtype or x.dtype
    if not copy_it and device.type == x.device.type and dtype == x.dtype and memory_format is None:
        return x
    return torch.ops.aten._to_copy(
        x, dtype=dtype, device=device, non_blocking=non_blocking, memory_format=memory_format
    )


def contiguous(x: Tensor, memory_format: torch.memory_format = torch.contiguous_format) -> Tensor:
    """Return ``x.contiguous(...)``."""
    return x if x.is_contiguous(memory_format=memory_format) else x.clone(memory_format=memory_format)


def as_zeros(x: Tensor) -> np.ndarray:
    """Return an array of the size of a tensor on the CPU, which has no values."""
    if x.device.type != "cpu":
        raise TypeError(f"can't convert a tensor on {x.device} to numpy; copy it to the CPU first")
    return np.zeros(tuple(x.shape), np.dtype(str(x.dtype).removeprefix("torch.")))


def made(card: Card, make: Callable[..., Tensor], *args: Any, device: Any = None, **kwargs: Any) -> Tensor:
    """Return what `torch.tensor` or `torch.as_tensor` makes: on the CPU at first, and brought to its device."""
    pin = kwargs.pop("pin_memory", False)
    if isinstance(args[0], Tensor):
        return to(args[0], device=device, dtype=kwargs.get("dtype"))
    x = make(*args, **kwargs)
    x = card.pin(x) if pin else x
    return x if device is None else to(x, device=device)
