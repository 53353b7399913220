"""Tracks and who divides, from the panel: the button of the Tracks layer, the key with rows of the table chosen."""

from __future__ import annotations

from typing import Any

from napari.layers import Tracks
from qtpy.QtCore import QItemSelectionModel

from napari_sam2.document.track_events import Division
from napari_sam2.viewer import KEYS


def tracks_in(desk: Any) -> list[Tracks]:
    return [layer for layer in desk.viewer.layers if isinstance(layer, Tracks)]


def test_the_button_shows_tracks_beside_the_work_and_takes_them_away(desk: Any) -> None:
    desk.open_movie()
    button = desk.panel.objects.tracks
    assert not button.isEnabled()
    desk.click(1, 20, 20)
    active = desk.viewer.layers.selection.active
    desk.press(button)
    desk.until(lambda: len(tracks_in(desk)) == 1)
    assert desk.viewer.layers.selection.active is active
    (layer,) = tracks_in(desk)
    desk.click(2, 30, 50)
    desk.until(lambda: set(layer.data[:, 0]) == {1, 2})
    desk.press(button)
    assert not tracks_in(desk)


def test_chosen_rows_divide_by_the_key(desk: Any) -> None:
    desk.open_movie()
    for object_id, x, frame in ((1, 20, 0), (2, 12, 1), (3, 50, 1)):
        desk.click(object_id, 20, x, frame)
    desk.binding.show_frame(1)
    table, flag = desk.panel.objects.table, QItemSelectionModel.SelectionFlag
    for row in (2, 1, 0):
        desk.panel.objects.table.selectionModel().select(table.model().index(row, 0), flag.Select | flag.Rows)
    assert table.selected_ids() == (1, 2, 3)
    next(key for key in KEYS if key.action == "divide_here").do(desk.binding.actions)
    assert desk.session.document.divisions == (Division(1, 1, (2, 3)),)
    assert "Object 1 divides into 2 and 3 on frame 1" in desk.panel.message.text()
