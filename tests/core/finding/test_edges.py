from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from sam2_core.finding.edges import REACH, at_edges
from sam2_core.finding.found import FoundObject, cut_to_pixels
from sam2_core.finding.picture import Picture

PLACES = [(50, 50), (60, 130), (140, 90), (0, 180)]
RADIUS = 24
SHAPE = (190, 220)


def discs(places=PLACES, radius=RADIUS, shape=SHAPE):
    rows, columns = np.indices(shape)
    return [np.hypot(rows - y, columns - x) <= radius for y, x in places]


def seen(masks, bright=180.0, dark=40.0, noise=4.0):
    """What a microscope makes of them: blurred, and with the noise of a camera."""
    sharp = np.where(np.any(masks, axis=0), bright, dark)
    image = ndimage.gaussian_filter(sharp, 1.5) + np.random.default_rng(0).normal(0, noise, sharp.shape)
    return Picture.of(image.astype(np.float32))


def found(masks):
    return [FoundObject(*cut_to_pixels(mask, (0, 0)), (0.0, 0.0), 0.9) for mask in masks]


def grown(masks, pixels):
    change = ndimage.binary_dilation if pixels > 0 else ndimage.binary_erosion
    return [change(mask, iterations=abs(pixels), border_value=pixels < 0) if pixels else mask for mask in masks]


def ious(objects, masks):
    whole = [each.on_frame(masks[0].shape) for each in objects]
    return [(one & other).sum() / (one | other).sum() for one, other in zip(whole, masks, strict=True)]


@pytest.mark.parametrize("off", [-2, -1, 1, 2])
def test_outlines_of_something_bright_go_towards_its_edge(off):
    masks = discs()
    before = found(grown(masks, off))
    wrong = 1 - np.array(ious(before, masks))
    left = 1 - np.array(ious(at_edges(seen(masks), before), masks))
    assert (left < wrong).all()
    assert left.mean() < 0.8 * wrong.mean()


def test_outlines_at_the_edge_stay_there():
    masks = discs()
    assert min(ious(at_edges(seen(masks), found(masks)), masks)) > 0.96


def test_nothing_moves_further_than_its_reach():
    masks = discs(places=[(90, 90)])
    before = grown(masks, -6)[0]
    (after,) = at_edges(seen(masks), found([before]))
    reach = ndimage.distance_transform_edt(~before)[after.on_frame(before.shape)].max()
    assert 1 <= reach <= REACH * 2 * RADIUS + 0.5


@pytest.mark.parametrize(
    "picture",
    [
        seen(discs(), bright=40.0, dark=180.0),
        seen(discs(), bright=44.0, noise=12.0),
        seen(discs(), bright=40.0, noise=0.0),
        Picture.of(np.full(SHAPE, np.nan, np.float32)),
    ],
    ids=["dark", "hardly brighter", "flat", "nothing finite"],
)
def test_what_does_not_shine_stays_as_it_was_found(picture):
    before = found(grown(discs(), 1))
    after = at_edges(picture, before)
    assert ious(after, grown(discs(), 1)) == [1.0] * len(before)


def test_cells_with_no_ground_beside_them_stay_as_they_were_found():
    rows, columns = np.indices(SHAPE)
    masks = [(rows // 38 == row) & (columns // 44 == column) for row in range(5) for column in range(5)]
    image = np.random.default_rng(0).normal(100, 9, SHAPE) + 60 * (columns // 44 % 2)
    after = at_edges(Picture.of(image.astype(np.float32)), found(masks))
    assert ious(after, masks) == [1.0] * len(masks)


def test_two_that_touch_keep_their_border_and_share_no_pixel():
    masks = discs(places=[(90, 70), (90, 70 + 2 * RADIUS)])
    masks[1] &= ~masks[0]
    wide = grown(masks, 2)
    wide[1] &= ~wide[0]
    after = at_edges(seen(masks), found(wide))
    one, other = (each.on_frame(SHAPE) for each in after)
    assert not (one & other).any()
    assert (one[85:96, 90:99] == wide[0][85:96, 90:99]).all()  # where they touch
    assert (np.array(ious(after, masks)) > np.array(ious(found(wide), masks)) + 0.02).all()


def test_specks_and_no_objects_at_all_are_no_trouble():
    masks = discs(places=[(20, 20), (50, 50)], radius=1)
    assert ious(at_edges(seen(masks), found(masks)), masks) == [1.0, 1.0]
    assert at_edges(seen(masks), []) == ()


def test_two_halves_with_a_dark_neck_stay_whole():
    halves = discs(places=[(90, 60), (90, 130)])
    rows, columns = np.indices(SHAPE)
    neck = (abs(rows - 90) <= 2) & (columns > 60) & (columns < 130)
    before = found([halves[0] | halves[1] | neck])
    assert ious(at_edges(seen(halves), before), [halves[0] | halves[1] | neck]) == [1.0]


def test_what_is_not_wanted_at_its_edge_stays_as_it_was_found_and_shares_no_pixel():
    """Of two that touch the first one stays, and the second takes nothing of it."""
    masks = discs(places=[(90, 70), (90, 70 + 2 * RADIUS)])
    masks[1] &= ~masks[0]
    wide = grown(masks, 2)
    wide[1] &= ~wide[0]
    before = found(wide)
    after = at_edges(seen(masks), before, lambda each: each.box_xyxy[0] > 70)
    one, other = (each.on_frame(SHAPE) for each in after)
    assert (one == wide[0]).all()
    assert not (one & other).any()
    assert other.sum() < wide[1].sum()


@pytest.mark.parametrize("kind", ["colour", "two channels", "not finite", "bool", "saturated"])
def test_every_kind_of_image_shows_its_edges(kind):
    masks = discs()
    grey = seen(masks).pixels
    noise = np.random.default_rng(1).normal(9000, 2000, grey.shape).clip(0)
    image = {
        "colour": np.stack([grey, grey / 2, grey / 9], axis=-1).clip(0, 255).astype(np.uint8),
        "two channels": np.stack([noise, grey], axis=-1).astype(np.uint16),
        "not finite": np.where(np.indices(grey.shape)[0] < 20, np.nan, grey),
        "bool": np.any(masks, axis=0),
        "saturated": np.where(np.any(masks, axis=0), 65535, 0).astype(np.uint16),
    }[kind]
    before = found(grown(masks, 2))
    after = at_edges(Picture.of(image), before)
    assert np.mean(ious(after, masks)) > np.mean(ious(before, masks)) + 0.03
    assert np.sum([each.on_frame(grey.shape) for each in after], axis=0).max() == 1


@pytest.mark.parametrize("off", [0, 1])
def test_an_object_that_fills_the_frame_is_no_trouble(off):
    mask = np.ones(SHAPE, bool)
    mask[:off] = False
    assert ious(at_edges(seen(discs()), found([mask])), [mask]) == [1.0]


def test_an_object_stays_one_piece_without_holes():
    masks = discs(places=[(90, 90)])
    rows, columns = np.indices(SHAPE)
    dark_spot = np.hypot(rows - 90, columns - 112) < 2.5  # close to its edge
    picture = seen([masks[0] & ~dark_spot])
    (after,) = at_edges(picture, found(grown(masks, 1)))
    whole = after.on_frame(SHAPE)
    assert ndimage.label(whole)[1] == 1
    assert (ndimage.binary_fill_holes(whole) == whole).all()


def test_a_seed_is_a_pixel_of_its_object_wherever_the_outline_goes():
    """A ring that is open on one side, whose seed lies on the rim that it loses; and a disc whose seed stays."""
    rows, columns = np.indices(SHAPE)
    far = np.hypot(rows - 90, columns - 60)
    ring = (far <= 44) & (far >= 26) & ~((columns > 60) & (np.abs(rows - 90) < 20))
    disc = np.hypot(rows - 90, columns - 170) <= RADIUS
    wider = grown([ring, disc], 2)
    before = found(wider)
    edge = int(np.flatnonzero(wider[0][90]).max())
    before = [replace(before[0], seed_xy=(edge + 0.3, 90.2)), replace(before[1], seed_xy=(170.4, 89.6))]
    first, second = at_edges(seen([ring, disc]), before)
    assert not first.on_frame(SHAPE)[90, edge], "the outline moved away from the seed"
    x, y = first.seed_xy
    assert first.on_frame(SHAPE)[int(y), int(x)]
    near = np.argwhere(first.on_frame(SHAPE))
    assert np.hypot(y - 90.2, x - edge - 0.3) == pytest.approx(np.hypot(*(near - (90.2, edge + 0.3)).T).min())
    assert second.seed_xy == (170.4, 89.6)
