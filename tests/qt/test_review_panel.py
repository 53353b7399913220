"""The Review panel in a real viewer: list, film strip, keys and buttons, and what is left when it is closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from linked_squares import FRAMES, SIZE, square, take
from napari.settings import get_settings
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_sam2._qt.review_panel import ReviewPanel
from napari_sam2._qt.window_keys import WindowKeys
from napari_sam2.document.reviews import At


class Review:
    """A desk with tracks in doubt, and the panel opened on it."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        desk.viewer.add_image(np.zeros((FRAMES, *SIZE), np.uint8), name="movie", contrast_limits=(0, 200))
        desk.until(lambda: desk.session is not None)
        masks = {
            (one, frame): square(1, frame) for one, frames in ((1, range(4)), (2, range(4, 8))) for frame in frames
        }
        masks |= {(3, frame): square(3, frame) for frame in range(8)}
        masks |= {(4, frame): square(5, frame, shift=25 if frame >= 5 else 0) for frame in range(8)}
        take(desk.session, masks)
        desk.panel.state.refresh()
        desk.press(desk.panel.objects.review)
        (self.panel,) = self.window.findChildren(ReviewPanel)
        self.parts = self.panel.parts
        desk.until(lambda: self.going.item is not None)

    @property
    def window(self) -> Any:
        """Not kept: it would outlive its viewer."""
        return self.desk.viewer.window._qt_window

    @property
    def going(self) -> Any:
        return self.desk.binding.reviewing

    def key(self, key: Qt.Key, modifiers: Any = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(QApplication.focusWidget() or self.window, key, modifiers)

    def looked(self) -> None:
        """Wait for the look that follows an edit."""
        QApplication.processEvents()
        self.desk.until(lambda: not self.panel.work._rest.isActive() and not self.going.is_looking)

    def dock(self) -> Any:
        return self.panel.parentWidget()


@pytest.fixture
def review(desk: Any) -> Review:
    desk.viewer.window.show()
    desk.viewer.window._qt_window.activateWindow()
    desk.until(lambda: QApplication.activeWindow() is not None)  # or no key would reach it
    return Review(desk)


def test_the_worst_place_comes_by_itself_with_its_pictures_and_alternatives(review: Review) -> None:
    parts, item = review.parts, review.going.item
    assert parts.queue.model.rowCount() == 3
    assert item == review.going.listed[0]
    assert parts.queue.list.selectionModel().selectedRows()[0].row() == 0
    assert f"Cell {item.place.object_id}, frame {item.place.frame}" in parts.place.words.text()
    review.desk.until(lambda: len(parts.place.film.stills) == 7)
    assert [still.frame for still in parts.place.film.stills] == [item.place.frame + by for by in range(-3, 4)]
    assert parts.buttons.fixes[0].text().endswith(review.going.fixes[0].text)
    assert review.desk.binding.frame == item.place.frame


def test_words_and_buttons_have_the_size_of_letters_that_napari_is_set_to(review: Review) -> None:
    place = review.parts.place
    buttons = (review.parts.buttons.right, review.parts.buttons.fixes[0], review.desk.panel.propagate.go)
    before = place.words.font().pointSizeF()
    get_settings().appearance.font_size = 14
    review.desk.until(lambda: place.words.font().pointSizeF() >= 14 > before)
    assert [button.font().pointSizeF() for button in buttons] == [place.words.font().pointSizeF()] * 3
    review.desk.until(lambda: place.words.height() >= 2 * place.words.fontMetrics().lineSpacing())


def test_keys_accept_dismiss_correct_and_go_back(review: Review) -> None:
    first = review.going.item
    review.key(Qt.Key.Key_Y)
    assert review.going.places.progress.accepted == 1
    assert review.going.item != first
    review.key(Qt.Key.Key_T)
    assert review.going.item.place == first.place
    end = next(one for one in review.going.listed if one.place.at is At.end)
    review.going.show(end)
    review.looked()
    review.key(Qt.Key.Key_1)
    assert 2 not in review.desk.session.document.objects
    review.looked()
    assert review.parts.queue.progress.value() == 3
    review.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert 2 in review.desk.session.document.objects
    review.looked()
    assert review.going.places.progress.open == 2


def test_the_cell_that_is_looked_for_blinks(review: Review) -> None:
    layer = review.desk.binding.marked.layer

    def area() -> int:
        return int(np.count_nonzero(layer.data[review.desk.binding.frame]))

    outline = area()
    review.key(Qt.Key.Key_Z)
    assert area() > outline
    review.desk.until(lambda: area() == outline)
    review.desk.until(lambda: area() > outline)
    review.desk.until(lambda: not review.panel.work._blinker._timer.isActive())
    assert area() == outline


def test_keys_are_the_review_s_while_it_is_seen_and_no_longer(review: Review) -> None:
    (usual,) = [keys for keys in (review.desk.panel.verbs._keys,) if isinstance(keys, WindowKeys)]
    before = review.desk.binding.current.object_id
    review.key(Qt.Key.Key_N)
    assert review.desk.binding.current.object_id != before, "N is of both, and dead"
    assert any("under review" in layer.name for layer in review.desk.viewer.layers)
    review.dock().close()
    assert not any("under review" in layer.name for layer in review.desk.viewer.layers)
    decided = review.going.places.progress.done
    review.key(Qt.Key.Key_Y)
    assert review.going.places.progress.done == decided
    assert all(shortcut.isEnabled() for shortcut in usual._shortcuts.values())


def test_rows_headers_and_pictures_are_clicked(review: Review) -> None:
    table, film = review.parts.queue.list, review.parts.place.film
    other = review.going.listed[2]
    rect = table.visualRect(review.parts.queue.model.index(2, 0))
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())
    assert review.going.item.place == other.place
    table.horizontalHeader().sectionClicked.emit(2)
    frames = [one.place.frame for one in review.going.listed]
    assert frames == sorted(frames)
    review.desk.until(lambda: len(film.stills) == 7 and film.stills[3].frame == other.place.frame)
    QTest.mouseClick(film, Qt.MouseButton.LeftButton, pos=film.rect_of(2).center())
    assert review.desk.binding.frame == other.place.frame - 1
    kinds = review.parts.queue.kinds
    kinds.setCurrentIndex(kinds.findData("ends inside"))
    assert [one.place.at for one in review.going.listed] == [At.end]


def test_a_sample_is_drawn_judged_by_keys_and_told_in_a_sentence(review: Review) -> None:
    parts = review.parts
    parts.tabs.setCurrentIndex(1)
    assert "No sample is drawn" in parts.place.words.text()
    parts.rate.count.setValue(2)
    review.desk.press(parts.rate.draw)
    assert "Place 1 of 2" in parts.place.words.text()
    review.key(Qt.Key.Key_Y)
    review.key(Qt.Key.Key_N)
    assert parts.judging.sentence.text().startswith("Of 2 links drawn at random from")
    review.desk.press(parts.judging.copy)
    assert QApplication.clipboard().text() == parts.judging.sentence.text()
    parts.tabs.setCurrentIndex(0)
    review.key(Qt.Key.Key_Y)
    assert review.going.places.progress.accepted == 1


def test_a_sample_is_judged_on_once_the_panel_is_seen_again(review: Review) -> None:
    review.parts.tabs.setCurrentIndex(1)
    review.parts.rate.count.setValue(2)
    review.desk.press(review.parts.rate.draw)
    review.dock().hide()
    review.dock().show()
    review.desk.until(lambda: review.desk.binding.actions.sampling.place is not None)
    review.key(Qt.Key.Key_Y)
    assert review.desk.binding.actions.sampling.rate.looked_at == 1
    assert review.going.places.progress.accepted == 0


def test_a_closed_panel_leaves_the_session_and_another_shows_it_again(review: Review) -> None:
    review.key(Qt.Key.Key_Y)
    review.desk.viewer.window.remove_dock_widget(review.dock())
    review.desk.press(review.desk.panel.objects.review)
    panels = [one for one in review.window.findChildren(ReviewPanel) if not one._closed]
    assert len(panels) == 1
    review.desk.until(lambda: panels[0].parts.queue.progress.value() == 1)


def test_parts_stand_side_by_side_below_and_one_below_the_other_beside(review: Review) -> None:
    place, list_ = review.parts.place, review.parts.queue

    def below(widget: Any) -> bool:
        return widget.mapTo(review.panel, QPoint(0, 0)).y() > list_.mapTo(review.panel, QPoint(0, 0)).y() + 100

    assert not below(place)
    review.window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, review.dock())
    review.dock().setFloating(True)
    review.dock().resize(340, 700)
    review.desk.until(lambda: below(place))
    assert review.parts.place.film.rect_of(4).y() > 0, "in two rows"


def test_without_a_session_it_says_what_to_do(
    make_napari_viewer: Callable[..., Any], npe2pm: Any, plugin_settings: Any
) -> None:
    from npe2 import PluginManifest

    npe2pm.register(PluginManifest.from_distribution("napari-sam2"))
    viewer = make_napari_viewer()
    _, panel = viewer.window.add_plugin_dock_widget("napari-sam2", "Review")
    panel.work.begin()
    assert "Open an image in" in panel.parts.place.words.text()
    panel.close_work()
