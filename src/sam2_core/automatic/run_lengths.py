"""Masks as run lengths, the way COCO writes them: column by column, zeros and ones in turn, zeros first.

A mask comes as the patch that holds it, so a small object in a large image costs little. The compressed string is the
one of ``pycocotools``, written without it. Sources: ``sam2/utils/amg.py`` (facebookresearch/sam2, 2b90b9f);
``common/maskApi.c``, ``rleToString`` (https://github.com/cocodataset/cocoapi).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt


class RunLengths(TypedDict):
    """A mask: ``size`` [height, width] and ``counts`` of zeros and ones in turn."""

    size: list[int]
    counts: list[int]


class CocoRle(TypedDict):
    """The same with the counts as COCO's compressed string."""

    size: list[int]
    counts: str


def run_lengths(patch: npt.NDArray[np.bool_], corner_xy: tuple[int, int], size: tuple[int, int]) -> RunLengths:
    """Return the run lengths of a mask (H, W) = `size` that is `patch` from `corner_xy` on and empty elsewhere."""
    height, width = size
    x0, y0 = corner_xy
    columns = np.pad(patch.T.astype(np.int8), ((0, 0), (1, 1)))
    column, row = np.diff(columns, axis=1).nonzero()
    edges = (x0 + column) * height + y0 + row  # where a run of ones begins, where it ends, where the next begins ...
    goes_on = np.flatnonzero(edges[1:-1:2] == edges[2::2]) * 2  # at the foot of one column, and the head of the next
    edges = np.delete(edges, np.concatenate([goes_on + 1, goes_on + 2]))
    end = [] if edges.size and edges[-1] == height * width else [height * width]
    return {"size": [height, width], "counts": np.diff([0, *edges, *end]).tolist()}


def coco_rle(lengths: RunLengths) -> CocoRle:
    """Return run lengths with their counts as COCO's compressed string."""
    return {"size": lengths["size"], "counts": coco_string(lengths["counts"])}


def coco_string(counts: Sequence[int]) -> str:
    """Return run lengths as COCO's compressed string.

    From the fourth on a number is written as the difference to the one two before: five bits a character, the lowest
    first, a sixth says that more follow; "0" stands for nothing set.
    """
    earlier = [0, 0, 0, *counts[1:]]
    return "".join(_characters(count - before) for count, before in zip(counts, earlier, strict=False))


def _characters(number: int) -> str:
    written = ""
    while True:
        bits, number = number & 31, number >> 5
        is_last = number == (-1 if bits & 16 else 0)
        written += chr(48 + (bits if is_last else bits | 32))
        if is_last:
            return written
