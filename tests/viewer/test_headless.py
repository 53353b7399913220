"""The room must work where no Qt is installed: a process in which importing any Qt fails does a piece of work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
SCRIPT = """
import sys
for name in ("qtpy", "PySide6", "PyQt6", "PyQt5", "superqt"):
    sys.modules[name] = None
import numpy as np
from napari.components import ViewerModel
from disc_predictor import DiscPredictor
from napari_sam2.session.session import Session
from napari_sam2.viewer import InlineRunner, bind, image_source
viewer = ViewerModel()
image = viewer.add_image(np.zeros((4, 30, 40), np.uint8))
source = image_source(image)
session = Session.open(source.stack, settings=source.settings, predictor=DiscPredictor())
binding = bind(viewer, session, image, InlineRunner(session))
binding.prompts.points.add((0, 15, 15))
binding.propagate_both()
assert session.status(1).tolist() == [1, 2, 2, 2], session.status(1)
session.close()
print("worked")
"""


def test_works_without_any_qt():
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=TESTS, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "worked", done.stderr


def test_importing_the_room_imports_neither_torch_nor_qt():
    script = "import napari_sam2.viewer, sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"torch", "qtpy", "superqt", "PySide6", "PyQt6"} & set(done.stdout.split())
