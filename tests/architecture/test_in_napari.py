"""The plugin as napari finds it: a real viewer opens the sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import napari


def test_sample_opens_in_a_real_viewer(make_napari_viewer: Callable[..., napari.Viewer]) -> None:
    viewer = make_napari_viewer()
    image, labels = viewer.open_sample("napari-sam2", "cells-movie")
    assert [layer.name for layer in viewer.layers] == [image.name, labels.name]
    assert image.data.shape == labels.data.shape
    assert viewer.dims.ndim == 3
    assert image.axis_labels == ("t", "y", "x")
