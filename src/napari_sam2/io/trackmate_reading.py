"""Tracks out of a TrackMate file (.xml): spots with their outlines, and who came from whom.

Spots are in the units of the images, whose pixel size stands beside them; the middle of the first pixel is (0, 0).
What a person filtered out in TrackMate stays out: spots that are not visible, and tracks that are not among the
filtered ones. Spots in no track at all are objects of one frame. Splits are divisions; where tracks merge, another
object begins. The format is in TrackMate's documentation ("TrackMate file format"); see `trackmate_xml` for the way
out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, iterparse

import numpy as np

from napari_sam2.io.spot_tracks import check_one_plane, spots_of_nodes
from napari_sam2.io.track_graph import places_of
from napari_sam2.io.tracked import TrackedSpots
from sam2_core.errors import StackError

Array = np.ndarray[Any, Any]
Link = tuple[int, int]


class _File:
    """What is read of a file, element by element: it may be of a gigabyte, most of it features of spots.

    Attributes
    ----------
    spots, places
        Number and frame of each spot that is visible, and where it is: x, y, z.
    outlines
        Place in `spots` -> corners (V, 2), (x, y) from where the spot is.
    tracks
        Name -> links between numbers of spots.
    chosen
        Names of the tracks that were not filtered out; None where nothing is said about it.
    image
        What is said about the images.
    """

    def __init__(self, path: Path) -> None:
        self.spots: list[tuple[int, int]] = []
        self.places: list[tuple[float, ...]] = []
        self.outlines: dict[int, Array] = {}
        self.tracks: dict[str, list[Link]] = {}
        self.chosen: set[str] | None = None
        self.image: dict[str, str] = {}
        for element in _ended(path):
            if element.tag == "Spot":
                self._take_spot(element)
            elif element.tag == "Track":
                links = [(int(edge.attrib["SPOT_SOURCE_ID"]), int(edge.attrib["SPOT_TARGET_ID"])) for edge in element]
                self.tracks[element.attrib["TRACK_ID"]] = links
            elif element.tag == "FilteredTracks":
                self.chosen = {one.attrib["TRACK_ID"] for one in element}
            elif element.tag == "ImageData":
                self.image = dict(element.attrib)
            if element.tag in ("Spot", "Track"):
                element.clear()

    def _take_spot(self, spot: Element) -> None:
        if float(spot.get("VISIBILITY", 1)) == 0:
            return
        corners = np.array((spot.text or "").split(), np.float64)
        if len(corners) >= 6:
            self.outlines[len(self.spots)] = corners.reshape(-1, 2)
        self.spots.append((int(spot.attrib["ID"]), int(float(spot.attrib["FRAME"]))))
        self.places.append(tuple(float(spot.get(f"POSITION_{axis}", 0)) for axis in "XYZ"))

    def links(self) -> list[Link]:
        """Return the links of the tracks that were not filtered out."""
        return [link for name, links in self.tracks.items() if self._is_chosen(name) for link in links]

    def hidden(self) -> set[int]:
        """Return the spots that lie in tracks that were filtered out."""
        return {
            spot for name, links in self.tracks.items() if not self._is_chosen(name) for link in links for spot in link
        }

    def _is_chosen(self, name: str) -> bool:
        return self.chosen is None or name in self.chosen


def read_trackmate(path: Path) -> TrackedSpots:
    """Return the tracks of a TrackMate file, in pixels and frames.

    Raises
    ------
    StackError
        If it cannot be read, holds no spot, does not say how large a pixel is, or goes through several planes.
    """
    try:
        file = _File(path)
        pixel = np.array([float(file.image[name]) for name in ("pixelwidth", "pixelheight")])
        frames, height, width = (int(file.image[name]) for name in ("nframes", "height", "width"))
        slices, depth = int(file.image.get("nslices", 1)), float(file.image.get("voxeldepth", 1)) or 1.0
        if not np.all(pixel > 0):
            raise ValueError(f"pixels of {pixel.tolist()}")
    except StackError:
        raise
    except (KeyError, ValueError) as error:
        raise StackError(
            f"{path.name} is no file of TrackMate that can be read ({type(error).__name__}: {error}); give what it "
            "saves, with images and spots."
        ) from error
    hidden = file.hidden()
    rows = [row for row, (number, _) in enumerate(file.spots) if number not in hidden]
    spots = np.array(file.spots, np.int64).reshape(-1, 2)[rows]
    places = np.array(file.places, np.float64).reshape(-1, 3)[rows]
    check_one_plane(places[:, 2], path.name)
    seen = set(spots[:, 0].tolist())
    links = np.array([link for link in file.links() if seen.issuperset(link)], np.int64).reshape(-1, 2)
    found = spots_of_nodes(path.name, spots[:, 1], _yx(places[:, :2], pixel), places_of(spots[:, 0], links, path.name))
    outlines = {
        row: _yx(file.outlines[place] + places[row, :2], pixel)
        for row, place in enumerate(rows)
        if place in file.outlines
    }
    plane = float(places[0, 2]) / depth if slices > 1 and len(places) else None
    return replace(found, outlines_yx=outlines, shape=(frames, height, width), plane=plane)


def _yx(places_xy: Array, pixel_xy: Array) -> Array:
    """Return places (N, 2) in units as (y, x) in pixels."""
    in_pixels: Array = (places_xy / pixel_xy)[:, ::-1]
    return in_pixels


def _ended(path: Path) -> Iterator[Element]:
    """Yield the elements of a file, each when it is whole."""
    try:
        for _, element in iterparse(path):
            yield element
    except OSError as error:
        raise StackError(f"{path} cannot be read ({error}); check the path.") from error
    except (ParseError, ValueError) as error:
        raise StackError(f"{path} cannot be read as XML ({error}); save it again in TrackMate.") from error
