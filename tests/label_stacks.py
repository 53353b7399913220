"""What a command wrote: label stacks, read as anybody would."""

from __future__ import annotations

import numpy as np

from napari_sam2.stacks import open_stack


def labels_of(path):
    return np.stack(list(open_stack(path).movie()))


def seen(path):
    """The labels that are on each frame, 0 among them."""
    return [np.unique(frame).tolist() for frame in labels_of(path)]
