"""`napari-sam2 view`: what it hands to the window, and what it says where there can be none."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from napari_sam2.session import Session


@pytest.fixture
def shown(monkeypatch):
    """What the window is asked to show; none is opened, and neither napari nor Qt is needed."""
    asked = []
    for name in ("napari", "qtpy", "qtpy.QtWidgets", "superqt"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    window = types.ModuleType("napari_sam2._qt.window")
    window.show = lambda layers, session: asked.append((layers, session))
    monkeypatch.setitem(sys.modules, "napari_sam2._qt.window", window)
    monkeypatch.setenv("DISPLAY", ":1")
    return asked


def test_a_movie_and_labels_are_layers(work, shown, run):
    assert run("view movie.tif --labels movie.tif --axes ZYX")[0] == 0
    ((image, labels), session) = shown.pop()
    assert session is None
    assert (image[2], labels[2]) == ("image", "labels")
    assert image[1]["axis_labels"] == ["z", "y", "x"]
    assert image[1]["metadata"]["napari_sam2_path"] == str(work / "movie.tif")
    np.testing.assert_array_equal(np.asarray(image[0]), labels[0])


def test_a_session_is_handed_over_as_its_folder(work, shown, predictor, run):
    with Session.open(work / "movie.tif", predictor=predictor) as session:
        session.save(work / "movie.sam2")
    assert run("view movie.sam2")[0] == 0
    layers, folder = shown.pop()
    assert (layers, folder.name) == ([], "movie.sam2")
    code, _, err = run("view movie.sam2 --axes ZYX")
    assert (code, "the session says" in err, shown) == (2, True, [])


def test_what_cannot_be_read_opens_no_window(work, shown, run):
    code, _, err = run("view nowhere.tif")
    assert (code, "nowhere.tif" in err, shown) == (1, True, [])


@pytest.mark.parametrize("missing", ["napari", "qtpy.QtWidgets", "superqt"])
def test_without_napari_or_qt_it_says_what_to_install(work, shown, run, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    code, _, err = run("view movie.tif")
    assert (code, 'pip install "napari-sam2[all]"' in err, shown) == (1, True, [])


def test_without_a_screen_it_says_so(work, shown, run, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    code, _, err = run("view movie.tif")
    assert (code, "no screen" in err, shown) == (1, True, [])
