from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tifffile
import zarr

from napari_sam2.io import LabelSpec, write_labels
from napari_sam2.stacks import open_stack
from sam2_core.errors import StackError

LABELS = np.arange(4 * 6 * 7, dtype=np.uint16).reshape(4, 6, 7) % 50
SPEC = LabelSpec(
    (4, 6, 7), np.dtype(np.uint16), "T", {"T": 30.0, "Y": 0.5, "X": 0.25}, {"T": "s", "Y": "µm", "X": "µm"}
)


@pytest.mark.parametrize("name", ["labels.tif", "labels.ome.tif", "labels.zarr"])
def test_labels_come_back_with_axes_and_pixel_size(tmp_path, name):
    write_labels(tmp_path / name, iter(LABELS), SPEC)
    stack = open_stack(tmp_path / name)
    assert (stack.axes, stack.dtype) == ("TYX", np.uint16)
    assert stack.calibration.scale == SPEC.scale
    assert stack.calibration.units == SPEC.units
    np.testing.assert_array_equal(np.stack(list(stack.movie())), LABELS)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["labels.tif", "labels.zarr"])
def test_images_whose_name_is_no_text_have_labels_too(tmp_path, name):
    movie = replace(open_stack(LABELS, "TYX"), name="l\udcfc.tif").movie()  # a file name of Latin-1, as Python has it
    write_labels(tmp_path / name, iter(LABELS), LabelSpec.like(movie, np.dtype(np.uint16)))
    np.testing.assert_array_equal(np.stack(list(open_stack(tmp_path / name).movie())), LABELS)


@pytest.mark.parametrize("name", ["labels.tif", "labels.zarr"])
def test_depth_stacks_keep_their_axis(tmp_path, name):
    spec = LabelSpec((4, 6, 7), np.dtype(np.uint32), "Z", {"Z": 2.0}, {"Z": "µm"})
    write_labels(tmp_path / name, iter(LABELS), spec)
    stack = open_stack(tmp_path / name)
    assert (stack.axes, stack.dtype) == ("ZYX", np.uint32)
    assert stack.calibration.scale == {"Z": 2.0}


def test_tiff_is_compressed_and_written_page_by_page(tmp_path):
    alive = []

    def frames():
        for index in range(50):
            alive.append(index)
            yield np.full((128, 128), index, np.uint16)

    write_labels(tmp_path / "labels.tif", frames(), LabelSpec((50, 128, 128), np.dtype(np.uint16)))
    assert (tmp_path / "labels.tif").stat().st_size < 50 * 128 * 128 * 2 / 20
    with tifffile.TiffFile(tmp_path / "labels.tif") as tif:
        assert len(tif.pages) == len(alive) == 50


def test_zarr_has_one_chunk_per_frame(tmp_path):
    write_labels(tmp_path / "labels.zarr", iter(LABELS), SPEC)
    group = zarr.open_group(tmp_path / "labels.zarr", mode="r")
    assert group["0"].chunks == (1, 6, 7)
    assert group.attrs["ome"]["version"] == "0.5"


@pytest.mark.parametrize("name", ["labels.tif", "labels.zarr"])
def test_a_failed_write_leaves_the_old_labels_as_they_were(tmp_path, name):
    write_labels(tmp_path / name, iter(LABELS), SPEC)

    def breaking():
        yield LABELS[0]
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_labels(tmp_path / name, breaking(), SPEC)
    np.testing.assert_array_equal(np.stack(list(open_stack(tmp_path / name).movie())), LABELS)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["labels.tif", "labels.zarr"])
def test_existing_labels_are_replaced_whole(tmp_path, name):
    write_labels(tmp_path / name, iter(LABELS), SPEC)
    write_labels(tmp_path / name, iter(LABELS[::-1]), SPEC)
    np.testing.assert_array_equal(open_stack(tmp_path / name).movie()[0], LABELS[3])


def test_other_suffixes_and_missing_folders_are_refused(tmp_path):
    with pytest.raises(StackError, match=r"\.tif or \.zarr"):
        write_labels(tmp_path / "labels.png", iter(LABELS), SPEC)
    with pytest.raises(StackError, match="no folder"):
        write_labels(tmp_path / "new" / "labels.tif", iter(LABELS), SPEC)


def test_spec_follows_the_movie():
    stack = open_stack(np.zeros((4, 5, 6, 7), np.uint8), axes="TZYX")
    spec = LabelSpec.like(stack.movie(track_axis="Z", fixed={"T": 1}), np.dtype(np.uint16))
    assert (spec.shape, spec.track_axis, spec.name) == ((5, 6, 7), "Z", "array labels")
