"""SAM 2 tracking for napari and for the command line.

Importing this package imports neither torch nor Qt nor napari: a command-line start, a napari plugin scan and a
cluster node pay only for what they use. Every public name is found on first use.
"""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = ["__version__"]
