"""Matrix products, by oneDNN where a CPU infers in float32, or in bfloat16 and multiplies it itself.

torch gives float32 products on a CPU to MKL; oneDNN, which torch brings along for its convolutions, does not mind who
made the processor. bfloat16 goes to oneDNN either way: here with the activation, before the sums are rounded. The
choice follows a fixed rule (`product_dtype`, `processor`) and never the clock; everything else, training and other
devices among it, goes torch's ordinary way. ``torch.backends.mkldnn.enabled = False`` takes oneDNN out everywhere: what
is left is the plain path.

Layers here have the weights and the names of their parents in `torch.nn`. `in_pieces` is for long inputs: what lies
between two products stays in the cache, and never exists as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam2_core.kernels.processor import processor

Activation = Literal["none", "relu", "gelu"]
"""What follows a product; ``gelu`` is the exact one."""

ROWS = 2048
"""Rows that go through several layers at once."""

FEWEST_WEIGHTS = 1024
"""Below, the call costs more than the product. The number of rows does not matter: so an object's products do not
change, not in their last bits either, with how many objects are in its batch.
"""

_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {"none": lambda x: x, "relu": torch.relu_, "gelu": F.gelu}


def onednn_is_on() -> bool:
    """Return whether oneDNN's products are taken here and not switched off; a compiler chooses for itself."""
    return not torch.compiler.is_compiling() and processor().takes_onednn and bool(torch.backends.mkldnn.enabled)


def infers_on_cpu(x: Tensor) -> bool:
    """Return whether x is on a CPU and nobody wants gradients."""
    return x.device.type == "cpu" and not torch.is_grad_enabled()


def on_plain_cpu(x: Tensor) -> bool:
    """Return whether x is float32 on a CPU and nobody wants gradients or another precision."""
    return infers_on_cpu(x) and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


def infers_in_bfloat16(x: Tensor) -> bool:
    """Return whether x is on a CPU that multiplies bfloat16 itself, and is to be multiplied in it without gradients."""
    if not infers_on_cpu(x) or not torch.is_autocast_enabled("cpu"):
        return False
    return torch.get_autocast_dtype("cpu") == torch.bfloat16 and processor().takes_bfloat16


def product_dtype(x: Tensor) -> torch.dtype | None:
    """Return in what oneDNN multiplies x: float32, or bfloat16 under autocast; None where it does not."""
    if not onednn_is_on():
        return None
    if infers_in_bfloat16(x):
        return torch.bfloat16 if x.dtype in (torch.float32, torch.bfloat16) else None
    return torch.float32 if on_plain_cpu(x) else None


def suits_onednn(x: Tensor, outputs: int) -> bool:
    """Return whether a product of x (..., K) with K x outputs numbers is oneDNN's."""
    return x.shape[-1] * outputs >= FEWEST_WEIGHTS and x.numel() > 0 and product_dtype(x) is not None


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: Activation = "none") -> Tensor:
    """Return the activated x W^T + b, (..., N), for x (..., K), W (N, K) and b (N,)."""
    dtype = product_dtype(x) if suits_onednn(x, len(weight)) else None
    if dtype is None or weight.dtype not in (torch.float32, dtype):
        return _ACTIVATIONS[activation](F.linear(x, weight, bias))
    kind = "none" if activation == "gelu" else ""  # of gelu: not approximated
    x, weight = x.to(dtype).contiguous(), weight.to(dtype).contiguous()
    bias = None if bias is None else bias.to(dtype)
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], kind)
    return product


class Linear(nn.Linear):
    """A linear layer, activated on request."""

    def forward(self, x: Tensor, activation: Activation = "none") -> Tensor:
        """Return (..., out_features) for (..., in_features)."""
        return linear(x, self.weight, self.bias, activation)


class PointwiseConv2d(nn.Conv2d):
    """A convolution of 1 x 1: a linear layer on channels-last maps."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H, W), laid out channels-last where oneDNN makes it."""
        if not suits_onednn(x, self.out_channels):
            return super().forward(x)
        return linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def in_a_row(first: PointwiseConv2d, second: PointwiseConv2d, x: Tensor) -> Tensor:
    """Return second(first(x)); on a CPU that infers by oneDNN as one product, as nothing lies between the two.

    So the wide map in the middle, the largest of an image, is never made.
    """
    if first.bias is None or product_dtype(x) is None:
        return second(first(x))
    outer = second.weight.flatten(1)  # (N, K)
    joined = linear(x.permute(0, 2, 3, 1), outer @ first.weight.flatten(1), linear(first.bias, outer, second.bias))
    return joined.permute(0, 3, 1, 2)


def in_pieces(function: Callable[[Tensor], Tensor], x: Tensor, length: int) -> Tensor:
    """Return function(x), on a CPU that infers for so many of x's first axis at a time.

    The function must not look from one to another.
    """
    if len(x) <= length or not infers_on_cpu(x):
        return function(x)
    return torch.cat([function(piece) for piece in x.split(length)])
