"""Tracks as a TrackMate file (.xml), which Fiji's *Load a TrackMate file* opens: spots with outlines, edges, tracks.

A spot for each object on each frame, in the units of the stack where it says them, else in pixels and frames; an edge
to each spot that comes from it; a track for each family of objects that are linked. Spots that nothing is linked to are
in no track, as TrackMate has it. The stack is named in the settings, so that it is opened beside them.

The format is the one that TrackMate 7 writes; what is in it is in TrackMate's documentation ("TrackMate file format").
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np

from napari_sam2.io.atomic import write_atomically
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.io.results import Results
from napari_sam2.io.spots import Spot, spots_of
from napari_sam2.lineage.tracks import Track, ancestors_of, links_of
from napari_sam2.stacks import Movie

Array = np.ndarray[Any, Any]
VERSION = "7.11.1"
_NO_XML = re.compile("[^\t\n\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_POSITIONS = {f"POSITION_{axis}": (f"{axis}", "POSITION", False) for axis in "XYZ"}
_FEATURES: Mapping[str, Mapping[str, tuple[str, str, bool]]] = {
    "SpotFeatures": {
        "QUALITY": ("Quality", "QUALITY", False),
        **_POSITIONS,
        "POSITION_T": ("T", "TIME", False),
        "FRAME": ("Frame", "NONE", True),
        "RADIUS": ("Radius", "LENGTH", False),
        "VISIBILITY": ("Visibility", "NONE", True),
        "AREA": ("Area", "AREA", False),
    },
    "EdgeFeatures": {
        "SPOT_SOURCE_ID": ("Source spot ID", "NONE", True),
        "SPOT_TARGET_ID": ("Target spot ID", "NONE", True),
        "LINK_COST": ("Edge cost", "COST", False),
    },
    "TrackFeatures": {
        "TRACK_INDEX": ("Track index", "NONE", True),
        "TRACK_ID": ("Track ID", "NONE", True),
        "NUMBER_SPOTS": ("Number of spots in track", "NONE", True),
    },
}
"""Group -> feature -> what it is called, of which dimension, and whether it is a whole number."""
_SETTINGS: Mapping[str, Mapping[str, str]] = {
    "DetectorSettings": {"DETECTOR_NAME": "MANUAL_DETECTOR", "RADIUS": "5.0"},
    "InitialSpotFilter": {"feature": "QUALITY", "value": "0.0", "isabove": "true"},
    "SpotFilterCollection": {},
    "TrackerSettings": {"TRACKER_NAME": "MANUAL_TRACKER"},
    "TrackFilterCollection": {},
    "AnalyzerCollection": {},
}


@dataclass(frozen=True, slots=True)
class _Scale:
    """Height and width of a pixel and length of a frame, with their units as TrackMate calls them."""

    y: float
    x: float
    t: float
    space: str
    time: str

    @classmethod
    def of(cls, movie: Movie) -> _Scale:
        about = movie.stack.calibration
        known = about.units.get("Y") == about.units.get("X") and {"Y", "X"} <= about.scale.keys()
        y, x, space = (about.scale["Y"], about.scale["X"], about.units.get("Y")) if known else (1.0, 1.0, None)
        t, time = (about.scale.get("T", 1.0), about.units.get("T")) if movie.track_axis == "T" else (1.0, None)
        return cls(y, x, t if time else 1.0, space or "pixel", time or "frame")


def export_trackmate(path: str | Path, results: Results) -> None:
    """Write spots, outlines and tracks as a TrackMate file.

    Raises
    ------
    StackError
        If the file cannot be written, or is the stack itself.
    """
    check_not_raw(path, results.movie.stack)
    spots, tracks = spots_of(results)
    scale = _Scale.of(results.movie)
    root = Element("TrackMate", version=VERSION)
    SubElement(root, "Log").text = "Written by napari-sam2."
    model = SubElement(root, "Model", spatialunits=scale.space, timeunits=scale.time)
    _add_features(model)
    _add_spots(model, spots, scale, results)
    _add_tracks(model, spots, tracks)
    _add_settings(root, results.movie, scale)
    SubElement(root, "GUIState", state="ConfigureViews")
    indent(root)
    write_atomically(Path(path), _text(root))


def _text(root: Element) -> bytes:
    """Return the file; what names and paths may hold and XML may not (control characters) is replaced by U+FFFD."""
    told = _NO_XML.sub("\ufffd", tostring(root, encoding="unicode"))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{told}'.encode()


def _add_features(model: Element) -> None:
    declared = SubElement(model, "FeatureDeclarations")
    for group, features in _FEATURES.items():
        element = SubElement(declared, group)
        for feature, (name, dimension, is_whole) in features.items():
            told = {"name": name, "shortname": name, "dimension": dimension, "isint": str(is_whole).lower()}
            SubElement(element, "Feature", {"feature": feature} | told)


def _add_spots(model: Element, spots: Sequence[Spot], scale: _Scale, results: Results) -> None:
    every = SubElement(model, "AllSpots", nspots=str(len(spots)))
    for frame, together in groupby(enumerate(spots), key=lambda entry: entry[1].frame):
        here, labels = SubElement(every, "SpotsInFrame", frame=str(frame)), results.labels(frame)
        for number, spot in together:
            info = results.document.objects.get(spot.object_id)
            outline = _outline(labels, spot, scale)
            about = {"ID": str(number), "name": (info and info.name) or str(spot.object_id)}
            element = SubElement(here, "Spot", about | _told(spot, scale) | {"ROI_N_POINTS": str(len(outline))})
            element.text = " ".join(f"{value:.4f}" for point in outline for value in point)


def _told(spot: Spot, scale: _Scale) -> dict[str, str]:
    """Return the features of a spot."""
    area = spot.area * scale.y * scale.x
    return {
        "QUALITY": f"{spot.score or 0:g}",
        "POSITION_X": repr(spot.x * scale.x),
        "POSITION_Y": repr(spot.y * scale.y),
        "POSITION_Z": "0.0",
        "POSITION_T": repr(spot.frame * scale.t),
        "FRAME": str(spot.frame),
        "RADIUS": repr(math.sqrt(area / math.pi)),
        "VISIBILITY": "1",
        "AREA": repr(area),
    }


def _outline(labels: Array, spot: Spot, scale: _Scale) -> list[tuple[float, float]]:
    """Return the outline of the largest piece of an object as (x, y) from its centroid, in the units of the stack."""
    from skimage.measure import find_contours

    y0, x0, y1, x1 = spot.box_yx
    inside = labels[y0:y1, x0:x1] == spot.object_id
    contours = find_contours(np.pad(inside, 1).astype(np.float32), 0.5)  # type: ignore[no-untyped-call]
    points = max(contours, key=len)[:-1]  # (N, 2); the first one comes again at the end
    turns = np.any(np.diff(points, axis=0, append=points[:1]) != np.diff(points, axis=0, prepend=points[-1:]), axis=1)
    ys, xs = (points[turns] - 1 + (y0 - spot.y, x0 - spot.x)).T
    return [(float(x) * scale.x, float(y) * scale.y) for y, x in zip(ys, xs, strict=True)]


def _add_tracks(model: Element, spots: Sequence[Spot], tracks: Mapping[int, Track]) -> None:
    numbers = {(spot.object_id, spot.frame): number for number, spot in enumerate(spots)}
    families: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for before, after in links_of(tracks):
        families[_first_linked(tracks, after[0])].append((numbers[before], numbers[after]))
    every, kept = SubElement(model, "AllTracks"), SubElement(model, "FilteredTracks")
    for index, first in enumerate(sorted(families)):
        links = sorted(families[first])
        count = len({number for link in links for number in link})
        told = {"TRACK_INDEX": str(index), "TRACK_ID": str(index), "NUMBER_SPOTS": str(count)}
        track = SubElement(every, "Track", {"name": f"Track_{first}"} | told)
        for source, target in links:
            ends = {"SPOT_SOURCE_ID": str(source), "SPOT_TARGET_ID": str(target)}
            SubElement(track, "Edge", ends | {"LINK_COST": "0.0"})
        SubElement(kept, "TrackID", TRACK_ID=str(index))


def _first_linked(tracks: Mapping[int, Track], object_id: int) -> int:
    """Return the first of an object and its ancestors, as far as each is linked to the one before."""
    line = [object_id, *ancestors_of(tracks, object_id)]
    for child, parent in pairwise(line):
        if tracks[parent].begin >= tracks[child].begin:
            return child
    return line[-1]


def _add_settings(root: Element, movie: Movie, scale: _Scale) -> None:
    settings = SubElement(root, "Settings")
    path = None if movie.stack.path is None else Path(movie.stack.path).absolute()
    image = {
        "filename": "" if path is None else path.name,
        "folder": "" if path is None else f"{path.parent}/",
        **_texts(width=movie.width, height=movie.height, nslices=1, nframes=len(movie)),
        **_texts(pixelwidth=scale.x, pixelheight=scale.y, voxeldepth=1.0, timeinterval=scale.t),
    }
    SubElement(settings, "ImageData", image)
    box = _texts(xstart=0, xend=movie.width - 1, ystart=0, yend=movie.height - 1, zstart=0, zend=0)
    SubElement(settings, "BasicSettings", box | _texts(tstart=0, tend=len(movie) - 1))
    for name, attributes in _SETTINGS.items():
        SubElement(settings, name, dict(attributes))


def _texts(**values: float) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
