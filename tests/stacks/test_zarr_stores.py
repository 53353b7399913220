"""Zarr stores: the only image is opened, one of several is chosen, damage and unsafe codecs are errors."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr

from napari_sam2.stacks import open_stack
from sam2_core.errors import StackError

FORMATS = [2, 3]
MOVIE = np.arange(4 * 8 * 10, dtype=np.uint16).reshape(4, 8, 10)
LEVEL = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 0.5, 0.5]}]}
TIMES = {"name": "t", "type": "time"}
IMAGE = {"axes": [TIMES, *({"name": axis, "unit": "micrometer"} for axis in "yx")], "datasets": [LEVEL]}


def group(path: Path, zarr_format: Any, **ome: Any) -> zarr.Group:
    """Write a group with OME-Zarr metadata, of version 0.4 in zarr format 2, of 0.5 in format 3."""
    made = zarr.open_group(path, mode="a", zarr_format=zarr_format)
    made.attrs.update(ome if zarr_format == 2 else {"ome": {"version": "0.5", **ome}})
    return made


def image(path: Path, zarr_format: Any, data: np.ndarray = MOVIE, **changes: Any) -> zarr.Group:
    made = group(path, zarr_format, multiscales=[IMAGE | changes])
    made.create_array("0", data=data, chunks=(1, 8, 10))
    return made


def converted(path: Path, zarr_format: int, count: int) -> None:
    """Write what bioformats2raw writes."""
    group(path, zarr_format, **{"bioformats2raw.layout": 3})
    group(path / "OME", zarr_format)
    for number in range(count):
        image(path / str(number), zarr_format, MOVIE + number)


def plate(path: Path, zarr_format: int, fields: int) -> None:
    group(path, zarr_format, plate={"wells": [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}]})
    group(path / "A", zarr_format)
    group(path / "A/1", zarr_format, well={"images": [{"path": str(field)} for field in range(fields)]})
    for field in range(fields):
        image(path / "A/1" / str(field), zarr_format, MOVIE + field)


@pytest.mark.parametrize("zarr_format", FORMATS)
@pytest.mark.parametrize("write", [converted, plate])
def test_the_only_image_of_a_store_is_opened(tmp_path: Path, write: Any, zarr_format: int) -> None:
    write(tmp_path / "one.zarr", zarr_format, 1)
    stack = open_stack(tmp_path / "one.zarr")
    assert (stack.axes, stack.name, stack.calibration.scale) == ("TYX", "one", {"Y": 0.5, "X": 0.5})
    np.testing.assert_array_equal(stack.movie()[3], MOVIE[3])


@pytest.mark.parametrize("zarr_format", FORMATS)
@pytest.mark.parametrize(
    ("write", "inside", "choices"),
    [(converted, "10", (10, "10")), (plate, "A/1/10", (10, "10", "A/1/10"))],
)
def test_one_of_several_images_is_chosen_or_asked_for(
    tmp_path: Path, write: Any, inside: str, choices: tuple[Any, ...], zarr_format: int
) -> None:
    path = tmp_path / "many.zarr"
    write(path, zarr_format, 12)
    with pytest.raises(StackError, match=rf"holds 12 series.*10: {inside}.*--scene 0"):
        open_stack(path)
    for scene in choices:
        np.testing.assert_array_equal(open_stack(path, scene=scene).movie()[3], MOVIE[3] + 10)
    np.testing.assert_array_equal(open_stack(path / inside).movie()[3], MOVIE[3] + 10)
    with pytest.raises(StackError, match="has no scene 'B/7'"):
        open_stack(path, scene="B/7")


@pytest.mark.parametrize("zarr_format", FORMATS)
def test_labels_beside_an_image_are_no_choice_and_alone_no_image(tmp_path: Path, zarr_format: int) -> None:
    image(tmp_path / "both.zarr", zarr_format)
    for name in ("both.zarr", "labels.zarr"):
        group(tmp_path / name, zarr_format)
        group(tmp_path / name / "labels", zarr_format, labels=["cells"])
        image(tmp_path / name / "labels/cells", zarr_format, MOVIE + 7)
    np.testing.assert_array_equal(open_stack(tmp_path / "both.zarr").movie()[0], MOVIE[0])
    np.testing.assert_array_equal(open_stack(tmp_path / "both.zarr", scene="labels/cells").movie()[0], MOVIE[0] + 7)
    with pytest.raises(StackError, match=r"only labels \(cells\)"):
        open_stack(tmp_path / "labels.zarr")


DAMAGED: dict[str, dict[str, Any]] = {
    "no dataset of that name": {"datasets": [{"path": "nope"}]},
    "no datasets": {"datasets": []},
    "datasets are text": {"datasets": "0"},
    "axes are a number": {"axes": 3},
    "an axis twice": {"axes": ["y", "y", "x"]},
}
ODD: dict[str, dict[str, Any]] = {
    "an axis is a number": {"axes": [{"name": 1}, {"name": "y"}, {"name": "x"}]},
    "the scale is text": {
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": "abc"}]}]
    },
    "the scale holds text": {"coordinateTransformations": [{"type": "scale", "scale": ["a", None, -1]}]},
    "transformations are a number": {"coordinateTransformations": 5},
    "the path is a number": {"datasets": [{"path": 0}]},
}


@pytest.mark.parametrize("zarr_format", FORMATS)
@pytest.mark.parametrize("changes", DAMAGED.values(), ids=DAMAGED)
def test_damaged_metadata_is_an_error(tmp_path: Path, changes: dict[str, Any], zarr_format: int) -> None:
    image(tmp_path / "bad.zarr", zarr_format, **changes)
    with pytest.raises(StackError, match="bad"):
        open_stack(tmp_path / "bad.zarr")


@pytest.mark.parametrize("changes", ODD.values(), ids=ODD)
def test_odd_metadata_is_no_reason_to_refuse_pixels(tmp_path: Path, changes: dict[str, Any]) -> None:
    image(tmp_path / "odd.zarr", 3, **changes)
    stack = open_stack(tmp_path / "odd.zarr")
    np.testing.assert_array_equal(stack.movie()[3], MOVIE[3])


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '{"zarr_format": 3}', '{"node_type": "array"}'])
@pytest.mark.parametrize("name", ["zarr.json", ".zarray", ".zgroup"])
def test_a_damaged_document_is_an_error(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / "bad.zarr"
    path.mkdir()
    (path / name).write_text(text)
    with pytest.raises(StackError, match="bad"):
        open_stack(path)


@pytest.mark.parametrize("damage", [lambda raw: raw[: len(raw) // 2], lambda raw: b"", lambda raw: b"\xff" * len(raw)])
@pytest.mark.parametrize("zarr_format", FORMATS)
def test_a_damaged_chunk_is_an_error_when_it_is_read(tmp_path: Path, zarr_format: int, damage: Any) -> None:
    image(tmp_path / "bad.zarr", zarr_format)
    chunk = tmp_path / "bad.zarr/0" / ("2.0.0" if zarr_format == 2 else "c/2/0/0")
    chunk.write_bytes(damage(chunk.read_bytes()))
    stack = open_stack(tmp_path / "bad.zarr")
    np.testing.assert_array_equal(stack.movie()[3], MOVIE[3])
    with pytest.raises(StackError, match="bad cannot be read"):
        stack.movie()[2]
    with pytest.raises(StackError, match="bad cannot be read"):
        stack.read((2, slice(None), slice(None)))


class Trap:
    """What runs a command where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.mark),)


FILTERS: dict[str, dict[str, Any]] = {
    "filter": {"filters": [{"id": "pickle"}]},
    "compressor": {"compressor": {"id": "pickle"}},
    "objects": {"dtype": "|O", "filters": [{"id": "pickle"}]},
    "unknown": {"filters": [{"id": "from_a_plugin"}]},
}


@pytest.mark.parametrize("changes", FILTERS.values(), ids=FILTERS)
def test_a_codec_that_could_run_code_is_refused_before_zarr_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    path, mark = tmp_path / "trap.zarr", tmp_path / "trapped"
    about: dict[str, Any] = {"zarr_format": 2, "shape": [1, 8, 8], "chunks": [1, 8, 8], "dtype": "<u2", "order": "C"}
    path.mkdir()
    (path / ".zarray").write_text(json.dumps(about | {"compressor": None, "filters": None, "fill_value": 0} | changes))
    (path / "0.0.0").write_bytes(pickle.dumps(Trap(mark)))
    monkeypatch.setattr(zarr.Array, "__getitem__", lambda *_: pytest.fail("zarr was asked"))
    with pytest.raises(StackError, match=r"wants the codec '(pickle|from_a_plugin)'"):
        open_stack(path, axes="TYX").movie()[0]
    assert not mark.exists()


def test_a_codec_of_format_3_is_looked_at_inside_shards_too(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "shards.zarr", data=MOVIE, chunks=(1, 4, 5), shards=(1, 8, 10))
    document = tmp_path / "shards.zarr/zarr.json"
    np.testing.assert_array_equal(open_stack(tmp_path / "shards.zarr").movie()[3], MOVIE[3])
    document.write_text(document.read_text().replace('"zstd"', '"numcodecs.pickle"'))
    with pytest.raises(StackError, match=r"wants the codec 'numcodecs.pickle'"):
        open_stack(tmp_path / "shards.zarr")


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
@pytest.mark.parametrize("consolidated", [False, True])
@pytest.mark.parametrize(("zarr_format", "shards"), [(2, None), (3, None), (3, (4, 8, 10))])
def test_a_chunk_that_lacks_bytes_is_not_handed_to_blosc(
    tmp_path: Path, zarr_format: Any, shards: Any, consolidated: bool
) -> None:
    """Its decoder believes the length that the chunk says, and reads what is not its own."""
    store, big = tmp_path / "a.zarr", np.random.default_rng(0).integers(0, 60000, (4, 8, 10)).astype(np.uint16)
    root = zarr.open_group(store, mode="w", zarr_format=zarr_format)
    codec = numcodecs.Blosc("lz4") if zarr_format == 2 else zarr.codecs.BloscCodec(cname="lz4")
    made = root.create_array("0", shape=big.shape, chunks=(1, 8, 10), shards=shards, dtype=big.dtype, compressors=codec)
    made[:] = big
    if consolidated:
        zarr.consolidate_metadata(store, zarr_format=zarr_format)
    assert np.array_equal(np.asarray(open_stack(store, "TYX").read((slice(None),) * 3)), big)
    chunk = next(path for path in sorted((store / "0").rglob("*")) if path.is_file() and path.read_bytes()[0] == 2)
    held = bytearray(chunk.read_bytes())
    held[12:16] = (int.from_bytes(held[12:16], "little") + 500).to_bytes(4, "little")
    chunk.write_bytes(held)
    with pytest.raises(StackError, match="bytes, and should have"):
        open_stack(store, "TYX").read((0, slice(None), slice(None)))
