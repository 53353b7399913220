"""In which number format the network runs: entered by a predictor for one call, never left on for the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

PRECISIONS: dict[str, torch.dtype | None] = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_precision(precision: str, device: torch.device) -> torch.dtype | None:
    """Return the dtype to run in, None for plain float32; ``auto`` is bfloat16 on CUDA devices that have it, else
    float32.

    Raises
    ------
    ValueError
        Another name than ``auto``, ``float32``, ``bfloat16`` or ``float16``.
    """
    if precision == "auto":
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else None
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be auto or one of {sorted(PRECISIONS)}, is {precision!r}")
    return PRECISIONS[precision]


@contextmanager
def running(device: torch.device, dtype: torch.dtype | None) -> Iterator[None]:
    """Run the body without gradients and in that precision."""
    with torch.inference_mode(), torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        yield
