"""``torchvision.ops.batched_nms`` for one category, by its definition; its compiled one needs a torch of its own build.

Source: ``torchvision/csrc/ops/cpu/nms_kernel.cpp``: float32 throughout, a double threshold, a stable order.
"""

from __future__ import annotations

import torch
from torch import Tensor


def batched_nms(boxes: Tensor, scores: Tensor, categories: Tensor, iou_threshold: float) -> Tensor:
    """Return the indices of the boxes (N, 4) that stay, by falling score."""
    assert not categories.any()
    order = scores.sort(stable=True, descending=True).indices.tolist()
    x0, y0, x1, y1 = boxes.unbind(1)
    areas = (x1 - x0) * (y1 - y0)
    suppressed = torch.zeros(len(order), dtype=torch.bool)
    kept = []
    for number, i in enumerate(order):
        if suppressed[i]:
            continue
        kept.append(i)
        rest = torch.tensor(order[number + 1 :], dtype=torch.long)
        width = (torch.minimum(x1[i], x1[rest]) - torch.maximum(x0[i], x0[rest])).clamp(min=0)
        height = (torch.minimum(y1[i], y1[rest]) - torch.maximum(y0[i], y0[rest])).clamp(min=0)
        shared = width * height
        suppressed[rest] |= (shared / (areas[i] + areas[rest] - shared)).double() > iou_threshold
    return torch.tensor(kept, dtype=torch.long)
