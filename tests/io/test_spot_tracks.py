"""Tracks of places: TrackMate's own files, tables, GEFF without labels, napari's Tracks layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import zarr
from drawn_movies import drawn_truth
from scipy import ndimage

from napari_sam2.document.track_events import Division, EventKind, TrackEvent
from napari_sam2.io.geff_files import export_geff
from napari_sam2.io.import_spots import import_spots
from napari_sam2.io.imports import import_labels
from napari_sam2.io.object_table import export_table
from napari_sam2.io.results import Results
from napari_sam2.io.spot_tracks import spots_of_tracks
from napari_sam2.io.track_files import open_tracks
from napari_sam2.io.trackmate_xml import export_trackmate
from napari_sam2.stacks import open_stack
from napari_sam2.stacks.metadata import Calibration
from sam2_core.errors import PromptError, StackError

FAMILY = {1: [(0, 4, 5), (1, 4, 6)], 2: [(2, 3, 6), (3, 3, 7)], 3: [(2, 6, 6), (4, 6, 7)]}
"""Object -> frame, y, x: 1 divides into 2 and 3, which is missed on frame 3."""
PARENTS = {2: 1, 3: 1}


def rows_of(family=FAMILY):
    return [(one, *place) for one, places in family.items() for place in places]


def said(spots):
    """Return what spots say: object -> frame, y, x."""
    rows = zip(spots.object_ids.tolist(), spots.frames.tolist(), spots.places_yx.tolist(), strict=True)
    told = {}
    for one, frame, (y, x) in sorted(rows):
        told.setdefault(one, []).append((frame, y, x))
    return told


def results_of(labels, parents, calibration=None):
    stack = open_stack(np.zeros(np.shape(labels), np.uint8), "TYX")
    movie = (stack if calibration is None else replace(stack, calibration=calibration)).movie()
    return Results(*import_labels(open_stack(np.asarray(labels), "TYX").movie(), parents), movie)


def blobs(rng, frames=3):
    """Return labels (T, H, W) of objects of any shape in one piece, without holes; 1 ends where 3 and 4 begin."""
    labels = np.zeros((frames, 40, 44), np.uint16)
    for frame in range(frames):
        for one, (y, x) in enumerate([(0, 0), (0, 22), (20, 0), (20, 22)], start=1):
            if one == 2 or (one > 2) == (frame > 0):
                noise = ndimage.gaussian_filter(rng.normal(size=(18, 20)), 2)
                pieces, _ = ndimage.label(noise > np.median(noise))
                largest = pieces == np.argmax(np.bincount(pieces.ravel())[1:]) + 1
                labels[frame, y : y + 18, x : x + 20] = one * ndimage.binary_fill_holes(largest)
    return labels


def test_what_goes_out_as_trackmate_comes_in_again_pixel_by_pixel(tmp_path, rng):
    labels, parents = blobs(rng), {3: 1, 4: 1}
    sizes = Calibration({"Y": 0.5, "X": 0.25, "T": 30.0}, {"Y": "µm", "X": "µm", "T": "s"})
    export_trackmate(tmp_path / "a.xml", results_of(labels, parents, sizes))
    spots = open_tracks(tmp_path / "a.xml")
    document, masks = import_spots(spots, *shape_of(labels))
    assert not document.prompts
    back = np.zeros_like(labels)
    for (one, frame), mask in masks.items():
        for place in pixels(mask):
            back[(frame, *place)] = one
    names = {one: int(back[labels == one].max()) for one in (1, 2, 3, 4)}
    np.testing.assert_array_equal(back, np.vectorize({0: 0, **names}.get)(labels))
    assert spots.parents == {names[child]: names[parent] for child, parent in parents.items()}
    assert [(one.mother, one.frame) for one in document.divisions] == [(names[1], 1)]


def shape_of(labels):
    return len(labels), np.shape(labels)[1:]


def pixels(mask):
    return [(y + mask.y0, x + mask.x0) for y, x in zip(*np.nonzero(mask.mask()), strict=True)]


SPOT = '<Spot ID="{0}" FRAME="{1}" POSITION_X="{2}" POSITION_Y="{3}" POSITION_Z="{z}" VISIBILITY="{seen}" />'


def trackmate(spots, tracks, kept, pixel=0.5, z=0, hidden=()):
    """Return a file without outlines: spots (number, frame, x, y), tracks as lists of pairs, names of those kept."""
    told = "".join(SPOT.format(*spot, z=z * spot[1], seen=int(spot[0] not in hidden)) for spot in spots)
    edge = '<Edge SPOT_SOURCE_ID="{}" SPOT_TARGET_ID="{}" />'
    lines = "".join(
        f'<Track TRACK_ID="{name}">{"".join(edge.format(*link) for link in links)}</Track>'
        for name, links in enumerate(tracks)
    )
    chosen = "".join(f'<TrackID TRACK_ID="{name}" />' for name in kept)
    return (
        f'<TrackMate><Model><AllSpots><SpotsInFrame frame="0">{told}</SpotsInFrame></AllSpots><AllTracks>{lines}'
        f"</AllTracks><FilteredTracks>{chosen}</FilteredTracks></Model><Settings><ImageData nframes='5' height='9' "
        f"width='11' pixelwidth='{pixel}' pixelheight='{pixel}' /></Settings></TrackMate>"
    )


FOUR = [(10, 0, 2.5, 2), (11, 1, 3, 2), (12, 2, 3, 1.5), (13, 2, 3, 3), (14, 3, 1, 1), (15, 4, 1, 1), (16, 0, 5, 4)]
LINKS = [[(10, 11), (11, 12), (11, 13)], [(14, 15)]]


def test_spots_without_outlines_are_places_in_pixels_and_what_was_filtered_out_stays_out(tmp_path):
    (tmp_path / "a.xml").write_text(trackmate(FOUR, LINKS, kept=[0], hidden=[16]))
    spots = open_tracks(tmp_path / "a.xml")
    assert said(spots) == {1: [(0, 4, 5), (1, 4, 6)], 2: [(2, 3, 6)], 3: [(2, 6, 6)]}
    assert spots.parents == {2: 1, 3: 1}
    (tmp_path / "b.xml").write_text(trackmate(FOUR, LINKS, kept=[0, 1]))
    assert len(said(open_tracks(tmp_path / "b.xml"))) == 5  # the other track, and the spot that is in none


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<TrackMate/>", "is no file of TrackMate"),
        ("<TrackMate>", "cannot be read as XML"),
        (trackmate(FOUR, LINKS, [0, 1], z=1), "several planes, z from 0 to 4"),
        (trackmate([], [], []), "holds no object"),
        (trackmate(FOUR, [[(10, 99)]], [0]), None),
    ],
)
def test_a_file_that_is_no_tracks_says_so(tmp_path, text, message):
    (tmp_path / "a.xml").write_text(text)
    if message is None:  # a link to a spot that was filtered out is none
        assert len(said(open_tracks(tmp_path / "a.xml"))) == len(FOUR)
    else:
        with pytest.raises(StackError, match=message):
            open_tracks(tmp_path / "a.xml")


def test_where_tracks_meet_another_object_begins(tmp_path):
    links = [[(10, 11), (16, 11), (11, 12)]]
    (tmp_path / "a.xml").write_text(trackmate(FOUR[:3] + FOUR[-1:], links, [0]))
    spots = open_tracks(tmp_path / "a.xml")
    first, second, both = (one for one in sorted(said(spots), key=lambda one: (said(spots)[one][0][0], one)))
    assert said(spots)[both] == [(1, 4, 6), (2, 3, 6)]
    assert spots.parents == {both: min(first, second)}
    assert spots.notes == (f"a.xml: tracks become one in {both}; of several parents the first counts.",)


@pytest.mark.parametrize(
    "header",
    ["track_id,frame,y,x,parent", "object_id,t,y,x,parent_track_id", "ID;T;Y;X;parent_id", "label\ttime\ty\tx\tparent"],
)
def test_a_table_has_a_row_for_each_object_on_each_frame(tmp_path, header):
    separator = next(one for one in ",;\t" if one in header)
    lines = [separator.join(map(str, (*row, PARENTS.get(row[0], 0)))) for row in rows_of()]
    (tmp_path / "a.csv").write_text("\n".join([header, *lines]))
    spots = open_tracks(tmp_path / "a.csv")
    assert (said(spots), spots.parents) == (FAMILY, PARENTS)


def test_parents_may_stand_in_a_table_of_their_own(tmp_path):
    lines = [",".join(map(str, row)) for row in rows_of()]
    (tmp_path / "a.csv").write_text("\n".join(["track_id,frame,y,x", *lines]))
    (tmp_path / "p.csv").write_text("id,parent\n2,1\n3,1\n")
    assert open_tracks(tmp_path / "a.csv", tmp_path / "p.csv").parents == PARENTS
    (tmp_path / "b.csv").write_text("\n".join(["track_id,frame,y,x,parent", *(f"{line},0" for line in lines)]))
    with pytest.raises(PromptError, match=r"b\.csv says in 'parent' who came from whom"):
        open_tracks(tmp_path / "b.csv", tmp_path / "p.csv")
    (tmp_path / "a.xml").write_text(trackmate(FOUR, LINKS, kept=[0]))
    with pytest.raises(PromptError, match=r"a\.xml says itself who came from whom"):
        open_tracks(tmp_path / "a.xml", tmp_path / "p.csv")


def test_a_table_of_nodes_is_a_graph(tmp_path):
    before = {(1, 1): 100, (2, 2): 101, (3, 2): 101, (2, 3): 102, (3, 4): 104}  # node 100 + row
    lines = [
        f"{100 + number},{before.get(row[:2], -1)},{','.join(map(str, row[1:]))}"
        for number, row in enumerate(rows_of())
    ]
    (tmp_path / "a.csv").write_text("\n".join(["id,parent_id,t,y,x", *lines]))
    spots = open_tracks(tmp_path / "a.csv")
    assert (said(spots), spots.parents) == (FAMILY, PARENTS)
    named = [f"{line},{70 + rows_of()[number][0]}" for number, line in enumerate(lines)]
    (tmp_path / "b.csv").write_text("\n".join(["id,parent_id,t,y,x,track_id", *named]))
    spots = open_tracks(tmp_path / "b.csv")
    assert (list(said(spots)), spots.parents) == ([71, 72, 73], {72: 71, 73: 71})


def test_the_table_that_napari_track_edit_writes_has_blanks_in_its_columns(tmp_path):
    before = {(1, 1): 100, (2, 2): 101, (3, 2): 101, (2, 3): 102, (3, 4): 104}
    lines = [
        f"{100 + number},{before.get((one, frame), '')},{frame},{y},{x},{one}"
        for number, (one, frame, y, x) in enumerate(rows_of())
    ]
    (tmp_path / "a.csv").write_text("\n".join(["ID,Parent ID,Time,y,x,Tracklet ID", *lines]))
    spots = open_tracks(tmp_path / "a.csv")
    assert (said(spots), spots.parents) == (FAMILY, PARENTS)
    (tmp_path / "b.csv").write_text("\n".join(["ID,Parent ID,Time,y,x,Tracklet ID", *lines[1:]]))  # cut in time
    assert said(open_tracks(tmp_path / "b.csv"))[1] == [(1, 4, 6)]
    odd = [lines[0].replace("100,,", "100,101,"), *lines[1:]]
    (tmp_path / "c.csv").write_text("\n".join(["ID,Parent ID,Time,y,x,Tracklet ID", *odd]))
    with pytest.raises(PromptError, match=r"row 2: what it comes from is not on an earlier frame"):
        open_tracks(tmp_path / "c.csv")


def test_of_our_own_table_the_pixels_are_taken_and_not_the_units(tmp_path):
    calibration = Calibration({"Y": 0.5, "X": 0.25}, {"Y": "µm", "X": "µm"})
    labels = np.zeros((2, 20, 24), np.uint8)
    labels[:, 4:9, 10:15] = 3
    export_table(tmp_path / "objects.csv", results_of(labels, {}, calibration))
    spots = open_tracks(tmp_path / "objects.csv")
    assert said(spots) == {3: [(0, 6, 12), (1, 6, 12)]}


def test_parents_of_ids_that_count_from_0_are_shifted_along(tmp_path):
    lines = [f"{one - 1},{frame},{y},{x}" for one, frame, y, x in rows_of()]
    (tmp_path / "a.csv").write_text("\n".join(["track_id,frame,y,x", *lines]))
    (tmp_path / "p.csv").write_text("track_id,parent_track_id\n0,-1\n1,0\n2,0\n")
    spots = open_tracks(tmp_path / "a.csv", tmp_path / "p.csv")
    assert (said(spots), spots.parents) == (FAMILY, PARENTS)


def test_what_is_odd_about_tables_is_told(tmp_path):
    (tmp_path / "a.csv").write_text("cell_id,frame,y,x,parent\n5,0,2,3,nan\n6,1,2,3,None\n")
    assert spots_notes(tmp_path / "a.csv") == [
        "a.csv: no object is on two frames by its column 'cell_id', so nothing is linked."
    ]
    (tmp_path / "b.csv").write_text("track_id,frame,y,x\n-1,0,2,3\n6,0,2,3\n6,1,2,3\n")
    assert spots_notes(tmp_path / "b.csv") == ["b.csv: 1 places of no track, of a number below 0, are left out."]
    merged = spots_of_tracks(rows_of(), {3: [1, 2]}, "btrack")
    assert merged.parents == {3: 1}
    assert merged.notes == ("btrack: tracks become one in 3; of several parents the first counts.",)


def spots_notes(path):
    return list(open_tracks(path).notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("track_id,frame,y,x,parent\n1,0,2,3,\n3,1,2,3,1\n3,2,2,3,2\n2,0,4,4,\n", "object 3 comes from 1 and from 2"),
        ("TRACK_ID,FRAME,POSITION_X,POSITION_Y\n1,0,2,3", r"a table of TrackMate, without links; give the file"),
        ("track_id,y,x\n1,2,3", r"a frame \(frame, t, time\)"),
        ("track_id,frame,y,x\n1,0,2,3\n1,0,5,6", "object 1 on frame 0 that it is in 2 places"),
        ("track_id,frame,y,x\n1,0.5,2,3", "a whole number is needed"),
        ("track_id,frame,z,y,x\n1,0,2,3,4\n1,1,3,3,4", "several planes"),
        ("track_id,frame,y,x\n", "holds no object"),
    ],
)
def test_a_table_that_is_no_tracks_says_what_is_missing(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises((PromptError, StackError), match=message):
        open_tracks(tmp_path / "a.csv")


@pytest.mark.parametrize("first", [0, 1, 7])
@pytest.mark.parametrize("has_depth", [False, True])
def test_what_napari_shows_as_tracks(first, has_depth):
    data = np.array(rows_of(), float)
    data[:, 0] += first - 1
    if has_depth:
        data = np.insert(data, 2, 3.0, axis=1)
    graph = {1 + first: [first], 2 + first: first}
    spots = spots_of_tracks(data, graph)
    shift = max(first, 1) - 1
    assert said(spots) == {one + shift: places for one, places in FAMILY.items()}
    assert spots.parents == {one + shift: parent + shift for one, parent in PARENTS.items()}


def test_places_become_clicks_and_say_where_objects_begin_and_end():
    document, masks = import_spots(spots_of_tracks(rows_of(), PARENTS), 6, (9, 11))
    clicks = {key: prompt.points_yx for key, prompt in document.prompts.items()}
    assert clicks == {(one, frame): ((y, x),) for one, frame, y, x in rows_of()}
    assert not len(masks)
    assert document.divisions == (Division(1, 2, (2, 3)),)
    assert document.events == (TrackEvent(2, 3, EventKind.dies), TrackEvent(3, 4, EventKind.dies))


def test_a_mother_who_goes_on_or_ends_early_is_looked_for_where_her_places_are():
    stays = [*((1, frame, 4, 5) for frame in (0, 1, 4)), (2, 2, 6, 6), (2, 3, 6, 6)]
    document, _ = import_spots(spots_of_tracks(stays, {2: 1}), 8, (9, 11))
    assert document.events == (TrackEvent(1, 4, EventKind.dies), TrackEvent(2, 3, EventKind.dies))
    early = [(1, 0, 4, 5), (1, 1, 4, 5), (2, 5, 6, 6), (3, 5, 6, 6)]
    document, _ = import_spots(spots_of_tracks(early, {2: 1, 3: 1}), 6, (9, 11))
    assert document.events == (TrackEvent(1, 1, EventKind.dies),)
    assert document.divisions == (Division(1, 5, (2, 3)),)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((1, 6, 4, 5), r"tracks: object 1, frame 6: there is no such frame; the stack has frames 0 to 5"),
        ((1, 2, 40, 5), r"tracks: object 1, frame 2: .*40"),
    ],
)
def test_places_beside_the_movie_are_refused(row, message):
    with pytest.raises(PromptError, match=message):
        import_spots(spots_of_tracks([*rows_of()[:2], row]), 6, (9, 11))


def test_an_outline_without_a_pixel_is_a_click_and_one_across_the_edge_is_cut():
    corners = {
        0: np.array([[3.6, 4.6], [3.6, 4.8], [3.8, 4.8]]),
        1: np.array([[-4, 2], [-4, 4.5], [2.5, 4.5], [2.5, 2]]),
    }
    spots = replace(spots_of_tracks([(1, 0, 4, 5), (1, 1, 1, 3)]), outlines_yx=corners)
    document, masks = import_spots(spots, 2, (9, 11))
    assert list(document.prompts) == [(1, 0)]
    assert {*pixels(masks.get((1, 1)))} == {(y, x) for y in range(3) for x in (2, 3, 4)}


@pytest.mark.parametrize("unit", [None, "pixel", "micrometer"])
def test_a_geff_without_labels_has_places(tmp_path, rng, unit):
    pytest.importorskip("geff")
    labels, parents = drawn_truth(rng)
    export_geff(tmp_path / "a.geff", results_of(labels, parents))
    group = zarr.open_group(tmp_path / "a.geff")
    about = group.attrs["geff"]
    axes = [axis | ({"unit": unit} if axis["type"] == "space" else {}) for axis in about["axes"]]
    group.attrs["geff"] = about | {"related_objects": None, "axes": axes}
    half = Calibration({"Y": 0.5, "X": 0.5}, {"Y": "µm", "X": "µm"})
    spots = open_tracks(tmp_path / "a.geff", calibration=half)
    assert spots.parents == parents
    for one, frame, place in zip(spots.object_ids, spots.frames, spots.places_yx, strict=True):
        middle = np.mean(np.nonzero(labels[frame] == one), axis=1)
        np.testing.assert_allclose(place, middle * (2 if unit == "micrometer" else 1))
    if unit == "micrometer":
        with pytest.raises(StackError, match="places in micrometer, and the images do not say"):
            open_tracks(tmp_path / "a.geff")
