"""The name under which scripts of 0.1 import what a memory is known to hold; it is in `engine.remembered_frames`."""

from __future__ import annotations

from napari_sam2.engine.remembered_frames import REACH, Remembered

__all__ = ["REACH", "Remembered"]
