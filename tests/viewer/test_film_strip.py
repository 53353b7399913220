"""The film strip and the layer of outlines: which frames, which part of the image, who in which colour."""

from __future__ import annotations

import numpy as np
from linked_squares import FRAMES, SIZE, square, take

from napari_sam2.document.reviews import At, Place
from napari_sam2.review.fixes import Fix, Verb
from napari_sam2.viewer.film_strip import film_of, window_around
from napari_sam2.viewer.roles import COLORS, Role, roles_at


def rgb(role):
    return tuple(int(COLORS[role][place : place + 2], 16) for place in (1, 3, 5))


def colors_in(picture):
    return {tuple(one) for one in picture.reshape(-1, 3).tolist()}


def filled(make_desk):
    movie = np.full((FRAMES, *SIZE), 40, np.uint8)
    desk = make_desk(movie, contrast_limits=(0, 200))
    take(desk.session, {(one, frame): square(one, frame) for one in (1, 2, 3) for frame in range(FRAMES)})
    return desk


def test_frames_around_are_pictured_each_with_the_same_part_of_the_image(make_desk):
    desk = filled(make_desk)
    box = desk.session.review.box_of(Place(At.step, 2, 1))
    stills = film_of(desk.session, 1, box, {2: Role.chief, 3: Role.first}, side=96)()
    assert [still.frame for still in stills] == [-2, -1, 0, 1, 2, 3, 4]
    assert [still.picture is None for still in stills] == [True, True, False, False, False, False, False]
    assert {rgb(Role.chief), rgb(Role.first), (128, 128, 128), (51, 51, 51)} <= colors_in(stills[3].picture)
    y0, x0, side = window_around(box)
    for still in stills[2:5]:
        y, x = (np.argwhere((still.picture == rgb(Role.chief)).all(axis=-1)) * side / 96).mean(axis=0)
        np.testing.assert_allclose((y0 + y, x0 + x), (4 + 24 + 3.5, 20 + 2 * still.frame + 3.5), atol=0.7)


def test_beyond_the_image_it_is_black(make_desk):
    desk = filled(make_desk)
    (still,) = [one for one in film_of(desk.session, 2, (0.0, 0.0, 8.0, 8.0), {}, side=48)() if one.frame == 2]
    assert not still.picture[:10, :10].any()
    assert (still.picture[-5:, -5:] > 0).all()


def test_roles_follow_the_alternatives_and_the_cell_in_question_is_chief():
    fixes = (Fix(Verb.connect, ((3, 1), (2, 2))), Fix(Verb.divide, ((4, 1), (4, 2), (2, 2))))
    roles = roles_at(Place(At.begin, 2, 2), fixes, chosen=(9,))
    assert roles == {2: Role.chief, 3: Role.first, 4: Role.second, 9: Role.chosen}
    assert roles_at(Place(At.proposal, 2, 2)) == {}


def test_cells_in_question_are_outlined_in_the_image_while_somebody_reviews(make_desk):
    desk = filled(make_desk)
    active = desk.viewer.layers.selection.active
    desk.binding.review(True)
    layer = desk.binding.marked.layer
    assert layer in desk.viewer.layers
    assert desk.viewer.layers.selection.active is active
    desk.binding.marked.mark({2: Role.chief})
    plane = np.asarray(layer.data[0])
    assert set(np.unique(plane)) == {0, Role.chief}
    assert plane[28, 20] == Role.chief
    assert plane[32, 24] == 0, "the inside is left open"
    desk.session.remove_object(2)
    assert not np.asarray(layer.data[0]).any()
    desk.binding.review(False)
    assert layer not in desk.viewer.layers
