"""Opens a window with `napari-sam2 view`, as a person does, waits for the session in it, takes a picture and closes it.

Usage: smoke_view.py PICTURE     (in an empty folder, with an installed napari-sam2[all] and a screen)
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

PICTURE = Path(sys.argv[1])
LONGEST_S = 180

os.environ |= {"NAPARI_SAM2_HOME": str(Path("home").absolute()), "NAPARI_ASYNC": "0"}
os.environ |= dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY"), "http://127.0.0.1:9")  # whatever asks the network fails

from qtpy.QtCore import QTimer  # noqa: E402
from qtpy.QtWidgets import QApplication  # noqa: E402

from napari_sam2.cli import main  # noqa: E402
from napari_sam2.samples import write_sample  # noqa: E402

seen: list[str] = []
begun = time.monotonic()
app = QApplication(sys.argv[:1])
timer = QTimer()


def look() -> None:
    """Close the window once its panel has a session; say what is in it."""
    import napari

    viewer = napari.current_viewer()
    docks = {} if viewer is None else viewer.window.dock_widgets
    panel = next((dock for name, dock in docks.items() if "Segment and track" in name), None)
    session = None if panel is None else panel.session
    if session is None and time.monotonic() - begun < LONGEST_S:
        return
    timer.stop()
    if viewer is not None and session is not None:
        seen.append(f"{session.frame_count} frames of {session.size}")
        viewer.window.screenshot(str(PICTURE), canvas_only=False)
    if panel is not None:
        panel.close_work()
    if viewer is not None:
        viewer.close()
    app.quit()


timer.timeout.connect(look)
timer.start(200)
images, _ = write_sample("movie")
print(f"--- napari-sam2 view {images}")
code = main(["view", str(images)])
print(f"closed with {code}; in the window: {', '.join(seen) or 'no session'}")
sys.exit(code or not seen)
