"""How long the panel holds the main thread with 300 found cells on screen: a real window, a stand-in finder.

``make bench NAME=bench_found_holds.py`` prints milliseconds of processor time of the longest hold for each thing that a
person does, ours and napari's apart. Needs a screen, or Xvfb.
"""

from __future__ import annotations

import gc

import numpy as np
from finding_predictor import FindingPredictor

SIDE, PITCH, COUNT, FRAMES = 1024, 56, 300, 20


def movie():
    """Return frames of discs of 44 px, (T, H, W) uint8; how bright each is, is how sure it is."""
    frame = np.zeros((SIDE, SIDE), np.uint8)
    y, x = np.mgrid[:PITCH, :PITCH]
    disc = np.hypot(y - PITCH / 2, x - PITCH / 2) < 22
    per_row = SIDE // PITCH
    for number in range(COUNT):
        top, left = PITCH * (number // per_row), PITCH * (number % per_row)
        frame[top : top + PITCH, left : left + PITCH][disc] = 255 - number % 140
    return np.broadcast_to(frame, (FRAMES, SIDE, SIDE)).copy()


def test_what_a_person_does(make_napari_viewer, qtbot, monkeypatch, tmp_path, plugin_settings, npe2pm):
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path / "home"))
    from npe2 import PluginManifest

    from napari_sam2._qt import workbench
    from napari_sam2._qt.holds import record_holds
    from napari_sam2.session.session import Session

    npe2pm.register(PluginManifest.from_distribution("napari-sam2"))
    monkeypatch.setattr(
        workbench,
        "open_session",
        lambda stack, settings: Session.open(stack, settings=settings, predictor=FindingPredictor()),
    )
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1366, 900)
    _, panel = viewer.window.add_plugin_dock_widget("napari-sam2", "Segment and track")
    viewer.add_image(movie(), name="movie", contrast_limits=(0, 255), axis_labels=("t", "y", "x"))
    qtbot.waitUntil(lambda: panel.bench.session is not None, timeout=60000)
    viewer.dims.set_point(0, 0)
    bench = panel.bench
    deciding = bench.binding.deciding

    def settle():
        qtbot.waitUntil(lambda: not bench.binding.work.busy and not bench.session.needs_preview, timeout=60000)
        qtbot.wait(400)

    def first():
        return next(iter(deciding.proposals.shown(0)))

    steps = {
        "find": panel.finding.go.click,
        "a score": lambda: panel.finding.score.setValue(55),
        "reject one": lambda: bench.session.proposals.reject([first()]),
        "accept one": lambda: bench.session.proposals.accept([first()]),
        "accept shown": panel.finding.accept.click,
        "undo": panel.prompts.undo.click,
        "redo": panel.prompts.redo.click,
        "another frame": lambda: viewer.dims.set_point(0, 5),
        "and back": lambda: viewer.dims.set_point(0, 0),
        "undo again": panel.prompts.undo.click,
        "reject shown": panel.finding.reject.click,
    }
    for name, do in steps.items():
        settle()
        gc.collect()
        with record_holds() as record:
            do()
            settle()
        places = sorted(record.places.items(), key=lambda item: -item[1].cpu_s)[:6]
        told = ", ".join(f"{place} {1e3 * held.cpu_s:.0f}" for place, held in places)
        print(f"{name:14} {told}")
    panel.bench.close()
