"""TrackMate files: read again by the converter of the geff library, which follows TrackMate's format."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from drawn_movies import drawn_truth

from napari_sam2.io.imports import import_labels
from napari_sam2.io.results import Results
from napari_sam2.io.spots import spots_of
from napari_sam2.io.trackmate_xml import export_trackmate
from napari_sam2.lineage.tracks import links_of
from napari_sam2.stacks import open_stack


def results_of(labels, parents, scale=()):
    stack = open_stack(np.zeros(np.shape(labels), np.uint8), "TYX")
    units = {"T": "s", "Y": "µm", "X": "µm"}
    about = replace(stack.calibration, scale=dict(scale), units={axis: units[axis] for axis, _ in scale})
    movie = replace(stack, calibration=about).movie()
    return Results(*import_labels(open_stack(np.asarray(labels), "TYX").movie(), parents), movie)


@pytest.mark.filterwarnings("ignore:Missing tag:UserWarning", "ignore:No image path:UserWarning")
def test_the_converter_of_geff_reads_every_spot_and_edge(tmp_path, rng):
    geff = pytest.importorskip("geff")
    from geff.convert import from_trackmate_xml_to_geff

    labels, parents = drawn_truth(rng)
    results = results_of(labels, parents)
    export_trackmate(tmp_path / "a.xml", results)
    from_trackmate_xml_to_geff(tmp_path / "a.xml", tmp_path / "a.geff")
    geff.validate_structure(tmp_path / "a.geff")
    graph, _ = geff.read(tmp_path / "a.geff", backend="networkx")
    named = {number: (int(told["name"]), told["FRAME"]) for number, told in graph.nodes(data=True)}
    assert sorted(named.values()) == sorted(
        (one, frame) for frame, image in enumerate(labels) for one in np.unique(image[image > 0]).tolist()
    )
    assert sorted((named[a], named[b]) for a, b in graph.edges) == sorted(links_of(results.tracks()))
    tracks = {graph.nodes[number].get("TRACK_ID") for number in graph.nodes if graph.degree(number)}
    assert len(tracks) == sum(1 for family in components(graph) if len(family) > 1)
    for _, told in graph.nodes(data=True):
        ys, xs = np.nonzero(labels[told["FRAME"]] == int(told["name"]))
        assert (told["POSITION_X"], told["POSITION_Y"]) == pytest.approx((xs.mean(), ys.mean()))


def components(graph):
    import networkx

    return networkx.weakly_connected_components(graph)


def test_places_and_outlines_are_in_the_units_of_the_stack(tmp_path):
    labels = np.zeros((2, 12, 20), np.uint16)
    labels[0, 2:7, 4:14] = 3  # 5 high, 10 wide, in the middle of (4, 8.5)
    labels[1, 2:7, 4:14] = 3
    export_trackmate(tmp_path / "a.xml", results_of(labels, {}, (("T", 30.0), ("Y", 0.5), ("X", 0.25))))
    root = ElementTree.parse(tmp_path / "a.xml").getroot()
    first, second = root.iter("Spot")
    told = {name: float(second.get(name)) for name in ("POSITION_X", "POSITION_Y", "POSITION_T", "FRAME", "AREA")}
    assert told == pytest.approx({"POSITION_X": 2.125, "POSITION_Y": 2, "POSITION_T": 30, "FRAME": 1, "AREA": 6.25})
    assert root.find("Model").attrib == {"spatialunits": "µm", "timeunits": "s"}
    outline = np.array([float(word) for word in first.text.split()]).reshape(-1, 2)
    assert len(outline) == int(first.get("ROI_N_POINTS"))
    assert np.abs(outline).max(axis=0) == pytest.approx((1.25, 1.25), abs=0.13)  # half of 10 x 0.25, half of 5 x 0.5
    image = root.find("Settings/ImageData").attrib
    assert (image["width"], image["nframes"], image["pixelwidth"], image["timeinterval"]) == ("20", "2", "0.25", "30.0")
    edges = [(edge.get("SPOT_SOURCE_ID"), edge.get("SPOT_TARGET_ID")) for edge in root.iter("Edge")]
    assert edges == [(first.get("ID"), second.get("ID"))]
    assert [track.get("TRACK_ID") for track in root.iter("TrackID")] == ["0"]


def test_names_that_no_xml_can_hold_leave_the_file_readable(tmp_path):
    results = results_of(np.ones((1, 4, 4), np.uint8), {})
    named = replace(results.document.objects[1], name="a\x01b\ud800 <&]]> 细胞\n")
    export_trackmate(tmp_path / "a.xml", replace(results, document=results.document.with_object(named)))
    (spot,) = ElementTree.parse(tmp_path / "a.xml").getroot().iter("Spot")
    assert spot.get("name") == "a\ufffdb? <&]]> 细胞\n"


def test_an_id_as_large_as_labels_go_is_measured_like_any_other(tmp_path):
    labels = np.zeros((1, 6, 8), np.uint32)
    labels[0, 1:3, 2:6] = 2**32 - 1
    (spot,) = spots_of(results_of(labels, {}))[0]
    assert (spot.object_id, spot.area, spot.y, spot.x, spot.box_yx) == (2**32 - 1, 8, 1.5, 3.5, (1, 2, 3, 6))
