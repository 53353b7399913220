"""Work that is counted, not timed: products, multiplications and bytes of typical steps, the same on any machine.

A clock says how long something takes on the machine at hand, a count whether more is done than before: what grew here
got slower everywhere. Kernels are chosen as for a plain x86-64 processor in float32, whatever this one is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from sam2_core.kernels import narrow_values, products
from sam2_core.kernels.processor import Processor

ONEDNN = torch.ops.mkldnn._linear_pointwise
PLAIN = Processor("counted", ("AVX2",), has_onednn=True)


@dataclass(slots=True)
class Work:
    """What a step did.

    Attributes
    ----------
    products
        Calls of kernels that multiply: matrices, attention, convolutions.
    gflop
        Their multiplications and additions, in 10^9.
    megabytes
        Written by all kernels together, views not counted.
    """

    products: int = 0
    gflop: float = 0.0
    megabytes: float = 0.0

    def as_json(self) -> dict[str, float]:
        """Return the counts, rounded to what a reader can take in."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


class Counting(TorchDispatchMode):
    """Counts what is done inside."""

    def __init__(self) -> None:
        super().__init__()
        self.work = Work()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = func._overloadpacket
        if packet not in flop_registry and packet is not ONEDNN:
            with self:  # in inference mode calls come as they were made, and are counted by what they are made of
                made = func.decompose(*args, **(kwargs or {}))
            if made is not NotImplemented:
                return made
        given = {
            tensor.untyped_storage().data_ptr() for tensor in tree_leaves((args, kwargs)) if torch.is_tensor(tensor)
        }
        made = func(*args, **(kwargs or {}))
        fresh = [part for part in tree_leaves(made) if torch.is_tensor(part)]
        self.work.megabytes += sum(
            part.numel() * part.element_size() / 1e6
            for part in fresh
            if func._schema.is_mutable or part.untyped_storage().data_ptr() not in given
        )
        if packet is ONEDNN:
            self.work.products += 1
            self.work.gflop += 2 * args[0].numel() * args[1].shape[0] / 1e9
        elif packet in flop_registry:
            self.work.products += 1
            self.work.gflop += flop_registry[packet](*args, **(kwargs or {}), out_val=made) / 1e9
        return made


@contextmanager
def counting() -> Iterator[Work]:
    """Count what the body does with kernels for a plain processor."""
    chosen = [patch.object(module, "processor", lambda: PLAIN) for module in (products, narrow_values)]
    with chosen[0], chosen[1], Counting() as count:
        yield count.work


def grown(now: Mapping[str, float], before: Mapping[str, float], by: float = 1.01) -> list[str]:
    """Return what grew, in words."""
    return [f"{name}: {before[name]:g} -> {now[name]:g}" for name in before if now[name] > by * before[name]]
