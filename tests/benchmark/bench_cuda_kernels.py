"""Which CUDA kernel reads memories fastest: queries and keys 256 wide, values 64, bfloat16, full memories at 1024 px.

``make bench NAME=bench_cuda_kernels.py`` on a machine with a CUDA device. Each kernel of
`torch.nn.functional.scaled_dot_product_attention` is tried with narrow values and with values padded to the width of
the keys, and compiled `flex_attention` with narrow ones; all run in turns, are compared with float32, and a kernel that
does not take such shapes says so. What `sam2_core.kernels.narrow_values` does in half precision is "flash, padded":
change it there when another is faster. Medians go to ``docs/benchmarks/cuda_kernels.json``.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

OUT = Path(__file__).parents[2] / "docs" / "benchmarks" / "cuda_kernels.json"
CELLS, MEMORIES, POINTER_TOKENS, KEY_WIDTH, VALUE_WIDTH = 64 * 64, 7, 16 * 4, 256, 64
USED = "flash, padded"
BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "memory-efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cuDNN": SDPBackend.CUDNN_ATTENTION,
}
Kernel = Callable[[Tensor, Tensor, Tensor], Tensor]


def narrow(backend: SDPBackend) -> Kernel:
    def attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        with sdpa_kernel(backend):
            return F.scaled_dot_product_attention(queries, keys, values)

    return attend


def padded(backend: SDPBackend) -> Kernel:
    attend = narrow(backend)

    def attend_padded(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        width = values.shape[-1]
        return attend(queries, keys, F.pad(values, (0, keys.shape[-1] - width)))[..., :width]

    return attend_padded


def kernels() -> dict[str, Kernel]:
    from torch.nn.attention.flex_attention import flex_attention

    found = {f"{name}, padded": padded(backend) for name, backend in BACKENDS.items()}
    found |= {f"{name}, narrow": narrow(backend) for name, backend in BACKENDS.items()}
    return found | {"flex, narrow": torch.compile(flex_attention, dynamic=False)}


def inputs(objects: int, device: str, cells: int = CELLS) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(objects)
    tokens = MEMORIES * cells + POINTER_TOKENS
    shapes = ((cells, KEY_WIDTH), (tokens, KEY_WIDTH), (tokens, VALUE_WIDTH))
    made = (torch.randn(objects, 1, *shape, generator=generator).to(device, torch.bfloat16) for shape in shapes)
    return tuple(made)  # type: ignore[return-value]


def reference(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Of the first object, in float32."""
    weights = (queries[:1].float() @ keys[:1].float().mT / KEY_WIDTH**0.5).softmax(-1)
    return weights @ values[:1].float()


def usable(given: tuple[Tensor, Tensor, Tensor]) -> tuple[dict[str, Kernel], dict[str, str]]:
    """Return the kernels that give the right answer, and why the others do not."""
    expected, good, bad = reference(*given), {}, {}
    for name, kernel in kernels().items():
        try:
            error = float((kernel(*given)[:1].float() - expected).abs().max())
        except RuntimeError as why:
            bad[name] = str(why).strip().partition("\n")[0]
            continue
        if error < 0.02:
            good[name] = kernel
        else:
            bad[name] = f"differs by {error:.3f}"
    return good, bad


def milliseconds(kernel: Kernel, given: tuple[Tensor, Tensor, Tensor]) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    kernel(*given)
    end.record()
    end.synchronize()
    return begin.elapsed_time(end)


@pytest.mark.filterwarnings("ignore")  # torch says why a kernel does not take these shapes
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_kernels_in_turns() -> None:
    results = []
    for objects in (1, 4, 16):
        with torch.inference_mode():
            given = inputs(objects, "cuda")
            good, bad = usable(given)
            times: dict[str, list[float]] = {name: [] for name in good}
            for _ in range(20):
                for name, kernel in good.items():
                    times[name].append(milliseconds(kernel, given))
        medians = {name: statistics.median(found) for name, found in times.items()}
        for name, median in sorted(medians.items(), key=lambda item: item[1]):
            print(f"{objects:2} objects  {name:26} {median:8.3f} ms  {medians[USED] / median:5.2f} x of {USED}")
        for name, why in bad.items():
            print(f"{objects:2} objects  {name:26} not usable: {why}")
        results.append({"objects": objects, "milliseconds": medians, "not_usable": bad})
    card = {"device": torch.cuda.get_device_name(), "torch": torch.__version__}
    OUT.write_text(json.dumps({**card, "results": results}) + "\n")
