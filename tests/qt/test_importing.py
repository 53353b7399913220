"""Import in the panel: tracks of files and of other layers come into the session, and places get their masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QFileDialog, QMenu

from napari_sam2.document.track_events import Division
from napari_sam2.masks.mask_store import MaskStatus

ROWS = [(1, 0, 20, 20), (1, 1, 20, 21), (2, 2, 12, 22), (2, 4, 12, 24), (3, 2, 30, 22)]


def offered(desk: Any) -> dict[str, Any]:
    """Return what the menu of Import offers when it opens."""
    menu: QMenu = desk.panel.saving.bring.menu()
    menu.aboutToShow.emit()
    return {action.text(): action for action in menu.actions() if action.text()}


def bring(desk: Any, told: list[str], name: str) -> str:
    """Choose one of what is offered, and return what is said when it has come in, or has not."""
    before = len(told)
    offered(desk)[name].trigger()
    desk.until(lambda: any(not one.startswith("Reading") for one in told[before:]))
    desk.idle()
    return next(one for one in told[before:] if not one.startswith("Reading"))


def test_a_tracks_layer_becomes_clicks_and_their_masks(desk: Any, told: list[str]) -> None:
    desk.open_movie()
    layer = desk.viewer.add_tracks(np.array(ROWS, float), graph={2: [1], 3: [1]}, name="btrack")
    said = bring(desk, told, "Layer: btrack")
    assert said.startswith("3 objects and 1 division of btrack came in. Places get their masks now")
    assert {one: sorted(desk.session.masks.frames(one)) for one in (1, 2, 3)} == {1: [0, 1], 2: [2, 3, 4], 3: [2]}
    assert desk.session.document.divisions == (Division(1, 2, (2, 3)),)
    assert layer in desk.viewer.layers
    desk.press(desk.panel.prompts.undo)
    assert not desk.session.document.objects


def test_tracks_that_lie_elsewhere_in_the_world_are_moved(desk: Any, told: list[str]) -> None:
    desk.open_movie(scale=(1, 0.5, 0.5), translate=(0, 3, 4))
    shown = np.array(ROWS, float) * (1, 1, 0.5, 0.5) + (0, 0, 3, 4)
    desk.viewer.add_tracks(shown, name="in micrometers")
    bring(desk, told, "Layer: in micrometers")
    places = {key: prompt.points_yx for key, prompt in desk.session.document.prompts.items()}
    assert places == {(one, frame): ((y, x),) for one, frame, y, x in ROWS}


def test_labels_keep_their_values_and_are_not_computed_again(desk: Any, told: list[str]) -> None:
    desk.open_movie()
    labels = np.zeros((8, 40, 60), np.uint16)
    labels[:3, 5:9, 5:9] = 7
    desk.viewer.add_labels(labels, name="truth")
    assert bring(desk, told, "Layer: truth").startswith("1 object and 0 divisions of truth came in.")
    np.testing.assert_array_equal(np.stack([desk.session.labels(frame) for frame in range(8)]), labels)
    assert {mask.status for _, mask in desk.session.masks.items()} == {MaskStatus.imported}
    assert "Layer: truth" in offered(desk)
    assert not any(text.startswith("Layer: movie") for text in offered(desk))  # ours are not offered


@pytest.mark.parametrize(
    ("shape", "placed"),
    [
        ((8, 20, 30), {"scale": (1, 2, 2)}),
        ((8, 30, 50), {"translate": (0, 10, 10)}),
        ((8, 40, 60), {"rotate": 20}),
        ((8, 40, 60), {"translate": (0, 1, 0)}),
        ((40, 60), {}),
        ((12, 40, 60), {}),
        ((8, 50, 70), {}),
    ],
)
def test_labels_that_lie_otherwise_than_the_image_are_refused(
    desk: Any, told: list[str], shape: tuple[int, ...], placed: dict[str, Any]
) -> None:
    desk.open_movie()
    labels = np.zeros(shape, np.uint8)
    labels[..., 4:9, 4:9] = 1
    desk.viewer.add_labels(labels, name="other", **placed)
    assert bring(desk, told, "Layer: other").startswith(("!other (TYX: ", "!other has 2 dimensions"))
    assert not desk.session.document.objects


def test_tracks_over_a_stack_with_channels_are_moved_too(desk: Any, told: list[str]) -> None:
    desk.viewer.add_image(np.zeros((8, 2, 40, 60), np.uint8), name="two channels", scale=(1, 1, 0.5, 0.5))
    desk.until(lambda: desk.session is not None)
    assert desk.binding.grid.axes == "TCYX"
    rows = np.array(ROWS, float) * (1, 1, 0.5, 0.5)
    desk.viewer.add_tracks(rows, name="in micrometers")
    bring(desk, told, "Layer: in micrometers")
    places = {key: prompt.points_yx for key, prompt in desk.session.document.prompts.items()}
    assert places == {(one, frame): ((y, x),) for one, frame, y, x in ROWS}


def test_daughters_that_share_a_value_are_split_when_that_is_asked_for(desk: Any, told: list[str]) -> None:
    desk.open_movie()
    labels = np.zeros((8, 40, 60), np.uint8)
    labels[:3, 10:20, 10:20] = 1
    labels[3:, 10:20, 4:12] = 1
    labels[3:, 10:20, 20:28] = 1
    desk.viewer.add_labels(labels, name="TrackMate")
    assert "in napari Split shared values" in bring(desk, told, "Layer: TrackMate")
    desk.press(desk.panel.prompts.undo)
    offered(desk)["Split shared values"].trigger()
    assert offered(desk)["Split shared values"].isChecked()
    assert bring(desk, told, "Layer: TrackMate").startswith("3 objects and 1 division of TrackMate came in.")


def test_a_file_and_a_folder(desk: Any, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.open_movie()
    (tmp_path / "t.csv").write_text("\n".join(["track_id,frame,y,x", *(",".join(map(str, row)) for row in ROWS)]))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "t.csv"), ""))
    assert bring(desk, told, "File: TrackMate .xml, table .csv, labels …").startswith(
        "3 objects and 0 divisions of t.csv"
    )
    (tmp_path / "RES").mkdir()
    for frame in range(8):
        tifffile.imwrite(tmp_path / "RES" / f"mask{frame:03d}.tif", np.full((40, 60), frame == 2, np.uint16))
    (tmp_path / "RES" / "res_track.txt").write_text("1 2 2 0\n")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "RES"))
    assert bring(desk, told, "Folder: Cell Tracking Challenge, GEFF …").startswith("1 object and 0 divisions of RES")
    assert sorted(desk.session.document.objects) == [1, 2, 3, 4]


def test_what_is_no_tracks_is_an_error_and_changes_nothing(desk: Any, told: list[str], tmp_path: Path) -> None:
    desk.open_movie()
    (tmp_path / "t.csv").write_text("track_id,frame,y,x\n1,0,400,3\n")
    desk.panel.importing.bring(tmp_path / "t.csv")
    desk.until(lambda: len(told) > 1)
    assert told[-1].startswith("!t.csv: object 1, frame 0:")
    assert not desk.session.document.objects
    desk.viewer.add_tracks(np.array([(1, 0, 3, 4, 5), (1, 1, 3, 4, 5)], float), name="deep")
    offered(desk)["Layer: deep"].trigger()
    assert told[-1].startswith("!deep has 4 dimensions and cannot be taken over")
