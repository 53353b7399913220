"""Pictures of lineages for the documentation: the objects table as a tree, colours, and the plot of measurements.

Run it under a screen, for example ``xvfb-run -s "-screen 0 1440x1000x24" python scripts/make_lineage_pictures.py``. The
movie is synthetic, and its true labels are imported as tracks: no model runs. It writes lineage, colours
and plot to docs/images.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from tempfile import TemporaryDirectory

import tifffile
from make_screenshots import Film
from qtpy.QtCore import QItemSelectionModel

from napari_sam2._qt.objects_cells import RowSize
from sam2_core.training.synthetic.movie import make_movie
from sam2_core.training.synthetic.movie_settings import MovieSettings

FRAMES = 80
SETTINGS = MovieSettings(
    frames=FRAMES, height=384, width=384, cells=16, diameter_px=26.0, divide_probability=0.95, leave_probability=0.05
)


def import_colony(film: Film, folder: Path) -> None:
    """Show a dividing colony with its true tracks."""
    movie = make_movie(SETTINGS, seed=5)
    labels, parents = folder / "labels.tif", folder / "parents.csv"
    tifffile.imwrite(labels, movie.labels, imagej=True, metadata={"axes": "TYX"})
    with parents.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("object_id", "parent"), *((row.object_id, row.parent or 0) for row in movie.lineage)])
    film.viewer.add_image(movie.images, name="colony", axis_labels=("t", "y", "x"), contrast_limits=(0, 40000))
    film.settle(lambda: film.panel.bench.session is not None)
    film.panel.bench.session.import_tracks(labels, parents)
    film.viewer.dims.set_point(0, FRAMES // 2)
    for section in (film.panel.model_section, film.panel.image, film.panel.prompts, film.panel.finding):
        section.collapse()
    film.settle()


def make_lineage(folder: Path) -> None:
    """Make the pictures."""
    film = Film(folder)
    film.settle()
    with TemporaryDirectory() as there:
        import_colony(film, Path(there))
        film.picture("lineage")
        film.panel.docks.show_tree().table.show_rows(RowSize.glance)
        film.panel.objects.bar.colours.choose("area")
        film.settle(rest_s=3)
        film.picture("colours")
        film.panel.docks.show_tree().table.show_rows(RowSize.compact)
        film.panel.objects.bar.colours.choose("own")
        plot_some(film)
        film.viewer.close()


def plot_some(film: Film) -> None:
    """Show the areas of a mother and her daughters over time."""
    panel = film.panel
    panel.docks.show_plot()
    mother = next(iter(panel.model.forest.daughters))
    panel.objects.table.clearSelection()
    for one in (mother, *panel.model.forest.daughters[mother]):
        row = panel.model.row_of(one)
        columns = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        panel.objects.table.selectionModel().select(panel.model.index(row, 0), columns)
    film.settle(rest_s=3)
    film.picture("plot")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[1] / "docs" / "images")
    make_lineage(parser.parse_args().folder)
