"""SAM 2 tracking for napari and for the command line.

Importing this package imports neither torch nor Qt nor napari: a command-line start, napari's plugin scan and a
cluster node pay only for what they use. The rooms are imported by name: ``napari_sam2.stacks`` (images in),
``napari_sam2.session`` (the work), ``napari_sam2.io`` (files), ``napari_sam2.cli`` (commands).
"""

from __future__ import annotations

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """Version of the installed distribution, looked up on first use."""
    if name == "__version__":
        from importlib.metadata import version

        return version("napari-sam2")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
