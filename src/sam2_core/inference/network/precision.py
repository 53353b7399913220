"""In which number format the network runs: entered by a predictor for one call, never left on for the process.

Nothing global is touched: TF32, the default dtype and the determinism of kernels stay as the process has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sam2_core.inference.network.device_memory import explained
from sam2_core.kernels.processor import processor

PRECISIONS: dict[str, torch.dtype | None] = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_precision(precision: str | None, device: torch.device, exact: bool = True) -> torch.dtype | None:
    """Return the dtype to run in, None for plain float32.

    None and ``auto`` are bfloat16 on CUDA devices that compute in it, float16 on those that would only imitate it, and
    float32 elsewhere; ``auto`` is bfloat16 on a CPU too, where the processor multiplies that faster and nobody asks for
    `exact` numbers, but not where oneDNN is switched off: there it takes six times as long as float32.
    ``NAPARI_SAM2_KERNELS=bfloat16`` makes ``auto`` of None.

    Raises
    ------
    ValueError
        Another name than ``auto``, ``float32``, ``bfloat16`` or ``float16``; or float16 on a CPU, where torch lacks
        half of what the network needs.
    """
    if precision is None:
        return _by_device(device, exact or not processor().prefers_bfloat16)
    if precision == "auto":
        return _by_device(device, exact)
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be auto or one of {sorted(PRECISIONS)}, is {precision!r}")
    if precision == "float16" and device.type == "cpu":
        raise ValueError("float16 cannot be computed on a CPU; use precision='bfloat16' or 'float32' there")
    return PRECISIONS[precision]


def _by_device(device: torch.device, exact: bool) -> torch.dtype | None:
    if device.type == "cuda":
        return _half_precision(device)
    if device.type != "cpu" or exact or not bool(torch.backends.mkldnn.enabled):
        return None
    return torch.bfloat16 if processor().takes_bfloat16 else None


def _half_precision(device: torch.device) -> torch.dtype:
    with torch.cuda.device(device):
        has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if has_bfloat16 else torch.float16


@contextmanager
def running(device: torch.device, dtype: torch.dtype | None) -> Iterator[None]:
    """Run the body without gradients and in that precision, and say what can be done where memory runs out.

    Raises
    ------
    DeviceMemoryError
        The memory of the device ran out.
    """
    precision = torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)
    with explained(device), torch.inference_mode(), precision:
        yield
