"""Frames in: a folder, a video or TIFF file, an array; contrast once for a stack."""

from __future__ import annotations

from sam2_core.inference.frames.opened_frames import FrameSource, OpenedFrames, open_frames

__all__ = ["FrameSource", "OpenedFrames", "open_frames"]
