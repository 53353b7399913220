"""Says where the layer that is worked on shows less than its file holds, and opens all of the file as layers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_sam2._qt.holds import hold
from napari_sam2._qt.opening import add_layers
from napari_sam2._qt.workbench import Workbench

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

    from napari_sam2.napari_reader import LayerData


class WholeFiles(QObject):
    """Looks in a worker into the file of the layer that is worked on.

    Signals: `found()` when `left_out`, what the layer does not show, is known; `opened(Image)` with the first layer of
    the whole file.
    """

    found = Signal()
    opened = Signal(object)

    def __init__(self, viewer: napari.viewer.Viewer, bench: Workbench, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._bench = bench
        self._image: Image | None = None
        self.left_out = ""

    def look(self) -> None:
        """Look into the file of the layer, once for each that is worked on."""
        from napari_sam2.stacks.whole_files import left_out
        from napari_sam2.viewer.image_source import SCENE, full_resolution

        session, image = self._bench.session, self._bench.image
        if session is None or image is None:
            self._image, self.left_out = None, ""  # a layer that was closed is not kept alive
            return
        if image is self._image:
            return
        self._image, self.left_out = image, ""
        if image.source.path is None or image.metadata.get(SCENE) is not None:
            return
        shape, letters = tuple(full_resolution(image).shape), session.stack.axes
        axes = letters[len(letters) - len(shape) :]
        self._bench.run(partial(left_out, Path(image.source.path), shape, axes), partial(self._tell, image))

    def open_all(self) -> None:
        """Read every series of the file in a worker, and add it as layers."""
        from napari_sam2.napari_reader import read_series_layers

        if self._image is not None and self._image.source.path is not None:
            self._bench.run(partial(read_series_layers, self._image.source.path), self._add)

    def close(self) -> None:
        """Let go of the layer."""
        self._image = None

    def _tell(self, image: Image, left_out: str) -> None:
        if image is self._image and left_out:
            self.left_out = left_out
            self.found.emit()

    def _add(self, read: list[LayerData]) -> None:
        added: list[Layer] = []
        for one in read:
            with hold("napari adds a layer"):
                added += add_layers(self._viewer, one)
        self.left_out = ""
        self.opened.emit(added[0])
