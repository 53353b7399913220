"""What a tracked frame runs through, compiled by `torch.compile` where that was asked for.

A `CompiledCall` is a function of tensors for which shapes are fixed: each new shape is compiled anew, so whoever calls
it keeps them few (`frame_step`: full memories only, objects padded to `bucket` sizes). When compiling fails, the plain
function takes over for good, and the log says why, once. What comes out is copied, because a CUDA graph writes its next
answer over the last one; and it belongs to the thread that made it, as a predictor does.

Nothing is compiled before the first call. `sam2_core.inference.network.runtime` decides what is.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from sam2_core.inference.network.device_memory import is_out_of_memory

logger = logging.getLogger(__name__)

Tensors = tuple[Tensor, ...]
MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
"""Ways of torch's own compiler; another word is the name of another backend of `torch.compile`."""


def check_compile(how: str | None) -> None:
    """Pass for None, a mode of torch's compiler, or a backend that is there.

    Raises
    ------
    ValueError
        Another word; the message lists those there are.
    """
    if how is None or how in MODES:
        return
    backends = torch.compiler.list_backends(exclude_tags=())
    if how not in backends:
        raise ValueError(f"compile must be None, one of {', '.join(MODES)}, or one of {backends}, is {how!r}")


def bucket(count: int) -> int:
    """Return the size to which so many objects are padded: the next power of two."""
    return 1 << (count - 1).bit_length()


class CompiledCall:
    """A function from and to tensors that changes none of its arguments, compiled for each shape that it meets."""

    def __init__(self, plain: Callable[..., Tensors], how: str) -> None:
        self._plain = plain
        self._compiled: Callable[..., Tensors] | None = None
        self._how = how
        self._failed = False

    def __call__(self, *args: object) -> Tensors:
        """Return what the plain function does, up to rounding."""
        if not self._failed:
            try:
                return self._run(*args)
            except (RuntimeError, ImportError, OSError) as error:
                if is_out_of_memory(error):
                    raise
                self._give_up(error)
        return self._plain(*args)

    def _run(self, *args: object) -> Tensors:
        if self._compiled is None:
            self._compiled = _compile(self._plain, self._how)
        return tuple(tensor.clone() for tensor in self._compiled(*args))

    def _give_up(self, error: Exception) -> None:
        self._failed = True
        reason = " ".join(f"{type(error).__name__}: {error}".split()[:40])
        logger.warning("compiling failed; going on without, which is slower and gives the same masks (%s)", reason)


def _compile(plain: Callable[..., Tensors], how: str) -> Callable[..., Tensors]:
    # Position tables are kept by functools.lru_cache; a compiled function has its own, which is what the note is about.
    warnings.filterwarnings("ignore", message="Dynamo detected a call to a `functools.lru_cache`")
    chosen = {"mode": how} if how in MODES else {"backend": how}
    return torch.compile(plain, dynamic=False, **chosen)  # type: ignore[call-overload]
