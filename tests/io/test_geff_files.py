"""GEFF: what is written is valid and comes back, and what other programs wrote is read; needs the `tracks` extra."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import zarr
from drawn_movies import drawn_truth

from napari_sam2.document.document import Document
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.io.geff_files import export_geff
from napari_sam2.io.imports import import_labels
from napari_sam2.io.results import Results
from napari_sam2.io.track_files import open_tracks
from napari_sam2.masks.mask_store import MaskStatus
from napari_sam2.stacks import open_stack
from sam2_core.errors import StackError

MOTHER_STAYS = [[[1, 0, 0, 0]], [[1, 0, 9, 0]], [[0, 0, 9, 0]], [[1, 0, 9, 4]]]


def results_of(labels, parents):
    document, masks = import_labels(open_stack(np.asarray(labels), "TYX").movie(), parents)
    return Results(document, masks, open_stack(np.zeros(np.shape(labels), np.uint8), "TYX").movie())


@pytest.fixture
def geff():
    return pytest.importorskip("geff")


@pytest.mark.parametrize("which", ["drawn", "a mother that keeps her id, and a gap"])
def test_what_is_written_is_valid_and_comes_back(tmp_path, geff, rng, which):
    from geff.validate.data import ValidationConfig, validate_data
    from geff.validate.segmentation import has_seg_ids_at_time_points

    labels, parents = drawn_truth(rng) if which == "drawn" else (MOTHER_STAYS, {9: 1, 4: 9})
    results = results_of(np.asarray(labels, np.uint16), parents)
    export_geff(tmp_path / "a.geff", results)
    export_geff(tmp_path / "a.geff", results)  # replaces its own
    geff.validate_structure(tmp_path / "a.geff")
    reader = geff.GeffReader(tmp_path / "a.geff")
    reader.read_node_props()
    graph = reader.build()
    validate_data(graph, ValidationConfig(graph=True))
    stored = zarr.open_array(tmp_path / "a.geff" / "labels", mode="r")[:]
    nodes = {name: prop["values"] for name, prop in graph["node_props"].items()}
    assert has_seg_ids_at_time_points(stored, nodes["t"], nodes["object_id"], graph["metadata"])[0]
    assert len(graph["node_ids"]) == sum(len(np.unique(frame[frame > 0])) for frame in np.asarray(labels))
    back = open_tracks(tmp_path / "a.geff")
    np.testing.assert_array_equal(np.stack(list(back.labels)), labels)
    assert back.parents == parents


def test_pixel_sizes_are_said(tmp_path, geff):
    import tifffile

    about = {"axes": "TYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5}
    tifffile.imwrite(
        tmp_path / "m.ome.tif", np.zeros((2, 4, 6), np.uint8), metadata=about | {"PhysicalSizeYUnit": "µm"}
    )
    results = Results(*import_labels(open_stack(np.ones((2, 4, 6), np.uint8), "TYX").movie()), movie_of(tmp_path))
    export_geff(tmp_path / "a.geff", results)
    axes = {axis.name: axis for axis in geff.GeffMetadata.read(tmp_path / "a.geff").axes}
    assert (axes["x"].unit, axes["x"].scale, axes["x"].scaled_unit) == ("pixel", 0.5, "micrometer")
    assert (axes["t"].unit, axes["t"].scale) == ("frame", None)


@pytest.mark.filterwarnings("error")
def test_a_score_is_missing_where_the_model_said_none(tmp_path, geff):
    results = results_of(np.array([[[1, 0]], [[1, 2]]], np.uint16), {})
    results.masks.put((1, 1), replace(results.masks.get((1, 1)), status=MaskStatus.tracked, score=6.5))
    export_geff(tmp_path / "a.geff", results)
    reader = geff.GeffReader(tmp_path / "a.geff")
    reader.read_node_props()
    score = reader.build()["node_props"]["score"]
    assert score["missing"].tolist() == [True, False, True]
    assert score["values"][1] == 6.5
    assert len(open_tracks(tmp_path / "a.geff").labels) == 2


@pytest.mark.filterwarnings("error")
def test_a_z_stack_goes_out_along_an_axis_of_space_and_comes_back(tmp_path, geff):
    import tifffile

    labels = np.repeat(np.array([[[1, 0]], [[1, 0]], [[0, 2]]], np.uint8), 3, axis=1)
    sizes = {f"PhysicalSize{axis}": 0.5 for axis in "ZYX"} | {f"PhysicalSize{axis}Unit": "µm" for axis in "ZYX"}
    tifffile.imwrite(tmp_path / "m.ome.tif", labels, metadata={"axes": "ZYX"} | sizes)
    document, masks = import_labels(open_stack(labels, "TYX").movie(), {2: 1})
    export_geff(tmp_path / "a.geff", Results(document, masks, movie_of(tmp_path)))
    axis = geff.GeffMetadata.read(tmp_path / "a.geff").axes[0]
    assert (axis.name, axis.type, axis.unit, axis.scaled_unit) == ("t", "space", "pixel", "micrometer")
    back = open_tracks(tmp_path / "a.geff")
    np.testing.assert_array_equal(np.stack(list(back.labels)), labels)
    assert back.parents == {2: 1}


def movie_of(folder):
    return open_stack(folder / "m.ome.tif").movie()


def test_files_of_the_geff_library_are_read(tmp_path, geff, rng):
    """A CTC folder that geff itself turned into a GEFF, with its labels beside it."""
    import tifffile
    from geff.convert import from_ctc_to_geff

    labels, parents = drawn_truth(rng)
    lives = {
        one: [t for t, frame in enumerate(labels) if (frame == one).any()] for one in np.unique(labels)[1:].tolist()
    }
    (tmp_path / "ctc").mkdir()
    for frame, image in enumerate(labels):
        tifffile.imwrite(tmp_path / "ctc" / f"man_track{frame:03d}.tif", image.astype(np.uint16))
    lines = [f"{one} {life[0]} {life[-1]} {parents.get(one, 0)}" for one, life in lives.items()]
    (tmp_path / "ctc" / "man_track.txt").write_text("\n".join(lines))
    from_ctc_to_geff(tmp_path / "ctc", tmp_path / "b.geff", tmp_path / "labels.zarr")
    back, folder = open_tracks(tmp_path / "b.geff"), open_tracks(tmp_path / "ctc")
    for tracks in (back, folder):
        np.testing.assert_array_equal(np.stack(list(tracks.labels)), labels)
        assert tracks.parents == parents


def write_graph(geff, path, nodes, columns, edges, directed):
    """Write a graph as another program may; the last column says which value of `seg.zarr` beside it a node has."""
    geff.core_io.write_arrays(
        path,
        node_ids=np.array(nodes, np.uint64),
        node_props={name: {"values": np.array(values), "missing": None} for name, values in columns.items()},
        edge_ids=np.array(edges, np.uint64),
        edge_props={},
        metadata=geff.GeffMetadata(
            directed=directed,
            axes=[{"name": "t", "type": "time"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}],
            node_props_metadata={},
            edge_props_metadata={},
            related_objects=[{"type": "labels", "path": "../seg.zarr", "node_prop": list(columns)[-1]}],
        ),
    )


def test_nodes_that_are_numbered_anew_on_each_frame(tmp_path, geff):
    """No tracklets are named: each path between divisions is an object."""
    labels = np.array([[[5, 5, 0, 7]], [[1, 0, 2, 3]]], np.uint16)
    zarr.save_array(tmp_path / "seg.zarr", labels)
    columns = {"t": [0, 0, 1, 1, 1], "y": [0.0] * 5, "x": [0.5, 3.0, 0.0, 2.0, 3.0], "seg_id": [5, 7, 1, 2, 3]}
    edges = [(10, 30), (10, 40), (20, 50)]
    write_graph(geff, tmp_path / "c.geff", [10, 20, 30, 40, 50], columns, edges, directed=True)
    back = open_tracks(tmp_path / "c.geff")
    first, second = np.stack(list(back.labels)).tolist()
    mother, other = first[0][0], first[0][3]
    assert first == [[mother, mother, 0, other]]
    assert second == [[second[0][0], 0, second[0][2], other]]
    assert back.parents == {second[0][0]: mother, second[0][2]: mother}


def test_a_geff_without_labels_and_without_places_is_refused(tmp_path, geff):
    results = results_of(MOTHER_STAYS, {})
    export_geff(tmp_path / "a.geff", results)
    group = zarr.open_group(tmp_path / "a.geff")
    group.attrs["geff"] = group.attrs["geff"] | {"related_objects": None, "axes": None}
    with pytest.raises(StackError, match="has neither labels nor places"):
        open_tracks(tmp_path / "a.geff")
    (tmp_path / "d.geff").mkdir()
    with pytest.raises(StackError, match="cannot be read"):
        open_tracks(tmp_path / "d.geff")


def test_something_else_is_never_replaced(tmp_path, geff):
    (tmp_path / "notes").mkdir()
    with pytest.raises(StackError, match="is not replaced"):
        export_geff(tmp_path / "notes", results_of(MOTHER_STAYS, {}))


@pytest.mark.parametrize("holds_a_graph", [False, True])
def test_files_that_somebody_put_into_a_geff_are_never_lost(tmp_path, geff, holds_a_graph):
    path, results = tmp_path / "a.geff", results_of(MOTHER_STAYS, {})
    if holds_a_graph:
        export_geff(path, results)
    path.mkdir(exist_ok=True)
    (path / "notes.txt").write_text("mine")
    with pytest.raises(StackError, match="is not replaced"):
        export_geff(path, results)
    (path / "notes.txt").unlink()
    export_geff(path, results)
    assert open_tracks(path).labels[0].any()


def test_without_the_extra_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "geff", None)
    results = Results(Document({}, {1: ObjectInfo(1)}), *results_parts())
    with pytest.raises(StackError, match=r'pip install "napari-sam2\[tracks\]"'):
        export_geff(tmp_path / "a.geff", results)


def results_parts():
    results = results_of(MOTHER_STAYS, {})
    return results.masks, results.movie


@pytest.mark.parametrize("harmed", ["nodes/props/t/values/0", "labels/.zattrs", "labels/.zarray", "edges/ids/0.0"])
def test_a_damaged_file_is_refused_in_words(tmp_path, geff, rng, harmed):
    labels, parents = drawn_truth(rng)
    export_geff(tmp_path / "a.geff", results_of(labels, parents))
    path = tmp_path / "a.geff" / harmed
    content = path.read_bytes()
    path.write_bytes(b"?" + content[1:24] + b"\xff" * 8 + content[32:])
    with pytest.raises(StackError, match=r"a\.geff"):
        open_tracks(tmp_path / "a.geff")


def test_edges_of_nodes_that_are_not_there_are_refused(tmp_path, geff, rng):
    labels, parents = drawn_truth(rng)
    export_geff(tmp_path / "a.geff", results_of(labels, parents))
    edges = zarr.open_array(tmp_path / "a.geff" / "edges" / "ids", mode="r+")
    edges[0, 1] = 10**6
    with pytest.raises(StackError, match=r"a\.geff|nodes that are not there"):
        open_tracks(tmp_path / "a.geff")


def written_with(geff, path, frames, edges):
    """Write a mother and two daughters, one node a frame and object, as another program may."""
    labels = np.array([[[1, 0, 1]], [[2, 0, 3]], [[2, 0, 3]]], np.uint16)
    zarr.save_array(path.with_name("seg.zarr"), labels)
    columns = {"t": frames, "y": [0.0] * 5, "x": [0.0] * 5, "object_id": [1, 2, 3, 2, 3]}
    write_graph(geff, path, range(5), columns, edges, directed=False)


EDGES = [(1, 0), (0, 2), (3, 1), (2, 4)]


def test_edges_go_to_later_frames_whichever_way_they_are_written(tmp_path, geff):
    written_with(geff, tmp_path / "a.geff", [0, 1, 1, 2, 2], [*EDGES, (3, 4)])
    assert open_tracks(tmp_path / "a.geff").parents == {2: 1, 3: 1}


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([0.0, 5.0, 5.0, 10.0, 10.0], "nodes on frames 0 to 10, and its labels have frames 0 to 2"),
        ([-1, 1, 1, 2, 2], "nodes on frames -1 to 2"),
        ([0.5, 1.5, 1.5, 2.5, 2.5], "'t' holds 0.5, and whole numbers"),
        ([float("nan"), 1, 1, 2, 2], "'t' holds nan"),
    ],
)
def test_times_that_are_no_frames_of_the_labels_are_refused(tmp_path, geff, frames, words):
    written_with(geff, tmp_path / "a.geff", frames, EDGES)
    with pytest.raises(StackError, match=words):
        open_tracks(tmp_path / "a.geff")
