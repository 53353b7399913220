"""Which image the panel works on: the list of image layers, the reading of their axes, and opening on a choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Layer
from qtpy.QtCore import QObject, QTimer, Signal
from superqt.utils import signals_blocked

from napari_sam2._qt.background import USER_ERRORS
from napari_sam2._qt.holds import hold
from napari_sam2._qt.opening import SESSION_FOLDER, ImageChoice, sample_layers
from napari_sam2._qt.questions import asked_images
from napari_sam2._qt.sections import ImageSection
from napari_sam2._qt.slots import Slots
from napari_sam2._qt.whole_files import WholeFiles
from napari_sam2._qt.workbench import Workbench

if TYPE_CHECKING:
    import napari

    from napari_sam2.session.session import Session
    from napari_sam2.viewer import SessionBinding
    from napari_sam2.viewer.channel_layers import Channel

MOST_CHANNELS = 3
_MOST_OFFERED = 8

_READINGS = {
    2: ("YX",),
    3: ("TYX", "ZYX", "CYX"),
    4: ("TZYX", "TCYX", "CZYX", "ZCYX", "CTYX"),
    5: ("TCZYX", "TZCYX", "CTZYX"),
}


class ImageChooser(QObject):
    """Keeps the image section and the viewer's layers in step, and opens a session on the layer that is chosen.

    Signal: `sample_begun()` when `is_making_sample`, which says that the sample is being drawn, becomes true.
    """

    sample_begun = Signal()

    def __init__(self, viewer: napari.viewer.Viewer, section: ImageSection, bench: Workbench, slots: Slots) -> None:
        super().__init__(section)
        self._viewer = viewer
        self._section = section
        self._bench = bench
        self._slots = slots
        self.files = WholeFiles(viewer, bench, self)
        self._named: list[Image] = []
        self._folded_for: object = None  # the id of a layer, which is not kept alive
        self.is_making_sample = False
        slots.connect(section.layers.currentIndexChanged, self.choose)
        slots.connect(section.axes.currentTextChanged, self.reopen)
        slots.connect(section.track.currentIndexChanged, self.reopen)
        slots.connect(section.channels_chosen, self.choose_channels)
        slots.connect(section.held.chosen, lambda letter, index: self.work_at({letter: index}), 2)
        slots.connect(bench.changed, self._on_bench)
        slots.connect(self.files.opened, self._work_on, 1)
        self._list_events = (
            self._viewer.layers.events.inserted,
            self._viewer.layers.events.removed,
            self._viewer.layers.events.reordered,
        )
        for event in self._list_events:
            event.connect(self._on_layers)
        slots.call(self._on_bench)

    def images(self) -> list[Image]:
        """Return the image layers, in the order of the list."""
        return [layer for layer in self._viewer.layers if isinstance(layer, Image)]

    def layer(self) -> Image | None:
        """Return the layer that is chosen."""
        index = self._section.layers.currentIndex()
        return self._named[index] if 0 <= index < len(self._named) else None

    def choose(self) -> None:
        """Open a session on the chosen layer, after asking if work would be lost."""
        layer = self.layer()
        if layer is None or layer is self._bench.image:
            return
        if not self._bench.may_leave():
            self._list_layers()
            return
        self._bench.sought = None
        self._show_axes(layer)
        self.reopen()

    def reopen(self) -> None:
        """Open a session on the chosen layer with the axes as they are shown."""
        layer = self.layer()
        if layer is None or not self._bench.is_ready:
            return
        section = self._section
        axes = section.axes.currentText().strip().upper()
        track = section.track.currentData() if {"T", "Z"} <= set(axes) else None
        if len(axes) != layer.ndim:
            return  # still being typed
        self._show_axes(layer, axes)
        beside = tuple(one for one in self._seen_layers() if one is not layer) if layer is self._bench.image else ()
        self._bench.open_image(ImageChoice(layer, axes, track, beside))

    def choose_channels(self) -> None:
        """Let the model see the ticked channels; prompts stay, masks turn stale and those of prompts come anew."""
        binding, ticked = self._bench.binding, self._section.ticked_channels()
        if binding is None:
            return
        if 1 <= len(ticked) <= MOST_CHANNELS:
            self._see(binding, ticked)
        else:
            self.show_session()
            few = "The model needs one channel at least; tick another one first."
            many = f"The model sees {MOST_CHANNELS} channels at once; untick one first."
            self._bench.said.emit(many if ticked else few)

    def _see(self, binding: SessionBinding, ticked: tuple[int, ...]) -> None:
        """Let the model see channels of the session, and layers beside it, which become channels."""
        from napari_sam2.viewer.channel_layers import channels_of, with_channel

        session, rows, seen = binding.session, channels_of(binding), list[int]()
        for row in ticked:
            layer, count = rows[row].layer, session.stack.size("C")
            if row >= count and layer is not None:
                session.add_channels(with_channel(session.stack, binding.image, layer))
                seen.append(count)
            else:
                seen.append(row)
        session.change_settings(channels=tuple(seen), contrast_limits=_limits_for(session, seen, channels_of(binding)))
        self._bench.preview()

    def _seen_layers(self) -> tuple[Image, ...]:
        """Return the layers that the model sees; none where no session is open."""
        from napari_sam2.viewer.channel_layers import seen_layers

        return () if self._bench.session is None or self._bench.binding is None else seen_layers(self._bench.binding)

    def places(self) -> tuple[str, str]:
        """Return where the session works and where the viewer is; "" for both where that is the same, or will be."""
        binding = self._bench.binding
        if binding is None:
            return "", ""
        self._show_held(binding)
        held, seen = dict(binding.grid.held), binding.held_in_view
        if (apart := binding.place.channels_apart) is not None:
            held["C"], seen["C"] = apart
        others = [letter for letter in held if held[letter] != seen[letter]]
        if not others or not binding.session.holds_work:
            return "", ""
        return _in_words({one: held[one] for one in others}), _in_words({one: seen[one] for one in others})

    def work_at(self, places: Mapping[str, int]) -> None:
        """Work at another Z (or T): there from the first prompt on; else the session is left for one that is there."""
        binding, session = self._bench.binding, self._bench.session
        if binding is None or session is None:
            return
        if session.holds_work and not self._bench.may_leave():
            self._show_held(binding)
            return
        binding.show_at(places)
        folder = self._bench.kept.folder(binding.image, session, {**binding.grid.held, **places})
        if folder is not None:
            self._bench.open_folder(folder)
        elif not binding.work_at(places):
            self.reopen()

    def offered_folder(self) -> Path | None:
        """Return the session folder of what is in view, as long as it is not open and nothing is prompted.

        It is the one that was saved for this Z before, or that the image was read from.
        """
        session, binding = self._bench.session, self._bench.binding
        if session is None or binding is None or session.holds_work or session.folder is not None:
            return None
        kept = self._bench.kept.folder(binding.image, session, binding.held_in_view)
        folder = kept or binding.image.metadata.get(SESSION_FOLDER)
        return Path(folder) if folder else None

    def take_offer(self) -> None:
        """Do what the hint offers: put the image back, find images, open the sample, a session, work at another Z."""
        sought, folder, binding = self._bench.sought, self.offered_folder(), self._bench.binding
        if binding is not None and not binding.sight.is_there:
            self._put_back(binding.image)
        elif sought is not None and (binding is None or not binding.session.holds_work):
            if images := asked_images(sought, self._section):
                self._bench.open_folder(sought, images)
        elif binding is not None and self.places()[0]:
            apart = binding.place.channels_apart
            if binding.held_in_view != dict(binding.grid.held):
                self.work_at(binding.held_in_view)
            elif apart is not None:
                self._see(binding, (apart[1],))
        elif folder is None and self.files.left_out:
            self.files.open_all()
        elif folder is None:
            self.open_sample()
        else:
            self._bench.open_folder(folder)

    def _put_back(self, image: Image) -> None:
        """Put the image of the session into the viewer again, below all; the tool in hand stays."""
        active = self._viewer.layers.selection.active
        with hold("napari adds a layer"):
            self._viewer.layers.insert(0, image)
        self._viewer.layers.selection.active = active

    def open_sample(self) -> None:
        """Draw the sample movie in a worker and open it."""
        if self.is_making_sample:
            return
        self.is_making_sample = True
        self.sample_begun.emit()
        self._bench.run(sample_layers, self._sample_made, self._sample_failed)

    def close(self) -> None:
        """Let go of the viewer."""
        self.files.close()
        for event in self._list_events:
            event.disconnect(self._on_layers)
        for layer in self._named:
            layer.events.name.disconnect(self._on_name)

    def _work_on(self, layer: Image) -> None:
        """Choose a layer, as a person does it."""
        self._section.layers.setCurrentIndex(self.images().index(layer))

    def _sample_made(self, made: list[tuple[Any, dict[str, Any], str]]) -> None:
        self.is_making_sample = False
        # The image goes in last, so that the session opens on it once and the truth lies below.
        for data, meta, kind in reversed(made):
            with hold("napari adds a layer"):
                self._viewer.add_layer(Layer.create(data, meta, kind))
        self._viewer.dims.set_point(0, 0)

    def _sample_failed(self, error: Exception) -> None:
        self.is_making_sample = False
        self._bench.failed.emit(error)

    def _on_layers(self, event: Any = None) -> None:
        self._slots.call(self._list_layers)
        self._slots.call(self.show_session)
        self._slots.call(self._open_first)
        QTimer.singleShot(0, self, self._leave_missing)  # once napari is through with all that it removes

    def _leave_missing(self) -> None:
        """Leave a session whose image was taken out of the viewer, where nothing is lost; the next one is opened."""
        session, binding = self._bench.session, self._bench.binding
        if session is not None and binding is not None and not session.holds_work and not binding.sight.is_there:
            self._bench.close_session()

    def _on_name(self, event: Any = None) -> None:
        self._slots.call(self._list_layers)
        self._slots.call(self.show_session)

    def _list_layers(self) -> None:
        for layer in self._named:
            layer.events.name.disconnect(self._on_name)
        self._named = self.images()
        for layer in self._named:
            layer.events.name.connect(self._on_name)
        current = self._bench.image
        place = next((place for place, layer in enumerate(self._named) if layer is current), -1)
        self._section.show_layers([layer.name for layer in self._named], place)

    def _open_first(self) -> None:
        """Take the active image, or the first one, where nothing is open yet."""
        if not self._bench.is_ready or self._bench.session is not None or self._bench.is_opening or not self._named:
            return
        active = self._viewer.layers.selection.active
        layer = next((one for one in self._named if one == active), self._named[0])  # napari gives plugins a proxy
        if layer.unique_id == self._bench.refused:
            return
        self._section.show_layers([one.name for one in self._named], self._named.index(layer))
        try:
            self._show_axes(layer)
            self.reopen()
        except USER_ERRORS:
            self._bench.refused = layer.unique_id
            raise

    def _on_bench(self) -> None:
        self._leave_missing()  # taken out of the viewer while it was being opened
        self._list_layers()
        self.show_session()
        self._fold()
        self.files.look()
        if self._bench.session is None:
            self._open_first()

    def _fold(self) -> None:
        """Fold the section away for an image that leaves nothing to choose, once; a person may unfold it."""
        image = self._bench.image if self._bench.session is not None else None
        if image is not None and image.unique_id != self._folded_for:
            self._folded_for = image.unique_id
            if not self._section.has_choices:
                self._section.collapse()

    def show_session(self) -> None:
        """Show axes and channels as the session has them."""
        from napari_sam2.viewer.channel_layers import channels_of

        session, binding = self._bench.session, self._bench.binding
        if session is None or binding is None:
            return
        image = binding.image
        axes = session.stack.axes.replace("S", "")
        self._show_axes(image, axes[-image.ndim :])
        names = [channel.name for channel in channels_of(binding)]
        self._section.show_channels(names[:_MOST_OFFERED], session.movie.movie.channels or (0,))
        track = self._section.track.findData(session.settings.track_axis)
        with signals_blocked(self._section.track):
            self._section.track.setCurrentIndex(max(track, 0))

    def _show_held(self, binding: SessionBinding) -> None:
        """Show where the session works; as long as nothing is prompted that is where the viewer is."""
        grid = binding.grid
        sizes = {letter: size for letter, size in zip(grid.axes, grid.shape, strict=True) if size > 1}
        held = grid.held if binding.session.holds_work else binding.held_in_view
        self._section.show_held({letter: held[letter] for letter in held if letter in sizes}, sizes)

    def _show_axes(self, layer: Image, axes: str | None = None) -> None:
        from napari_sam2.viewer import axes_of

        self._section.show_axes(axes or axes_of(layer), _READINGS.get(layer.ndim, ()))


def _in_words(places: Mapping[str, int]) -> str:
    """Return places by letter as people write them: "T = 2, Z = 5"."""
    return ", ".join(f"{letter} = {index}" for letter, index in places.items())


def _limits_for(
    session: Session, channels: Sequence[int], known: Sequence[Channel]
) -> tuple[tuple[float, float], ...] | None:
    """Return the contrast limits of other channels: as they were, or as their layers show them; None where unknown."""
    from napari_sam2.viewer.image_source import shown_limits

    limits, before = session.settings.contrast_limits, session.movie.movie.channels or (0,)
    if limits is None or (len(limits) == 1 and known[0].layer is None):
        return limits
    layers = {index: channel.layer for index, channel in enumerate(known) if channel.layer is not None}
    found = {index: shown_limits((layer,))[0] for index, layer in layers.items()}
    found |= dict(zip(before, limits * len(before) if len(limits) == 1 else limits, strict=True))
    return tuple(found[channel] for channel in channels) if set(channels) <= set(found) else None
