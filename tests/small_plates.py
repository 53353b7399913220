"""Small movies of squares that move and divide, and parts of a plan for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

SETTINGS = "\n[settings]\ncontrast_limits = [[0, 255]]\n"
TRACK = '[do]\ntask = "track"\ndiameter_px = 10\n'


def drawn_movie(seed: int = 0) -> np.ndarray:
    """Five frames with a square that moves, and one that divides on frame 3."""
    frames = np.zeros((5, 60, 80), np.uint8)
    for frame, image in enumerate(frames):
        image[6 + seed : 15 + seed, 6 + 2 * frame : 15 + 2 * frame] = 200
        for x0, x1 in ((28, 48),) if frame < 3 else ((26, 36), (40, 50)):
            image[36:48, x0:x1] = 250
    return frames


def write_movie(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, drawn_movie(seed), imagej=True, metadata={"axes": "TYX"})
    return path
