"""Raw data is never overwritten, whatever the path of what is written looks like."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
import pytest
import tifffile
import zarr

from napari_sam2.cli import main
from napari_sam2.document.document import Document
from napari_sam2.io.exports import export
from napari_sam2.io.label_files import check_label_path
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.io.results import Results
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.session import Session
from napari_sam2.stacks import open_stack
from sam2_core.errors import StackError


@dataclass
class Place:
    """A folder with a movie, a series, a store, and ways that lead to them."""

    def __init__(self, folder):
        self.folder = folder
        images = np.zeros((3, 8, 9), np.uint8)
        tifffile.imwrite(folder / "movie.tif", images, photometric="minisblack", metadata={"axes": "TYX"})
        (folder / "series").mkdir()
        for number, image in enumerate(images):
            tifffile.imwrite(folder / "series" / f"t{number}.tif", image)
        zarr.save_array(str(folder / "store.zarr"), images)
        (folder / "link.tif").symlink_to("movie.tif")
        os.link(folder / "movie.tif", folder / "hard.tif")
        (folder / "elsewhere").mkdir()
        (folder / "elsewhere" / "way").symlink_to(folder)
        (folder / "store_link.zarr").symlink_to("store.zarr")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


@pytest.mark.parametrize(
    ("raw", "out"),
    [
        ("movie.tif", "movie.tif"),
        ("movie.tif", "./series/../movie.tif"),
        ("movie.tif", "link.tif"),
        ("movie.tif", "hard.tif"),
        ("movie.tif", "elsewhere/way/movie.tif"),
        ("link.tif", "movie.tif"),
        ("elsewhere/way/movie.tif", "movie.tif/"),
        ("series", "series"),
        ("series", "series/t1.tif"),
        ("series", "series/new.tif"),
        ("series", "elsewhere/way/series/labels.zarr"),
        ("series/t1.tif", "series"),
        ("store.zarr", "store.zarr"),
        ("store.zarr", "store_link.zarr"),
        ("store.zarr", "store.zarr/labels.zarr"),
        ("store.zarr", "elsewhere/way/store.zarr/deep/er/labels.tif"),
        ("store_link.zarr", "store.zarr"),
    ],
)
def test_what_was_read_is_not_written_to(place, raw, out):
    for source in (raw, str(place.folder / raw), open_stack(raw)):
        with pytest.raises(StackError, match=r"which was read.*hoose another"):
            check_not_raw(out, source, is_replaced=True)


def test_what_lies_beside_it_is_free(place):
    for out in ("labels.tif", "series.csv", "movie.tif.partial", "series/work.sam2", "01_RES", "elsewhere/movie.tif"):
        check_not_raw(out, "movie.tif", "series", "store.zarr", None, is_replaced=True)
    check_not_raw(".", "movie.tif")


def test_all_files_of_an_ome_set_are_raw(tmp_path):
    names = ("a.ome.tif", "b.ome.tif")
    planes = "".join(
        f'<TiffData FirstT="{t}" PlaneCount="1"><UUID FileName="{name}">urn:uuid:0-{t}</UUID></TiffData>'
        for t, name in enumerate(names)
    )
    for name in names:
        about = (
            '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
            '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="9" SizeY="8" SizeZ="1" SizeC="1" '
            f'SizeT="2"><Channel ID="Channel:0:0"/>{planes}</Pixels></Image></OME>'
        )
        tifffile.imwrite(tmp_path / name, np.zeros((8, 9), np.uint8), description=about, metadata=None)
    with pytest.raises(StackError, match=r"b\.ome\.tif.*which was read"):
        check_not_raw(tmp_path / "b.ome.tif", tmp_path / "a.ome.tif")


def test_a_folder_that_is_no_label_stack_is_not_replaced(tmp_path):
    for name in ("results.tif", "results.zarr"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.txt").touch()
        with pytest.raises(StackError, match="is a folder and no label stack"):
            check_label_path(tmp_path / name)


@pytest.mark.parametrize(("kind", "name"), [("labels", "movie.tif"), ("csv", "hard.tif"), ("ctc", "movie.tif")])
def test_no_export_goes_where_the_images_are(place, kind, name):
    movie = open_stack("movie.tif").movie("T")
    results = Results(Document(), MaskStore((8, 9), 3), movie)
    before = (place.folder / "movie.tif").read_bytes()
    with pytest.raises(StackError, match="never overwritten"):
        export(results, {"csv": place.folder / "ok.csv", kind: place.folder / name})
    assert (place.folder / "movie.tif").read_bytes() == before
    assert not (place.folder / "ok.csv").exists(), "nothing is written where something cannot be"
    moved = replace(results, movie=replace(movie.stack, path=None).movie("T"))
    export(moved, {"csv": place.folder / "ok.csv"})
    assert (place.folder / "ok.csv").exists()


@pytest.mark.parametrize("name", ["session.json", "masks-000001.log", "cells.csv"])
def test_nothing_is_written_into_a_session(tmp_path, name):
    """Whoever says that files may be replaced does not mean the session that they are made of."""
    with Session.open(np.zeros((2, 8, 9), np.uint8), axes="TYX") as session:
        session.edit_mask(1, 0, np.ones((8, 9), bool))
        session.save(tmp_path / "a.sam2")
    before = {path: path.read_bytes() for path in (tmp_path / "a.sam2").iterdir() if path.is_file()}
    for option in ("--csv", "--track-table", "--prompts"):
        arguments = ["export", str(tmp_path / "a.sam2"), option, str(tmp_path / "a.sam2" / name), "--overwrite"]
        assert main(arguments) == 1
    assert {path: path.read_bytes() for path in (tmp_path / "a.sam2").iterdir() if path.is_file()} == before
