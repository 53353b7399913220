"""Tracks of other programs in a session: imported masks, divisions, and who says that they are linked."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from disc_predictor import DiscPredictor

from napari_sam2 import Session
from napari_sam2.cli import main
from napari_sam2.document.objects import LinkStatus
from napari_sam2.document.track_events import Division, EventKind, TrackEvent
from napari_sam2.io.spot_tracks import spots_of_tracks
from napari_sam2.io.tracked import TrackedLabels
from napari_sam2.masks.mask_store import MaskStatus
from napari_sam2.session.settings import SessionSettings
from napari_sam2.stacks import open_labels
from sam2_core.errors import PromptError, StackError

LABELS = np.repeat(np.repeat(np.array([[[1, 0, 5]], [[1, 4, 5]], [[2, 3, 5]]], np.uint16), 8, axis=1), 8, axis=2)
PARENTS = {4: 5, 2: 1, 3: 1}  # 5 keeps its id where 4 comes from it


def tracks(labels=LABELS, parents=PARENTS):
    return TrackedLabels(open_labels(labels, "TYX"), parents)


@pytest.fixture
def session():
    with Session.open(np.zeros(LABELS.shape, np.uint8), axes="TYX", predictor=DiscPredictor()) as opened:
        yield opened


def test_tracks_become_objects_in_one_step(session):
    assert session.import_tracks(tracks()) == (1, 2, 3, 4, 5)
    for frame, labels in enumerate(LABELS):
        np.testing.assert_array_equal(session.labels(frame), labels)
    assert {mask.status for _, mask in session.masks.items()} == {MaskStatus.imported}
    assert session.document.divisions == (Division(5, 1, (4,)), Division(1, 2, (2, 3)))
    assert session.is_dirty
    assert session.undo_text == "import tracks"
    assert session.undo()
    assert not session.document.objects
    assert not len(session.masks)
    assert session.redo()
    np.testing.assert_array_equal(session.labels(2), LABELS[2])


def test_ids_that_are_taken_are_left_to_who_has_them(session):
    session.new_object("mine")
    assert session.import_tracks(tracks()) == (2, 3, 4, 5, 6)
    assert session.document.objects[1].name == "mine"
    assert session.document.objects[4].parent == 2
    assert session.document.divisions == (Division(6, 1, (5,)), Division(2, 2, (3, 4)))


def test_what_was_linked_can_be_looked_at_and_is_kept(session, tmp_path):
    session.import_tracks(tracks())
    session.new_object("mine")
    session.set_links([1, 2], LinkStatus.looked_at)
    status = {one: info.links for one, info in session.document.objects.items()}
    assert status == dict.fromkeys((1, 2), LinkStatus.looked_at) | dict.fromkeys((3, 4, 5), LinkStatus.linked) | {
        6: LinkStatus.made
    }
    session.save(tmp_path / "a.sam2")
    session.undo()
    assert session.document.objects[1].links is LinkStatus.linked
    session.redo()
    session.close()
    assert (tmp_path / "a.sam2" / "session.json").read_text().count('"links"') == 5  # as before where a person made it
    with Session.open(tmp_path / "a.sam2", predictor=DiscPredictor()) as again:
        assert {one: info.links for one, info in again.document.objects.items()} == status


def test_divisions_and_events_are_said_taken_back_and_kept(session, tmp_path):
    session.import_tracks(tracks(parents={}))
    assert session.divide(1, 2, [2, 3]) == Division(1, 2, (2, 3))
    leaves = TrackEvent(5, 2, EventKind.leaves)
    session.lineage.add_event(leaves)
    session.lineage.add_event(TrackEvent(4, 1, EventKind.appears))
    session.lineage.remove_event(leaves)
    assert session.document.events == (TrackEvent(4, 1, EventKind.appears),)
    session.save(tmp_path / "a.sam2")
    session.lineage.undivide(1, 2)
    assert not session.document.divisions
    assert session.document.objects[2].parent is None
    session.undo()
    session.close()
    with Session.open(tmp_path / "a.sam2", predictor=DiscPredictor()) as again:
        assert again.document.divisions == (Division(1, 2, (2, 3)),)
        assert again.document.objects[3].parent == 1
        assert again.document.events == (TrackEvent(4, 1, EventKind.appears),)


@pytest.mark.parametrize(("first", "then"), [("dies", "leaves"), ("leaves", "leaves"), ("enters", "appears")])
def test_an_end_or_beginning_that_is_said_again_takes_the_place_of_the_first(session, first, then):
    session.import_tracks(tracks())
    session.lineage.add_event(TrackEvent(4, 1, EventKind(first)))
    session.lineage.add_event(TrackEvent(5, 1, EventKind.dies))
    session.lineage.add_event(TrackEvent(4, 2, EventKind(then)))
    assert session.document.events == (TrackEvent(4, 2, EventKind(then)), TrackEvent(5, 1, EventKind.dies))
    places = {(place.object_id, place.frame) for place in session.document.review.decisions}
    assert places == {(4, 2), (5, 1)}, "what is said no longer is decided no longer"
    assert session.undo()
    assert TrackEvent(4, 1, EventKind(first)) in session.document.events
    assert (4, 1) in {(place.object_id, place.frame) for place in session.document.review.decisions}


def test_a_beginning_and_an_end_stay_beside_each_other_and_absences_that_meet_are_one(session):
    session.import_tracks(tracks())
    ends = TrackEvent(4, 1, EventKind.appears), TrackEvent(4, 2, EventKind.dies)
    for event in (*ends, TrackEvent(4, 0, EventKind.absent, 0), TrackEvent(4, 2, EventKind.absent, 2)):
        session.lineage.add_event(event)
    assert len(session.document.events) == 4
    session.surgery.absent(4, 0, 1)
    session.lineage.add_event(TrackEvent(4, 1, EventKind.absent, 2))
    assert set(session.document.events) == {*ends, TrackEvent(4, 0, EventKind.absent, 2)}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda s: s.divide(1, 3, [2]), "there is no frame 3"),
        (lambda s: s.divide(1, 2, [9]), "object 9 does not exist"),
        (lambda s: s.lineage.undivide(5, 2), "does not divide on frame 2; it does on \\[1\\]"),
        (lambda s: s.lineage.add_event(TrackEvent(9, 0, EventKind.dies)), "object 9 does not exist"),
        (lambda s: s.lineage.add_event(TrackEvent(5, 0, EventKind.absent, 3)), "there is no frame 3"),
        (
            lambda s: s.lineage.add_event(TrackEvent(5, 2, EventKind.absent, 1)),
            "from frame 2 to 1; give frames in order",
        ),
        (lambda s: s.set_links([9], LinkStatus.linked), "object 9 does not exist"),
    ],
)
def test_what_cannot_be_said_of_tracks_is_refused(session, make, words):
    session.import_tracks(tracks())
    with pytest.raises(PromptError, match=words):
        make(session)
    assert session.undo_text == "import tracks"


@pytest.mark.parametrize(
    ("labels", "words"),
    [(LABELS[:2], "has 2 frames of 8 x 24 pixels, and the session 3"), (LABELS * 0, "holds no object")],
)
def test_tracks_of_something_else_are_refused(session, labels, words):
    with pytest.raises(StackError, match=words):
        session.import_tracks(tracks(labels))
    assert not session.can_undo


def test_labels_of_imagej_may_be_floats(session):
    session.import_tracks(tracks(LABELS.astype(np.float32)))
    np.testing.assert_array_equal(session.labels(1), LABELS[1])


def test_a_folder_becomes_a_session_and_goes_out_as_it_came(tmp_path, capsys):
    folder = tmp_path / "01_GT" / "TRA"
    folder.mkdir(parents=True)
    for frame, labels in enumerate(LABELS):
        tifffile.imwrite(folder / f"man_track{frame:03d}.tif", labels)
    (folder / "man_track.txt").write_text("1 0 1 0\n2 2 2 1\n3 2 2 1\n4 1 1 0\n5 0 2 0\n")
    tifffile.imwrite(tmp_path / "m.tif", LABELS * 0, metadata={"axes": "TYX"}, photometric="minisblack")
    line = f"import {tmp_path}/m.tif {tmp_path}/01_GT {tmp_path}/m.sam2"
    assert main(line.split()) == 0
    assert "5 objects, 1 division." in capsys.readouterr().out
    assert main(f"export {tmp_path}/m.sam2 --ctc {tmp_path}/out".split()) == 0
    assert (tmp_path / "out" / "res_track.txt").read_text() == (folder / "man_track.txt").read_text()
    for frame, labels in enumerate(LABELS):
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / f"mask{frame:03d}.tif"), labels)
    assert main(line.split()) == 1
    assert "holds a session" in capsys.readouterr().err


def drawn_lineage():
    """A mother, four frames of daughters, one of which divides on frame 6 again; each value lies in one piece."""
    labels = np.zeros((9, 40, 60), np.uint16)
    for frame in range(9):
        labels[frame, 2:8, 50:56] = 2
        for one, (y, x, first, last) in {
            1: (16, 10, 0, 2),
            3: (8, 12, 3, 8),
            4: (22, 12, 3, 5),
            5: (18, 14, 6, 8),
            6: (28, 14, 6, 8),
        }.items():
            if first <= frame <= last:
                labels[frame, y : y + (14 if one == 1 else 8), x + frame : x + 10 + frame] = one
    return labels


def merged(labels):
    return np.where(labels == 2, 2, labels > 0).astype(np.uint16)


def cells_of(session):
    """Each object as what it covers on each frame, beside what its mother covers."""
    masks = {
        one: frozenset((f, m.box_yx) for f, m in session.masks.frames(one).items()) for one in session.document.objects
    }
    return {(masks[one], masks.get(info.parent)) for one, info in session.document.objects.items()}


def opened_as(labels):
    return Session.open(np.zeros(labels.shape, np.uint8), axes="TYX", predictor=DiscPredictor())


def test_a_lineage_under_one_value_is_split_into_the_tracks_that_it_was(caplog):
    labels = drawn_lineage()
    with opened_as(labels) as true, opened_as(labels) as split:
        true.import_tracks(tracks(labels, {3: 1, 4: 1, 5: 4, 6: 4}))
        split.import_tracks(tracks(merged(labels), {}), split_lineages=True)
        assert not caplog.messages
        assert cells_of(split) == cells_of(true)
        assert split.document.divisions == (Division(1, 3, (3, 4)), Division(4, 6, (5, 6)))


def test_pieces_that_join_again_soon_and_specks_are_no_daughters(caplog):
    labels = merged(drawn_lineage()[:3])
    labels = np.concatenate([labels] * 3)
    labels[3:5, 22:24] = 0  # in two for two frames
    labels[6:, 33:35, 10:12] = 1  # beside it for long, but small
    with opened_as(labels) as session:
        assert session.import_tracks(tracks(labels, {}), split_lineages=True) == (1, 2)
        np.testing.assert_array_equal(np.stack([session.labels(frame) for frame in range(9)]), labels)
        session.undo()
        session.import_tracks(tracks(labels, {}))
    assert not caplog.messages


def test_objects_in_pieces_are_told_of_once(caplog):
    labels = merged(drawn_lineage())
    with opened_as(labels) as session:
        assert session.import_tracks(tracks(labels, {})) == (1, 2)
    (told,) = caplog.messages
    assert "1 object is in several pieces on several frames in a row, as object 1 from frame 3 on" in told
    assert "--split-lineages" in told


def test_rows_of_a_table_for_objects_that_no_label_shows_are_named(session, tmp_path, caplog):
    tifffile.imwrite(tmp_path / "a.tif", LABELS, metadata={"axes": "TYX"}, photometric="minisblack")
    (tmp_path / "t.csv").write_text("id,parent\n2,1\n30,1\n20,1\n")
    session.import_tracks(tmp_path / "a.tif", tmp_path / "t.csv")
    (told,) = caplog.messages
    assert "rows for objects that no label shows, which are left out: 20, 30." in told


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("1 0 1 0\n2 2 2 1\n3 2 2 1\n4 1 1 0\n5 0 2 0\n", None),
        ("1 0 1 0\n2 2 2 1\n3 2 2 1\n4 1 1 0\n5 0 2 0\n9 0 1 0\n", "no label shows, which are left out: 9."),
        ("1 0 1 0\n2 2 2 1\n3 2 2 1\n5 0 2 0\n", "no row for labels that are there: 4;"),
        ("1 0 1 0\n2 2 2 1\n3 2 2 1\n4 0 2 0\n5 0 2 0\n", "as 4: frames 0 to 2 in the table, 1 to 1 in the labels"),
    ],
)
@pytest.mark.parametrize("first", [0, 7])
def test_a_table_of_the_challenge_is_held_against_its_masks(session, tmp_path, caplog, table, words, first):
    for frame, labels in enumerate(LABELS, start=first):
        tifffile.imwrite(tmp_path / f"mask{frame:03d}.tif", labels)
    lines = [line.split() for line in table.splitlines()]
    moved = [f"{one} {int(begin) + first} {int(end) + first} {parent}\n" for one, begin, end, parent in lines]
    (tmp_path / "res_track.txt").write_text("".join(moved))
    session.import_tracks(tmp_path)
    assert len(caplog.messages) == (words is not None)
    assert (words or "") in "".join(caplog.messages)


@pytest.mark.parametrize(("track_axis", "fixed"), [("T", "Z=1"), ("Z", "T=2")])
def test_labels_along_time_and_depth_are_cut_where_the_images_are(tmp_path, track_axis, fixed):
    volume = np.stack([LABELS, LABELS[::-1]], axis=1 if track_axis == "T" else 0)
    volume = volume if track_axis == "T" else np.concatenate([np.zeros_like(volume[:1]), volume])
    for name, stored in (("images", np.zeros(volume.shape, np.uint8)), ("labels", volume)):
        tifffile.imwrite(tmp_path / f"{name}.ome.tif", stored, metadata={"axes": "TZYX"})
    line = f"import {tmp_path}/images.ome.tif {tmp_path}/labels.ome.tif {tmp_path}/a.sam2"
    assert main(f"{line} --track-axis {track_axis} --fixed {fixed}".split()) == 0
    with Session.open(tmp_path / "a.sam2", predictor=DiscPredictor()) as opened:
        np.testing.assert_array_equal(np.stack([opened.labels(frame) for frame in range(3)]), LABELS[::-1])


def test_places_are_clicks_whose_masks_come_with_the_next_run_over_gaps_and_not_beyond():
    rows = [(1, 1, 20, 20), (1, 2, 20, 21), (2, 3, 12, 22), (2, 5, 12, 24), (3, 3, 30, 22)]
    with Session.open(np.zeros((8, 40, 48), np.uint8), axes="TYX", predictor=DiscPredictor()) as session:
        assert session.import_tracks(spots_of_tracks(rows, {2: 1, 3: 1})) == (1, 2, 3)
        assert not len(session.masks)
        for _ in session.propagate():
            pass
        there = {one: sorted(session.masks.frames(one)) for one in (1, 2, 3)}
        assert there == {1: [1, 2], 2: [3, 4, 5], 3: [3]}
        assert session.document.divisions == (Division(1, 3, (2, 3)),)
        session.undo()
        assert not session.document.prompts
        assert not session.document.events
        assert not len(session.masks)


def test_a_click_is_answered_before_the_places_that_wait():
    rows = [(one, frame, 20, 4 * one) for one in range(1, 6) for frame in range(6)]
    with Session.open(np.zeros((8, 40, 48), np.uint8), axes="TYX", predictor=DiscPredictor()) as session:
        session.import_tracks(spots_of_tracks(rows))
        session.add_points(9, 7, [(30, 30)])
        first = next(iter(session.run(session.preview_job(newest_first=True))))
        assert (first.frame_index, first.object_ids) == (7, (9,))


def test_gaps_of_a_mother_who_goes_on_are_filled_and_nothing_behind_her_last_place():
    rows = [*((1, frame, 20, 20) for frame in (0, 1, 2, 5)), (2, 2, 12, 22)]
    with Session.open(np.zeros((8, 40, 48), np.uint8), axes="TYX", predictor=DiscPredictor()) as session:
        session.import_tracks(spots_of_tracks(rows, {2: 1}))
        for _ in session.propagate():
            pass
        assert sorted(session.masks.frames(1)) == [0, 1, 2, 3, 4, 5]
        assert sorted(session.masks.frames(2)) == [2]


def test_tracks_of_another_plane_are_refused(tmp_path):
    stack, settings = np.zeros((3, 4, 16, 16), np.uint8), SessionSettings(fixed={"Z": 2})
    with Session.open(stack, axes="TZYX", settings=settings, predictor=DiscPredictor()) as session:
        (tmp_path / "t.csv").write_text("track_id,frame,z,y,x\n1,0,3,5,6\n1,1,3,5,7\n")
        with pytest.raises(StackError, match="lies on the plane Z=3, and the session works at Z=2"):
            session.import_tracks(tmp_path / "t.csv")
        (tmp_path / "t.csv").write_text("track_id,frame,z,y,x\n1,0,2,5,6\n1,1,2,5,7\n")
        assert session.import_tracks(tmp_path / "t.csv") == (1,)


def test_exports_say_that_places_have_no_masks_yet(tmp_path, caplog):
    with Session.open(np.zeros((3, 16, 16), np.uint8), axes="TYX", predictor=DiscPredictor()) as session:
        session.import_tracks(spots_of_tracks([(1, 0, 5, 6), (1, 1, 5, 7)]))
        session.saving.all_exporter(tmp_path / "all")()
    assert "2 prompts have no mask yet, so they are in none of the files" in caplog.text


def test_the_command_line_says_how_places_get_masks(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "m.tif", np.zeros((3, 16, 16), np.uint8), photometric="minisblack")
    (tmp_path / "t.csv").write_text("track_id,frame,y,x\n4,0,5,6\n4,1,5,7\n")
    assert main(f"import {tmp_path}/m.tif {tmp_path}/t.csv {tmp_path}/m.sam2".split()) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "1 object, 0 divisions. 2 places without an outline: their masks come with napari-sam2 track" in told
    with Session.open(tmp_path / "m.sam2", predictor=DiscPredictor()) as session:
        assert list(session.document.prompts) == [(4, 0), (4, 1)]
        assert session.document.events == (TrackEvent(4, 1, EventKind.dies),)
