"""SAM 2 tracking for napari and for the command line.

Importing this package imports neither torch nor Qt nor napari: a command-line start, napari's plugin scan and a
cluster node pay only for what they use. The rooms are imported by name: ``napari_sam2.stacks`` (images in),
``napari_sam2.session`` (the work), ``napari_sam2.io`` (files), ``napari_sam2.cli`` (commands). ``Session`` and
``open_panel``, for scripts that open a window, are here too, fetched on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam2._qt.panel import open_panel
    from napari_sam2.session.session import Session

__all__ = ["Session", "__version__", "open_panel"]


def __getattr__(name: str) -> Any:
    """Return `Session`, `open_panel`, or the version of the installed distribution, on first use."""
    if name == "Session":
        from napari_sam2.session.session import Session

        return Session
    if name == "open_panel":
        from napari_sam2._qt.panel import open_panel

        return open_panel
    if name == "__version__":
        from importlib.metadata import version

        return version("napari-sam2")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
