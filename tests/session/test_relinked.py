"""Links are decided anew around what a person corrected: theirs stays, a program's follows, and it is one step."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from finding_predictor import FindingPredictor
from moving_square import SIZE, left, square

from napari_sam2.document.objects import LinkStatus
from napari_sam2.lineage.tracks import tracks_of
from napari_sam2.masks.stored_masks import MaskStatus
from napari_sam2.session import Session

FRAMES = 7
SIZE_OF_BUDS = (128, 128)


def movie():
    """A square that moves and is missed on frames 3 and 4, and a still one far away."""
    frames = np.zeros((FRAMES, *SIZE), np.uint8)
    for frame, image in enumerate(frames):
        if frame not in (3, 4):
            image[6:15, left(frame) : left(frame) + 9] = 200
        image[46:55, 60:69] = 240
    return frames


@pytest.fixture
def session():
    """Both parts of the moving square are tracks; a person paints the first one on where it was missed."""
    with Session.open(movie(), axes="TYX", predictor=FindingPredictor()) as made:
        made.change_settings(contrast_limits=((0, 255),))
        made.proposals.find(frames=None, diameter_px=10)
        made.proposals.link()
        for frame in (3, 4):
            made.edit_mask(at(made, 0, 10, 8), frame, square(frame))
        yield made


def at(session, frame, y, x):
    return int(session.labels(frame)[y, x])


def everything(session):
    document = session.document
    said = dict(document.objects), document.divisions, document.events, dict(document.claims)
    return said, dict(sorted(session.masks.items()))


def test_what_a_person_painted_goes_on_with_what_a_program_found(session):
    one, other, far = at(session, 0, 10, 8), at(session, 6, 10, 20), at(session, 0, 50, 64)
    before = everything(session)
    assert one != other
    assert session.lineage.relink() == (one,)
    tracks = tracks_of(session.document, session.masks)
    assert set(tracks) == {one, far} == set(session.document.objects)
    assert (tracks[one].begin, tracks[one].end) == (0, 6)
    assert all((session.labels(frame) == one).sum() == 81 for frame in range(FRAMES))
    assert session.masks.get((one, 4)).status is MaskStatus.edited
    assert session.document.claims[one].confidence(5) > 0.5
    assert not [event for event in session.document.events if event.object_id == one and event.frame == 2]
    after = everything(session)
    assert session.lineage.relink() == ()
    assert session.undo_text == "link anew"
    assert session.undo()
    assert everything(session) == before
    assert session.redo()
    assert everything(session) == after


@pytest.mark.parametrize("way", ["locked", "looked at", "ended"])
def test_what_a_person_closed_stays_as_it_is(session, way):
    one, other = at(session, 0, 10, 8), at(session, 6, 10, 20)
    if way == "locked":
        session.set_locked(one, True)
    elif way == "looked at":
        session.set_links([other], LinkStatus.looked_at)
    else:
        session.edit_mask(one, 5, np.zeros(SIZE, bool))
    before = everything(session)
    assert session.lineage.relink() == ()
    assert everything(session) == before


@pytest.mark.parametrize("label", [0, 1])
def test_a_click_whose_mask_is_not_made_yet_is_not_lost(session, label):
    """It lies behind the last mask of a person's object, where the other track would go on."""
    one = at(session, 0, 10, 8)
    session.add_points(one, 6, [(50, 10)], [label])
    before = everything(session), dict(session.document.prompts)
    assert session.lineage.relink() == ()
    assert (everything(session), dict(session.document.prompts)) == before


@pytest.mark.parametrize("verb", ["end", "begin"])
def test_an_end_and_a_beginning_that_a_person_made_stay(session, verb):
    if verb == "end":
        session.surgery.end_here(at(session, 0, 10, 8), 4)
    else:
        session.surgery.begin_here(at(session, 5, 10, 18), 5)
    before = everything(session)
    assert session.lineage.relink() == ()
    assert everything(session) == before


def test_the_name_of_a_part_is_kept(session):
    one, other = at(session, 0, 10, 8), at(session, 6, 10, 20)
    session.rename_object(other, "mother")
    assert session.lineage.relink() == (one,)
    assert session.document.objects[one].name == "mother"


@pytest.mark.parametrize("is_division", [True, False])
def test_who_divides_stays_the_mother_where_a_wrong_link_goes_on_the_frame_of_the_division(tmp_path, is_division):
    """The mother jumps on frame 4; a neighbour that a person painted there has links near by decided anew."""
    labels = np.zeros((8, 128, 128), np.uint16)
    for frame, plane in enumerate(labels):
        y = 20 if frame < 4 else 90
        plane[y : y + 20, 20:40] = 1
        plane[60:80, 45:65] = 3
        plane[112:124, 25:37] = 2 if frame >= 4 else 0
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    (tmp_path / "parents.csv").write_text("object_id,parent\n1,0\n2,1\n3,0\n")
    with Session.open(np.zeros(labels.shape, np.uint8), axes="TYX") as session:
        session.import_tracks(tmp_path / "labels.tif", parents=None if is_division else tmp_path / "parents.csv")
        if is_division:
            session.divide(1, 4, [2])
        for frame in (3, 4):
            painted = np.zeros(SIZE_OF_BUDS, bool)
            painted[58:82, 40:60] = True
            session.edit_mask(3, frame, painted)
        (mother, new) = session.relink()
        assert (mother, session.document.objects[2].parent) == (1, 1)
        assert list(session.masks.frames(new)) == [4, 5, 6, 7]
        assert [one.mother for one in session.document.divisions] in ([1], [])
        assert tracks_of(session.document, session.masks)[1].end == 3
