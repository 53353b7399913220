"""Labels in pictures of all kinds, as other programs write them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from napari_sam2.stacks import open_labels, open_stack
from sam2_core.errors import StackError

LABELS = np.zeros((6, 8), np.uint8)
LABELS[1:3, 1:4], LABELS[4:, 5:] = 1, 2
COLOURS = [0, 0, 0, 128, 0, 0, 0, 128, 0]


def indexed(labels: np.ndarray) -> Image.Image:
    """As DAVIS and the official `vos_inference.py` write masks: the index is the object, the palette for people."""
    picture = Image.fromarray(labels.astype(np.uint8), "L").convert("P")
    picture.putdata(labels.ravel().tolist())
    picture.putpalette(COLOURS)
    return picture


def with_alpha(labels: np.ndarray) -> Image.Image:
    return Image.merge("LA", [Image.fromarray(labels), Image.fromarray(np.full_like(labels, 255))])


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (indexed(LABELS), LABELS),
        (indexed(np.minimum(LABELS, 1)), LABELS > 0),
        (Image.fromarray(LABELS > 0), LABELS > 0),
        (Image.fromarray(LABELS.astype(np.uint16) * 300), LABELS.astype(int) * 300),
        (with_alpha(LABELS), LABELS),
    ],
    ids=["indexed", "indexed, one object", "1 bit", "16 bit", "with alpha"],
)
def test_labels_are_read_from_pictures_as_they_were_numbered(tmp_path, written, expected):
    for name in ("00000.png", "00001.png"):
        written.save(tmp_path / name)
    np.testing.assert_array_equal(open_labels(tmp_path / "00000.png")[0], expected)
    movie = open_labels(tmp_path)
    assert movie.shape == (2, *LABELS.shape)
    np.testing.assert_array_equal(movie[1], expected)


def test_an_indexed_bitmap_is_read_too(tmp_path):
    indexed(LABELS).save(tmp_path / "labels.bmp")
    np.testing.assert_array_equal(open_labels(tmp_path / "labels.bmp")[0], LABELS)


def test_the_colours_of_a_palette_are_seen_where_images_are_read(tmp_path):
    indexed(LABELS).save(tmp_path / "image.png")
    assert open_stack(tmp_path / "image.png").shape == (6, 8, 3)


def test_colours_are_no_labels(tmp_path):
    indexed(LABELS).convert("RGB").save(tmp_path / "colours.png")
    with pytest.raises(StackError, match=r"3 values per pixel.*save them as gray or indexed pictures"):
        open_labels(tmp_path / "colours.png")


def test_the_own_file_of_cellpose_is_told_from_a_damaged_one(tmp_path):
    for name in ("a_seg.npy", "a.npy"):
        np.save(tmp_path / name, {"masks": LABELS}, allow_pickle=True)
    with pytest.raises(StackError, match=r"a_seg\.npy is Cellpose's own file.*save the masks as TIFF or PNG"):
        open_labels(tmp_path / "a_seg.npy")
    with pytest.raises(StackError, match="may be damaged"):
        open_labels(tmp_path / "a.npy")
    np.save(tmp_path / "b_seg.npy", LABELS)
    np.testing.assert_array_equal(open_labels(tmp_path / "b_seg.npy", "YX")[0], LABELS)


def test_labels_along_time_and_depth_are_cut_as_the_images_are():
    labels = np.arange(2 * 3 * 4 * 5, dtype=np.uint16).reshape(2, 3, 4, 5)
    at_depth = open_labels(labels, "TZYX", "T", {"Z": 2, "C": 1})
    np.testing.assert_array_equal(np.stack(list(at_depth)), labels[:, 2])
    at_time = open_labels(labels, "TZYX", "Z", {"T": 1})
    np.testing.assert_array_equal(np.stack(list(at_time)), labels[1])
    one_plane = open_labels(labels[:, 2], "TYX", "T", {"Z": 2})
    np.testing.assert_array_equal(np.stack(list(one_plane)), labels[:, 2])
