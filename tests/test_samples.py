"""The sample stacks: what happens in them, where to click, what is written, and what they do not import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam2 import samples
from sam2_core.training.synthetic import SyntheticMovie


@pytest.fixture(scope="module")
def movie() -> SyntheticMovie:
    """The default sample."""
    return samples.sample_movie()


@pytest.mark.parametrize("style", ["fluorescence", "phase", "dic"])
def test_the_sample_has_a_division_and_a_leaving_cell(style: str) -> None:
    movie = samples.sample_movie(style)
    assert movie.images.shape == movie.labels.shape == (30, 256, 256)
    assert 8 <= len(np.unique(movie.labels[0])) - 1 <= 12
    parents = [row.parent for row in movie.lineage if row.parent]
    assert any(parents.count(parent) == 2 for parent in parents)
    assert any(row.last_frame < 27 and row.object_id not in parents for row in movie.lineage)


def test_the_sample_is_the_same_every_time(movie: SyntheticMovie) -> None:
    np.testing.assert_array_equal(movie.images, samples.sample_movie().images)


def test_clicks_lie_inside_their_objects(movie: SyntheticMovie) -> None:
    clicks = samples.first_clicks(movie)
    assert [click.object_id for click in clicks] == list(np.unique(movie.labels[0])[1:])
    for object_id, frame, y, x in clicks:
        assert frame == 0
        assert movie.labels[0, y, x] == object_id


def test_new_objects_are_clicked_on_the_frame_where_they_appear(movie: SyntheticMovie) -> None:
    clicks = samples.first_clicks(movie, new_objects=True)
    assert len(clicks) == len(movie.lineage)
    assert all(movie.labels[click.frame, click.y, click.x] == click.object_id for click in clicks)
    assert any(click.frame > 0 for click in clicks)


def test_written_sample_reads_back_with_axes_and_pixel_size(tmp_path: Path, movie: SyntheticMovie) -> None:
    paths = samples.write_sample(tmp_path / "new" / "folder", movie)
    assert [path.name for path in paths] == ["images.tif", "labels.tif"]
    for path, expected in zip(paths, (movie.images, movie.labels), strict=True):
        with tifffile.TiffFile(path) as tiff:
            series = tiff.series[0]
            assert series.axes == "TYX"
            np.testing.assert_array_equal(series.asarray(), expected)
            numerator, denominator = tiff.pages[0].tags["XResolution"].value
            assert denominator / numerator == pytest.approx(0.5)
            assert tiff.imagej_metadata["unit"] == "um"


def test_layer_data_is_an_image_and_hidden_labels() -> None:
    (images, image_options, image_kind), (labels, label_options, label_kind) = samples.cells_movie()
    assert (image_kind, label_kind) == ("image", "labels")
    assert images.shape == labels.shape
    assert image_options["axis_labels"] == ("t", "y", "x")
    assert image_options["scale"] == label_options["scale"] == (1.0, 0.5, 0.5)
    assert label_options["visible"] is False
    low, high = image_options["contrast_limits"]
    assert images.min() <= low < high <= images.max()


def test_unknown_style_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown style 'xray'; choose one of fluorescence, phase, dic"):
        samples.sample_movie("xray")  # type: ignore[arg-type]


def test_samples_import_neither_torch_nor_napari_nor_qt() -> None:
    code = (
        "import sys; from napari_sam2 import samples; samples.first_clicks(samples.sample_movie());"
        "print(sorted({'torch', 'napari', 'qtpy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
