from __future__ import annotations

import numpy as np
import pytest
import tifffile
import zarr

from napari_sam2.document.document import Document
from napari_sam2.document.prompt import Prompt
from napari_sam2.io import SavedSession, save_session
from napari_sam2.masks.mask_store import StoredMask
from napari_sam2.napari_reader import get_reader, shown_array, write_labels_layer
from napari_sam2.stacks import open_stack
from sam2_core.errors import StackError

MASKS = [((4, frame), StoredMask.of_logits(frame, 3, np.ones((4, 5), np.float32))) for frame in range(3)]


def session(folder, data, axes, settings):
    """A session folder on a TIFF."""
    tifffile.imwrite(
        folder / "movie.ome.tif", data, metadata={"axes": axes, "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"}
    )
    saved = SavedSession(
        Document.of([Prompt(4, 0, ((1.0, 4.0),), (1,))]), MASKS, settings, str(folder / "movie.ome.tif")
    )
    save_session(folder / "movie.sam2", saved)
    return str(folder / "movie.sam2")


def test_other_paths_have_no_reader(tmp_path):
    assert get_reader(str(tmp_path)) is None
    assert get_reader(str(tmp_path / "movie.tif")) is None
    assert get_reader([str(tmp_path)]) is None


def test_a_session_opens_as_image_and_labels_in_one_place(tmp_path, rng):
    data = rng.integers(0, 255, (3, 4, 2, 12, 16), np.uint16)  # TZCYX, tracked along T at Z=2
    path = session(tmp_path, data, "TZCYX", {"fixed": {"Z": 2}, "channels": [1]})
    image, labels = get_reader(path)(path)
    assert (image[2], labels[2]) == ("image", "labels")
    np.testing.assert_array_equal(np.asarray(image[0]), data)
    assert image[1]["channel_axis"] == 2
    assert image[1]["scale"] == [1.0, 1.0, 1.0, 0.5]
    assert labels[0].shape == (3, 1, 12, 16)
    assert labels[1]["translate"] == [0.0, 2.0, 0.0, 0.0]
    assert labels[1]["axis_labels"] == image[1]["axis_labels"] == ["t", "z", "y", "x"]
    assert labels[1]["metadata"]["napari_sam2_session"] == path
    for frame in range(3):
        np.testing.assert_array_equal(labels[0][frame, 0] == 4, MASKS[frame][1].placed((12, 16)))


def test_a_folder_of_images_and_a_colour_movie_are_read_when_they_are_shown(tmp_path, rng):
    frames = rng.integers(0, 255, (3, 12, 16, 3), np.uint8)
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(frames):
        tifffile.imwrite(tmp_path / "frames" / f"{number}.tif", frame, photometric="rgb")
    saved = SavedSession(Document(), MASKS, {}, str(tmp_path / "frames"), "TYXS")
    save_session(tmp_path / "a.sam2", saved)
    image, labels = get_reader(tmp_path / "a.sam2")(str(tmp_path / "a.sam2"))
    assert image[1]["rgb"]
    np.testing.assert_array_equal(np.asarray(image[0]), frames)
    assert labels[0].shape == (3, 12, 16)


def test_what_is_read_goes_into_a_viewer(tmp_path, rng):
    from napari.components import ViewerModel

    data = rng.integers(0, 255, (3, 2, 12, 16), np.uint16)
    viewer = ViewerModel()
    path = session(tmp_path, data, "TCYX", {})
    for layer in get_reader(path)(path):
        viewer._add_layer_from_data(*layer)
    assert [layer.data.shape for layer in viewer.layers] == [(3, 12, 16)] * 3
    assert viewer.layers[-1].units == viewer.layers[0].units
    assert viewer.layers[-1].get_value((2, 3, 4)) == 4


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_a_labels_layer_is_written_with_its_calibration(tmp_path, suffix):
    from napari.layers import Labels

    data = np.zeros((3, 1, 12, 16), np.int32)
    data[1, 0, 3:5, 6:9] = 70000
    layer = Labels(data, scale=(2, 1, 0.5, 0.5), units=("s", "µm", "µm", "µm"), axis_labels=("t", "z", "y", "x"))
    content, attributes, _ = layer.as_layer_data_tuple()
    path = str(tmp_path / f"labels{suffix}")
    assert write_labels_layer(path, content, attributes) == [path]
    back = open_stack(path)
    assert (back.axes, back.dtype) == ("TYX", np.uint32)
    assert back.calibration.scale == {"T": 2.0, "Y": 0.5, "X": 0.5}
    assert back.calibration.units["Y"] == "µm"
    np.testing.assert_array_equal(np.stack(list(back.movie())), data[:, 0])


def test_a_single_plane_is_a_movie_of_one_frame_and_four_axes_are_too_many(tmp_path):
    write_labels_layer(str(tmp_path / "a.tif"), np.eye(4, dtype=np.uint8), {})
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), np.eye(4))
    with pytest.raises(StackError, match=r"shape \(2, 3, 4, 4\)"):
        write_labels_layer(str(tmp_path / "a.tif"), np.zeros((2, 3, 4, 4), np.uint8), {})


def test_any_stack_is_an_image_that_napari_shows(tmp_path, rng):
    from napari.layers import Image

    frames = rng.integers(0, 255, (3, 8, 9), np.uint8)
    tifffile.imwrite(tmp_path / "movie.tif", frames, photometric="minisblack", metadata={"axes": "TYX"})
    for stack in (open_stack(tmp_path / "movie.tif"), open_stack(frames, "TYX")):
        layer = Image(shown_array(stack))
        assert not layer.multiscale
        assert np.array_equal(np.asarray(layer.data[1]), frames[1])


def test_each_series_of_a_file_is_a_layer(tmp_path, rng):
    data, path = rng.integers(0, 4000, (2, 3, 12, 16)).astype(np.uint16), tmp_path / "positions.ome.tif"
    with tifffile.TiffWriter(path) as writer:
        for frames in data:
            writer.write(frames, metadata={"axes": "TYX"}, photometric="minisblack")
    layers = get_reader(str(path))(str(path))
    assert [(about["name"], about["metadata"]["napari_sam2_scene"]) for _, about, _ in layers] == [
        ("positions 0", 0),
        ("positions 1", 1),
    ]
    for (images, _, kind), frames in zip(layers, data, strict=True):
        assert kind == "image"
        np.testing.assert_array_equal(np.asarray(images), frames)
    tifffile.imwrite(tmp_path / "one.tif", data[0], photometric="minisblack")
    path.write_bytes(path.read_bytes()[:400])
    assert get_reader(str(tmp_path / "one.tif")) is get_reader(str(path)) is None


def test_the_fields_of_a_plate_are_layers(tmp_path):
    for field in "01":
        image = zarr.open_group(tmp_path / "plate.zarr/A/1" / field, mode="w")
        image.create_array("0", data=np.full((2, 8, 9), int(field), np.uint8))
        image.attrs["ome"] = {
            "multiscales": [{"axes": [{"name": axis} for axis in "tyx"], "datasets": [{"path": "0"}]}]
        }
    well = zarr.open_group(tmp_path / "plate.zarr/A/1", mode="a")
    well.attrs["ome"] = {"well": {"images": [{"path": "0"}, {"path": "1"}]}}
    zarr.open_group(tmp_path / "plate.zarr", mode="a").attrs["ome"] = {"plate": {"wells": [{"path": "A/1"}]}}
    path = str(tmp_path / "plate.zarr")
    layers = get_reader(path)(path)
    assert [about["metadata"]["napari_sam2_scene"] for _, about, _ in layers] == ["A/1/0", "A/1/1"]
    assert [np.asarray(images).max() for images, _, _ in layers] == [0, 1]
