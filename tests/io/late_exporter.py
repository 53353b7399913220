"""A process that ends while a thread of it writes all formats: `python late_exporter.py FOLDER`."""

from __future__ import annotations

import concurrent.futures.thread
import sys
import threading
import time
from pathlib import Path

import numpy as np

from napari_sam2.io.exports import export_everything
from napari_sam2.io.imports import import_labels
from napari_sam2.io.results import Results
from napari_sam2.stacks import open_stack


def export_late() -> None:
    """Export once the process ends, when pools of threads take nothing any more."""
    while not concurrent.futures.thread._shutdown:
        time.sleep(0.01)
    export_everything(Path(sys.argv[1]), results)


movie = open_stack(np.ones((3, 20, 30), np.uint8), "TYX").movie()
results = Results(*import_labels(movie), movie, "higher")
threading.Thread(target=export_late).start()
