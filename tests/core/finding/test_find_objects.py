from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from bright_model import BrightModel, discs

from sam2_core.errors import PromptError, StackError
from sam2_core.finding import FindingOptions, find_diameter, find_objects, find_steps, finder
from sam2_core.finding.tile_plan import tiles_for

PLACES = [(x, y) for y in range(30, 400, 52) for x in range(22, 500, 47)]
DIAMETER = 26


@pytest.fixture(scope="module")
def scene():
    return discs((410, 520), PLACES, DIAMETER)


@pytest.fixture
def model():
    return BrightModel()


def told(**options):
    return FindingOptions(diameter_px=DIAMETER, **options)


def ious(found, labels):
    """The IoU of each true object with the found one at its middle."""
    seen = found.labels()
    for label in range(1, labels.max() + 1):
        truth = labels == label
        rows, columns = np.nonzero(truth)
        mine = seen == seen[int(np.median(rows)), int(np.median(columns))]
        yield (truth & mine).sum() / (truth | mine).sum()


def test_each_object_is_found_once_wherever_tiles_meet(model, scene):
    image, labels = scene
    found = find_objects(model, image, told())
    assert len(tiles_for(image.shape, DIAMETER, model.image_size)) > 4
    assert len(found) == len(PLACES) <= model.clicked < 1.3 * len(PLACES)
    assert min(ious(found, labels)) > 0.85
    assert (found.method, found.is_told, found.diameter_px) == ("seeds", True, DIAMETER)
    scores = [each.score for each in found.objects]
    assert scores == sorted(scores, reverse=True)
    assert 0 <= min(scores) <= max(scores) <= 1


def test_nothing_but_what_is_spare_is_asked_for_twice(model, scene, monkeypatch):
    monkeypatch.setattr(finder, "SPARE", 0.0)
    assert len(find_objects(model, scene[0], told())) == len(PLACES) == model.clicked


class Shifted(BrightModel):
    """Sees the middle of an object a map pixel farther from the middle of the tile than it is."""

    def see_objects(self, features):
        maps = super().see_objects(features)
        side = maps.foreground.shape[-1]
        outwards = torch.sign(torch.arange(side) - side / 2 + 0.5).expand(side, side)
        return replace(maps, offsets=maps.offsets + torch.stack([outwards, outwards.T]))


def test_no_tile_leaves_an_object_to_another_one_that_leaves_it_too():
    for start in range(0, 48, 4):  # some objects lie where tiles meet, wherever that is
        image, labels = discs((470, 590), [(x + start, y + start) for x, y in PLACES], DIAMETER)
        found = find_objects(Shifted(), image, told())
        assert len(found) == len(PLACES)
        assert min(ious(found, labels)) > 0.85


@pytest.mark.parametrize(("has_head", "width"), [(True, 12), (False, 24)])
def test_what_is_longer_than_tiles_overlap_is_found_whole(has_head, width):
    labels = np.zeros((300, 420), int)
    for place in range(16):  # bars of 70 pixels, tiles overlap by 28 at most
        row, column = divmod(place, 4)
        labels[20 + 68 * row : 20 + width + 68 * row, 20 + 98 * column : 90 + 98 * column] = place + 1
    image = np.where(labels > 0, 220, 20).astype(np.uint8)
    model = BrightModel(has_head=has_head)
    found = find_objects(model, image, told(least_score=0.1))
    assert model.encoded > len(tiles_for(image.shape, DIAMETER, model.image_size)) > 4
    assert len(found) == 16
    assert min(ious(found, labels)) > 0.85


def test_the_diameter_is_found_and_said(model, scene):
    found = find_objects(model, scene[0])
    assert not found.is_told
    assert found.diameter_px == pytest.approx(find_diameter(model, scene[0]))
    assert found.diameter_px == pytest.approx(DIAMETER, rel=0.25)
    assert len(found) == len(PLACES)


def test_a_diameter_that_was_found_in_noise_can_be_asked_for_again(model):
    noise = np.random.default_rng(0).integers(0, 255, (100, 140), dtype=np.uint8)
    found = find_objects(model, noise)
    assert not found.is_told
    assert find_objects(model, noise, FindingOptions(diameter_px=found.diameter_px)).is_told


@pytest.mark.parametrize("value", [0, 255])
def test_an_empty_frame_asks_for_the_diameter_and_holds_nothing(model, value):
    found = find_objects(model, np.full((200, 300), value, np.uint8) * (value == 0))
    assert (len(found), found.diameter_px) == (0, None)
    assert "diameter" in found.remark
    assert found.labels().shape == (200, 300)


def test_a_region_limits_what_is_looked_at_and_found(model, scene):
    region = np.zeros(scene[0].shape, bool)
    region[200:, 260:] = True
    found = find_objects(model, scene[0], told(region=region))
    assert model.encoded < len(tiles_for(region.shape, DIAMETER, model.image_size))
    assert len(found) == sum(x >= 260 and y >= 200 for x, y in PLACES)


def test_sizes_borders_and_scores_leave_objects_out(model):
    image, _ = discs((200, 300), [(60, 60), (150, 120), (0, 150)], 26)
    image[100:106, 220:226] = 200
    assert len(find_objects(model, image, told())) == 4
    assert len(find_objects(model, image, told(min_diameter_px=12))) == 3
    assert len(find_objects(model, image, told(max_diameter_px=12))) == 1
    assert len(find_objects(model, image, told(min_diameter_px=12, keep_border=False))) == 2
    assert len(find_objects(model, image, told(least_score=1.0))) == 0


@pytest.mark.parametrize(("dtype", "bright", "dark"), [(np.uint16, 40000, 1000), (np.float32, 0.9, 0.1), (bool, 1, 0)])
def test_any_type_is_read_with_its_limits(model, dtype, bright, dark):
    image, _ = discs((200, 300), [(60, 60), (150, 120)], DIAMETER, dtype, bright, dark)
    assert len(find_objects(model, image, told())) == 2
    assert len(find_objects(model, np.repeat(image[..., None], 3, axis=2), told())) == 2


def test_limits_of_the_stack_hold(model):
    image, _ = discs((200, 300), [(60, 60)], DIAMETER, np.uint16, 300, 100)
    assert len(find_objects(model, image, told())) == 1
    assert len(find_objects(model, image, told(), contrast_limits=(0, 60000))) == 0


def test_without_a_head_a_grid_of_points_finds_the_same_when_told_the_diameter(scene):
    model = BrightModel(has_head=False)
    found = find_objects(model, scene[0], told())
    assert (len(found), found.method) == (len(PLACES), "grid")
    assert model.clicked > 4 * len(PLACES)
    assert "diameter" in find_objects(model, scene[0]).remark


def test_features_come_from_the_caller_who_keeps_them(model, scene):
    kept = {}

    def encode(windows, image):
        for window in windows:
            if window not in kept:
                kept[window] = model.encode_image(image(window))
        return [kept[window] for window in windows]

    first = find_objects(model, scene[0], told(), encode=encode)
    encoded = model.encoded
    again = find_objects(model, scene[0], told(), encode=encode)
    assert model.encoded == encoded == len(kept)
    np.testing.assert_array_equal(first.labels(), again.labels())


@pytest.mark.parametrize("at_once", [1, 2])
def test_work_goes_tile_by_tile_and_ends_when_it_is_closed(model, scene, at_once, monkeypatch):
    said = []
    expected = find_objects(model, scene[0], told()).labels()
    monkeypatch.setattr(finder, "PIXELS_AT_ONCE", at_once * model.image_size**2)
    found = find_objects(model, scene[0], told(), progress=lambda done, total: said.append((done, total)))
    np.testing.assert_array_equal(found.labels(), expected)
    tiles = len(tiles_for(scene[0].shape, DIAMETER, model.image_size))
    assert said == [(done, tiles) for done in range(1, tiles + 1)]
    steps = find_steps(model, scene[0], told())
    encoded = model.encoded
    next(steps)
    steps.close()
    assert model.encoded == encoded + at_once < encoded + tiles


@pytest.mark.parametrize("diameter", [0, -3, np.nan, np.inf, 1])
def test_a_diameter_that_is_none_is_refused_by_its_value(model, scene, diameter):
    with pytest.raises(PromptError, match=str(diameter)):
        find_objects(model, scene[0], FindingOptions(diameter_px=diameter))


def test_other_options_that_cannot_be_used_are_refused(model, scene):
    with pytest.raises(PromptError, match="region"):
        find_objects(model, scene[0], told(region=np.ones((3, 3), bool)))
    with pytest.raises(PromptError, match=r"1\.5"):
        find_objects(model, scene[0], told(least_score=1.5))
    for limits, message in (
        ({"min_diameter_px": 50, "max_diameter_px": 10}, "min_diameter_px is 50 and max_diameter_px 10"),
        ({"min_diameter_px": float("nan")}, "min_diameter_px is nan"),
        ({"max_diameter_px": 0}, "max_diameter_px is 0"),
    ):
        with pytest.raises(PromptError, match=message):
            find_objects(model, scene[0], told(**limits))
    with pytest.raises(StackError, match="shape"):
        find_objects(model, np.zeros(5))
