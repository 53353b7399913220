"""The steps of `walk_through.py`: what may not happen to a person's work in the window, one function each.

Each gets a fresh window with a few frames of the sample and three objects on the first one; it raises AssertionError
where the window does something else.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox
from walk_window import Window, answering, pause

from napari_sam2.samples import first_clicks, sample_movie

FRAMES = 8
_CTRL = Qt.KeyboardModifier.ControlModifier
_DONE = ("done",)
_TALL = (1366, 960)


class Movie:
    """A part of the sample, and a pixel in each of its objects; for the last item a part of any other stack (T, Y, X).

    Parameters
    ----------
    stack
        The other stack, a TIFF; the sample where None.
    frames
        How much of it.
    """

    def __init__(self, stack: Path | None = None, frames: int = FRAMES) -> None:
        movie = sample_movie()
        self.images = np.asarray(movie.images[:FRAMES])
        self.places = [(click.y, click.x) for click in first_clicks(movie)]
        self.found_on = self.images if stack is None else tifffile.imread(stack)[:frames]


def begun(window: Window, movie: Movie, objects: int = 3, track: bool = True) -> None:
    """Open the movie, click on objects with the mouse, and propagate."""
    window.open_image(movie.images, axis_labels=("t", "y", "x"))
    for number, place in enumerate(movie.places[:objects]):
        if number:
            window.key(Qt.Key.Key_M)
        window.click(*place)
    assert len(window.session.document.objects) == objects, "a click with the mouse made no object"
    if track:
        window.propagate()
        assert states(window) == objects * _DONE


def states(window: Window) -> tuple[str, ...]:
    """The states of all rows of the table."""
    window.panel.state.refresh()
    return tuple(row.state for row in window.panel.model.known.values())


def masks(window: Window) -> list[object]:
    """All masks, as the values that they are."""
    return sorted(((key, id(mask)) for key, mask in window.session.masks.items()), key=str)


def cancel_keeps_everything(window: Window, movie: Movie) -> None:
    """1. Close, then Cancel: nothing is lost; unsaved work is named."""
    begun(window, movie)
    session, before = window.session, masks(window)
    with answering(window.out, "Cancel") as answers:
        assert not window.close_by_hand(), "the window went although it was cancelled"
    assert answers.asked, "nobody was asked"
    assert "3 objects" in answers.asked[0], answers.asked
    assert window.session is session
    assert masks(window) == before
    window.click(*movie.places[3])
    assert len(window.session.document.prompts[3, 0].labels) == 2, "the click after it did not reach the session"


def the_session_outlives_its_panel(window: Window, movie: Movie) -> None:
    """2. The x of the dock, and the panel again: the same session and the same layers."""
    begun(window, movie)
    session, layers = window.session, list(window.viewer.layers)
    window.viewer.window.remove_dock_widget(window.panel.parentWidget())
    pause(200)
    window.open_panel()
    assert window.session is session
    assert list(window.viewer.layers) == layers
    assert states(window) == 3 * _DONE


def undo_brings_tracked_masks_back(window: Window, movie: Movie) -> None:
    """3. Undo and Redo of an object bring its tracked masks."""
    begun(window, movie)
    window.press(*window.row(1))
    window.press(window.panel.objects.remove)
    assert len(states(window)) == 2
    window.press(window.panel.prompts.undo)
    window.idle()
    assert states(window) == 3 * _DONE
    window.press(window.panel.prompts.redo)
    assert len(states(window)) == 2
    window.press(window.panel.prompts.undo)
    assert states(window) == 3 * _DONE


def a_refused_click_leaves_nothing(window: Window, movie: Movie) -> None:
    """4. A click beside the image, or on a locked object, is gone at once with a word; Undo undoes what was seen."""
    begun(window, movie)
    before, points = masks(window), len(window.binding.prompts.points.data)
    window.click(-9, 40)
    assert len(window.binding.prompts.points.data) == points, "a point was left beside the image"
    assert window.panel.message.text()
    window.press(*window.row(2, column=5))
    window.binding.current.choose(3)
    window.click(*movie.places[2], frame=2)
    assert len(window.binding.prompts.points.data) == points
    assert "locked" in window.panel.message.text()
    window.key(Qt.Key.Key_Z, _CTRL)
    assert not window.session.document.objects[3].locked
    assert masks(window) == before


def the_wheel_changes_nothing(window: Window, movie: Movie) -> None:
    """5. The wheel over the panel scrolls it; a download is asked for; settings are steps; a long error folds."""
    begun(window, movie)
    panel, bar = window.panel, window.panel.area.verticalScrollBar()
    panel.model_section.expand()
    pause(200)
    before = window.session, window.session.settings, panel.propagate.choice(())
    boxes = [*panel.area.findChildren(QComboBox), *panel.area.findChildren(QAbstractSpinBox)]
    scrolled = 0
    for box in boxes:
        if box.isVisible():
            panel.area.ensureWidgetVisible(box)
            pause(50)
            place = bar.value()
            window.wheel(box)
            scrolled += bar.value() > place
    assert (window.session, window.session.settings, panel.propagate.choice(())) == before
    assert scrolled, "the panel did not scroll"
    models = panel.model_section.model
    with answering(window.out, "Cancel") as answers:
        models.setCurrentIndex(models.findData("sam2.1_hiera_t"))
        window.wait(lambda: bool(answers.asked), "the question", 10)
    assert "156 MB" in answers.asked[0]
    assert states(window) == 3 * _DONE
    panel.model_section.even_out.click()
    window.idle()
    assert "stale" in states(window)
    window.key(Qt.Key.Key_Z, _CTRL)
    window.idle()
    assert states(window) == 3 * _DONE
    panel.show_error(OSError("a long error " * 40))
    pause(100)
    height = panel.message.height()
    window.press(panel.message.more)
    window.picture("05_unfolded")
    assert panel.message.height() > height
    window.press(panel.message.more)
    assert panel.message.height() == height


def keys_work_everywhere(window: Window, movie: Movie) -> None:
    """6. Keys work after a click on a row, a button, a header, the layer list and a dialog; no prompt is added."""
    begun(window, movie)
    prompts, layers = dict(window.session.document.prompts), window.viewer.window._qt_viewer.layers
    panel = window.panel
    places: dict[str, Callable[[], object]] = {
        "row": lambda: window.press(*window.row(0)),
        "Propagate": lambda: (window.press(panel.propagate.go), window.idle()),
        "header": lambda: window.press(panel.saving.toggleButton(), QPoint(20, 5)),
        "tool": lambda: window.press(panel.prompts.tools["inside"]),
        "image in the layer list": lambda: window.press(
            layers.viewport(), layers.visualRect(layers.model().index(layers.model().rowCount() - 1, 0)).center()
        ),
        "keys": lambda: window.press(panel.prompts.keys),
    }
    for name, go in places.items():
        go()
        window.binding.current.choose(1, "in")
        window.binding.show_frame(3)
        window.key(Qt.Key.Key_N)
        assert window.binding.current.object_id == 2, f"N is dead after {name}"
        window.key(Qt.Key.Key_Q)
        assert window.binding.current.polarity == "out", f"Q is dead after {name}"
        window.key(Qt.Key.Key_Right)
        assert window.binding.frame == 4 or name == "keys", f"the arrow is dead after {name}"
    assert dict(window.session.document.prompts) == prompts


def propagate_does_what_is_left(window: Window, movie: Movie) -> None:
    """7. Propagate finds what is stale or missing and nothing else; again from scratch is a choice."""
    begun(window, movie)
    before = masks(window)
    window.propagate()
    assert masks(window) == before
    assert "Nothing is stale" in window.panel.message.text()
    assert window.panel.propagate.resume.isHidden()
    window.key(Qt.Key.Key_G)
    window.idle()
    assert masks(window) == before
    window.panel.propagate.again.trigger()
    window.idle()
    assert masks(window) != before
    assert f"{FRAMES} of {FRAMES} frames" in window.panel.message.text()


def contrast_is_taken_over(window: Window, movie: Movie) -> None:
    """8. The contrast follows the layer until the first prompt, and by the button afterwards; Undo takes it back."""
    layer = window.open_image(movie.images, axis_labels=("t", "y", "x"))
    layer.contrast_limits = (300, 7000)
    window.wait(lambda: window.session.settings.contrast_limits == ((300.0, 7000.0),), "the contrast", 10)
    window.click(*movie.places[0])
    window.propagate()
    layer.contrast_limits = (300, 6000)
    pause(700)
    assert states(window) == _DONE
    assert "other contrast" in window.panel.image.text()
    window.press(window.panel.image.toggleButton(), QPoint(20, 5))
    window.press(window.panel.image.use_contrast)
    window.idle()
    assert window.session.settings.contrast_limits == ((300.0, 6000.0),)
    assert states(window) == ("stale",)
    window.picture("08_contrast")
    window.press(window.panel.prompts.undo)
    assert states(window) == _DONE


def the_fixed_axis_can_be_changed(window: Window, movie: Movie) -> None:
    """9. The Z at which the session works is shown and can be changed, and a click at another one is not lost."""
    data = np.stack([movie.images] * 3, axis=1)
    window.open_image(data, axis_labels=("t", "z", "y", "x"))
    window.panel.state.refresh()
    box = window.panel.image.held.boxes["Z"]
    assert box.isVisible()
    box.setValue(2)
    window.wait(lambda: window.session is not None and window.session.settings.fixed.get("Z") == 2, "Z = 2", 30)
    window.click(*movie.places[0])
    assert len(window.session.document.prompts) == 1
    window.viewer.dims.set_point(1, 0)
    window.panel.state.refresh()
    assert "Z = 2" in window.panel.hint.text()
    window.picture("09_other_z")


def axes_change_in_place(window: Window, movie: Movie) -> None:
    """10. Other axes, TYX to ZYX and back, nine times: the window lives."""
    window.open_image(movie.images)
    box = window.panel.image.axes
    for axes in ("ZYX", "TYX") * 5:
        box.setCurrentText(axes)
        window.wait(lambda wanted=axes[0]: _tracked(window) == wanted, axes, 30)  # type: ignore[misc]
        pause(100)
    window.click(*movie.places[0])
    assert len(window.session.document.prompts) == 1


def _tracked(window: Window) -> str:
    return "" if window.session is None else str(window.session.settings.track_axis)


def a_session_opens_on_its_image(window: Window, movie: Movie) -> None:
    """11. Open binds a session to the image that it was made from, not to the first of the same shape."""
    begun(window, movie)
    image, folder = window.panel.bench.image, window.out / "walk.sam2"
    window.session.save(folder)
    window.panel.bench.close_session()
    other = window.viewer.add_image(movie.images[::-1].copy(), name="other", contrast_limits=(0, 255))
    window.viewer.layers.move(window.viewer.layers.index(other), 0)
    pause(500)
    window.panel.bench.open_folder(Path(folder))
    window.wait(lambda: window.session is not None and window.session.folder == folder, "the session")
    assert window.panel.bench.image is image, "it opened on another image of the same shape"
    assert states(window) == 3 * _DONE


def edits_keep_what_they_should(window: Window, movie: Movie) -> None:
    """12. Swap then Undo leaves nothing stale; after Merge the next click is for what was merged; a click in a run."""
    begun(window, movie)
    before = masks(window)
    table = window.panel.objects.table
    table.clearSelection()
    flags = table.selectionModel().SelectionFlag
    for row in (0, 1):
        table.selectionModel().select(window.panel.model.index(row, 0), flags.Select | flags.Rows)
    window.panel.objects.show_selection(table.selected_ids())
    window.panel.objects.swap.click()
    window.idle()
    window.key(Qt.Key.Key_Z, _CTRL)
    window.idle()
    assert states(window) == 3 * _DONE
    assert masks(window) == before
    window.panel.propagate.again.trigger()
    window.wait(lambda: window.binding.work.done >= 2, "frames")
    window.click(*movie.places[2], frame=1)
    window.panel.state.refresh()
    assert "Saved" not in window.panel.hint.text()
    assert not window.panel.propagate.resume.isHidden(), "the run cannot go on"
    window.picture("12_click_in_a_run")


def doubtful_and_new_come_into_view(window: Window, movie: Movie) -> None:
    """13. A new row scrolls into view, the table takes the height, no label is grey, one channel by default."""
    begun(window, movie, objects=6)
    table = window.panel.objects.table
    assert table.viewport().rect().contains(table.visualRect(window.panel.model.index(5, 0)))
    low = table.height()
    window.frame.resize(*_TALL)
    window.press(window.panel.finding.toggleButton(), QPoint(20, 5))
    pause(300)
    assert table.height() > low + 50, "the table does not take the height"
    for number in range(1, 40):
        red, green, blue, _ = window.binding.labels.color(number)
        assert max(red, green, blue) - min(red, green, blue) > 0.2, f"label {number} is grey"
    window.press(window.panel.objects.doubtful)
    pause(1500)
    window.picture("13_doubtful")
    assert "mask" in window.panel.message.text() or table.doubtful is not None


def small_things(window: Window, movie: Movie) -> None:
    """14. A tool is in hand, captions stand at the boxes, the panel stays where it is, each click may be new."""
    begun(window, movie, track=False)
    panel = window.panel
    assert panel.prompts.tools["inside"].isChecked()
    place = panel.propagate.go.mapTo(panel, QPoint(0, 0))
    panel.hint.show_text("A hint that is as long as a hint may be, so long that it surely takes a second line here.")
    panel.show_message("Something was said, and it was so long that it takes two lines and perhaps a little more.")
    pause(200)
    assert panel.propagate.go.mapTo(panel, QPoint(0, 0)) == place
    window.press(panel.prompts.each_new, QPoint(8, 8))
    for y, x in movie.places[3:5]:
        window.click(y, x)
    assert len(window.session.document.objects) == 5


def scripts_get_the_panel(window: Window, movie: Movie) -> None:
    """15. `open_panel` gives the session and the binding."""
    import napari_sam2

    window.open_image(movie.images, axis_labels=("t", "y", "x"))
    panel = napari_sam2.open_panel(window.viewer)
    assert panel.session is window.session
    assert panel.binding is window.binding


ITEMS = (
    cancel_keeps_everything,
    the_session_outlives_its_panel,
    undo_brings_tracked_masks_back,
    a_refused_click_leaves_nothing,
    the_wheel_changes_nothing,
    keys_work_everywhere,
    propagate_does_what_is_left,
    contrast_is_taken_over,
    the_fixed_axis_can_be_changed,
    axes_change_in_place,
    a_session_opens_on_its_image,
    edits_keep_what_they_should,
    doubtful_and_new_come_into_view,
    small_things,
    scripts_get_the_panel,
)
