"""Matrix products, by oneDNN where a CPU infers in float32.

torch gives float32 products on a CPU to MKL, which on processors of AMD runs at half of what they can do (80 to 95 of
195 GFLOP/s on one core, measured with torch 2.13); oneDNN, which torch brings along for its convolutions, does not mind
who made the processor. The choice follows a fixed rule (`suits_onednn`) and never the clock; everything else, training,
autocast and other devices among it, goes torch's ordinary way. ``torch.backends.mkldnn.enabled = False`` takes oneDNN
out everywhere: what is left is the plain path.

Layers here have the weights and the names of their parents in `torch.nn`. `in_pieces` is for long inputs: what lies
between two products stays in the cache, and never exists as a whole.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Literal["none", "relu", "gelu"]
"""What follows a product; ``gelu`` is the exact one."""

ROWS = 2048
"""Rows that go through several layers at once."""

FEWEST_WEIGHTS = 1024
"""Below, the call costs more than the product. The number of rows does not matter: so an object's products do not
change, not in their last bits either, with how many objects are in its batch.
"""

_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {"none": lambda x: x, "relu": torch.relu_, "gelu": F.gelu}


@lru_cache(1)
def _has_onednn() -> bool:
    known = platform.machine().lower() in ("x86_64", "amd64")
    return known and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def onednn_is_on() -> bool:
    """Return whether oneDNN's product is there and not switched off; a compiler chooses for itself."""
    return not torch.compiler.is_compiling() and _has_onednn() and bool(torch.backends.mkldnn.enabled)


def infers_on_cpu(x: Tensor) -> bool:
    """Return whether x is on a CPU and nobody wants gradients."""
    return x.device.type == "cpu" and not torch.is_grad_enabled()


def on_plain_cpu(x: Tensor) -> bool:
    """Return whether x is float32 on a CPU and nobody wants gradients or another precision."""
    return infers_on_cpu(x) and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


def suits_onednn(x: Tensor, outputs: int) -> bool:
    """Return whether a product of x (..., K) with K x outputs numbers is oneDNN's."""
    return x.shape[-1] * outputs >= FEWEST_WEIGHTS and x.numel() > 0 and on_plain_cpu(x) and onednn_is_on()


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: Activation = "none") -> Tensor:
    """Return the activated x W^T + b, (..., N), for x (..., K), W (N, K) and b (N,)."""
    if not suits_onednn(x, len(weight)) or weight.dtype != torch.float32:
        return _ACTIVATIONS[activation](F.linear(x, weight, bias))
    kind = "none" if activation == "gelu" else ""  # of gelu: not approximated
    product: Tensor = torch.ops.mkldnn._linear_pointwise(
        x.contiguous(), weight.contiguous(), bias, activation, [], kind
    )
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
    """Return second(first(x)); on a CPU that infers in float32 as one product, as nothing lies between the two.

    So the wide map in the middle, the largest of an image, is never made.
    """
    if first.bias is None or not (on_plain_cpu(x) and onednn_is_on()):
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
