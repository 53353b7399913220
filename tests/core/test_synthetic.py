"""The synthetic movie generator: exact labels, stable ids, lineage that agrees with the labels, determinism."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import regionprops

from sam2_core.training.synthetic import (
    LineageRow,
    MovieSettings,
    SyntheticMovie,
    adherent_settings,
    capsule_settings,
    colony_settings,
    growing_rod_settings,
    make_movie,
    random_settings,
    rod_settings,
    tissue_settings,
)
from sam2_core.training.synthetic.movie_settings import KINDS, STYLES

SMALL = MovieSettings(frames=5, height=96, width=112, cells=6, diameter_px=22.0)


def _random_movies(count: int) -> list[SyntheticMovie]:
    settings = [random_settings(np.random.default_rng(seed), frames=5, height=128, width=144) for seed in range(count)]
    return [make_movie(one, seed) for seed, one in enumerate(settings)]


@pytest.fixture(scope="module")
def movies() -> list[SyntheticMovie]:
    """Twenty-four movies over all styles and kinds."""
    return _random_movies(24)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_style_and_kind_gives_images_and_labels_of_the_asked_shape(style: str, kind: str) -> None:
    movie = make_movie(replace(SMALL, style=style, kind=kind), 3)
    assert movie.images.shape == movie.labels.shape == (5, 96, 112)
    assert movie.images.dtype == np.uint16
    assert movie.labels.dtype == np.uint16
    assert movie.labels[0].max() >= 3
    assert movie.images.std() > 0


def test_eight_bits_when_asked() -> None:
    assert make_movie(replace(SMALL, bits=8), 0).images.dtype == np.uint8


def test_the_same_seed_gives_the_same_movie_and_another_seed_another() -> None:
    first, again, other = (make_movie(SMALL, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.lineage == again.lineage
    assert not np.array_equal(first.labels, other.labels)


def test_lineage_says_exactly_when_each_label_is_seen(movies: list[SyntheticMovie]) -> None:
    for movie in movies:
        for row in movie.lineage:
            frames = np.flatnonzero((movie.labels == row.object_id).any((1, 2)))
            assert (frames[0], frames[-1]) == (row.first_frame, row.last_frame), f"seed {movie.seed}, {row}"


def test_ids_are_consecutive_from_one_in_order_of_appearance(movies: list[SyntheticMovie]) -> None:
    for movie in movies:
        ids = [row.object_id for row in movie.lineage]
        assert ids == list(range(1, len(ids) + 1)), f"seed {movie.seed}"
        assert set(np.unique(movie.labels)) - {0} == set(ids), f"seed {movie.seed}"
        first = [row.first_frame for row in movie.lineage]
        assert first == sorted(first), f"seed {movie.seed}"


def test_every_object_is_one_connected_piece(movies: list[SyntheticMovie]) -> None:
    for movie in movies:
        for frame in (0, len(movie.labels) - 1):
            for value in np.unique(movie.labels[frame])[1:]:
                pieces = ndimage.label(movie.labels[frame] == value)[1]
                assert pieces == 1, f"seed {movie.seed}, frame {frame}, object {value}"


def test_an_object_stays_where_it_was_from_frame_to_frame() -> None:
    movie = make_movie(replace(SMALL, divide_probability=0.0, leave_probability=0.0, enter_probability=0.0), 11)
    for value in np.unique(movie.labels[0])[1:]:
        before, after = movie.labels[0] == value, movie.labels[1] == value
        assert (before & after).sum() > 0.5 * before.sum(), f"object {value}"


def _divisions(movie: SyntheticMovie) -> dict[int, list[LineageRow]]:
    children: dict[int, list[LineageRow]] = {}
    for row in movie.lineage:
        if row.parent:
            children.setdefault(row.parent, []).append(row)
    return children


def test_a_dividing_cell_ends_and_two_new_ids_begin_beside_it() -> None:
    settings = replace(SMALL, frames=12, divide_probability=1.0, leave_probability=0.0, enter_probability=0.0)
    movie = make_movie(settings, 2)
    children = _divisions(movie)
    assert len(children) >= 3
    rows = {row.object_id: row for row in movie.lineage}
    pairs = {parent: both for parent, both in children.items() if len(both) == 2}
    assert pairs
    for parent, both in pairs.items():
        end = rows[parent].last_frame
        assert [row.first_frame for row in both] == [end + 1, end + 1]
        mother = ndimage.binary_dilation(movie.labels[end] == parent, iterations=6)
        for row in both:
            there = movie.labels[end + 1] == row.object_id
            assert (there & mother).sum() > 0.4 * there.sum(), f"daughter {row}"


def test_a_budding_mother_lives_on_and_its_bud_grows() -> None:
    settings = replace(SMALL, kind="yeast", style="phase", frames=12, divide_probability=1.0, leave_probability=0.0)
    movie = make_movie(replace(settings, enter_probability=0.0, cells=3), 4)
    rows = {row.object_id: row for row in movie.lineage}
    buds = [row for row in movie.lineage if row.parent and row.last_frame - row.first_frame >= 5]
    assert buds
    for bud in buds:
        assert rows[bud.parent].last_frame >= bud.first_frame
    areas = (movie.labels == buds[0].object_id).sum((1, 2))
    assert areas[buds[0].last_frame] > 1.5 * areas[buds[0].first_frame]


def test_cells_leave_and_enter_only_when_asked() -> None:
    still = replace(SMALL, frames=16, divide_probability=0.0, leave_probability=0.0, enter_probability=0.0)
    stays = make_movie(still, 7)
    assert all((row.first_frame, row.last_frame) == (0, 15) for row in stays.lineage)
    leaves = make_movie(replace(still, leave_probability=1.0), 7)
    assert any(row.last_frame < 15 for row in leaves.lineage)
    enters = make_movie(replace(still, enter_probability=1.0), 7)
    assert any(row.first_frame > 0 for row in enters.lineage)


def test_fluorescent_cells_are_brighter_than_the_background_and_inversion_turns_it_round() -> None:
    for inverted in (False, True):
        movie = make_movie(replace(SMALL, inverted=inverted), 1)
        inside, outside = movie.images[movie.labels > 0].mean(), movie.images[movie.labels == 0].mean()
        assert (inside > outside) != inverted


def test_bleaching_darkens_later_frames() -> None:
    movie = make_movie(replace(SMALL, bleaching=0.2, divide_probability=0.0, leave_probability=0.0), 1)
    assert movie.images[-1][movie.labels[-1] > 0].mean() < 0.7 * movie.images[0][movie.labels[0] > 0].mean()


def test_pressed_cells_touch_without_a_gap() -> None:
    movie = make_movie(replace(SMALL, cells=48, overlap=0.3, kind="amoeboid"), 0)
    grown = ndimage.grey_dilation(movie.labels[0], size=3)
    touching = (movie.labels[0] > 0) & (grown != movie.labels[0])
    assert touching.sum() > 200
    assert (movie.labels[0] > 0).mean() > 0.8


def test_a_margin_outlines_the_same_cells_inside_their_edges_one_piece_each() -> None:
    settings = replace(SMALL, kind="yeast", crowding=1.0, overlap=0.1, cells=8, divide_probability=1.0)
    loose, tight = make_movie(settings, 2), make_movie(replace(settings, margin=0.12), 2)
    np.testing.assert_array_equal(loose.images, tight.images)
    for outer, inner in zip(loose.labels, tight.labels, strict=True):
        edge = ndimage.distance_transform_edt(outer > 0)
        assert 0 < np.count_nonzero(inner) < np.count_nonzero(outer)
        assert edge[inner > 0].min() >= 0.12 * SMALL.diameter_px - 0.5
        assert all(ndimage.label(inner == value)[1] == 1 for value in np.unique(inner)[1:])


def test_random_settings_vary_and_follow_the_generator() -> None:
    drawn = [random_settings(np.random.default_rng(seed)) for seed in range(200)]
    assert drawn[17] == random_settings(np.random.default_rng(17))
    assert {one.style for one in drawn} == set(STYLES)
    assert {one.kind for one in drawn} == set(KINDS)
    assert min(one.diameter_px for one in drawn) < 20
    assert max(one.diameter_px for one in drawn) > 80
    assert any(one.inverted for one in drawn)


def test_colonies_hold_touching_cells_of_all_sizes_and_new_buds() -> None:
    ratios, buds = [], 0
    for seed in range(6):
        movie = make_movie(colony_settings(np.random.default_rng(seed), height=160, width=160), seed)
        assert movie.style in ("phase", "dic")
        areas = np.bincount(movie.labels[-1].ravel())[1:]
        ratios.append(areas.max() / areas[areas > 0].min())
        buds += sum(row.parent > 0 for row in movie.lineage)
    assert max(ratios) > 4, f"seeds 0 to 5: largest to smallest cell {ratios}"
    assert buds > 10, f"seeds 0 to 5: {buds} buds"


def test_rods_are_long_and_some_lie_side_by_side() -> None:
    ratios, touching = [], 0
    for seed in range(6):
        settings = replace(rod_settings(np.random.default_rng(seed), frames=1, height=160, width=160), cells=12)
        labels = make_movie(settings, seed).labels[0]
        for value in np.unique(labels[labels > 0]):
            rows, columns = np.nonzero(labels == value)
            if rows.size > 100:
                spread = np.linalg.eigvalsh(np.cov(np.stack([rows, columns])))
                ratios.append(float(np.sqrt(spread[1] / spread[0])))
        beside = (labels[:, 1:] != labels[:, :-1]) & (labels[:, 1:] > 0) & (labels[:, :-1] > 0)
        touching += int(beside.any())
    assert np.median(ratios) > 1.7, f"seeds 0 to 5: length to width {ratios}"
    assert touching >= 3, f"seeds 0 to 5: {touching} colonies in which rods touch"


def test_capsules_are_outlined_inside_of_what_is_dark() -> None:
    longest, rises = [], []
    for seed in range(8):
        movie = make_movie(capsule_settings(np.random.default_rng(seed), frames=1), seed)
        image, labels = movie.images[0].astype(float), movie.labels[0]
        depth = ndimage.distance_transform_edt(labels > 0)
        away = ndimage.distance_transform_edt(labels == 0)
        dark, grey = np.median(image[depth > 0.6 * depth.max()]), np.median(image[(away > 6) & (away < 12)])
        rim = np.median(image[(depth > 0) & (depth < 1.5)])
        rises.append((rim - dark) / (grey - dark))
        longest += [one.axis_major_length / one.axis_minor_length for one in regionprops(labels) if one.area > 150]
    assert np.median(longest) > 2.2, f"seeds 0 to 7: length to width {longest}"
    assert np.median(rises) < 0.2, f"seeds 0 to 7: how light outlines are, between inside and around {rises}"


@pytest.mark.parametrize("seed", range(4))
def test_rods_grow_and_become_two_again_and_again(seed: int) -> None:
    settings = replace(growing_rod_settings(np.random.default_rng(seed)), cells=2, doubling=5.0, drift_px=0.0)
    movie = make_movie(settings, seed)
    parents = {row.object_id: row.parent for row in movie.lineage if row.parent}
    daughters = [[one for one, parent in parents.items() if parent == mother] for mother in set(parents.values())]
    assert {len(each) for each in daughters} <= {1, 2}, "one where the other was born outside"
    assert len(set(parents.values()) & set(parents)) > 4, "daughters that divided"
    born = {row.object_id: row.first_frame for row in movie.lineage}
    shares = []
    for one, other in (each for each in daughters if len(each) == 2):
        frame = born[one]
        before, after = movie.labels[frame - 1] == parents[one], np.isin(movie.labels[frame], (one, other))
        shares.append(np.count_nonzero(before & after) / np.count_nonzero(after))
    assert np.median(shares) > 0.6, "daughters lie where their mother was"


def test_adherent_cells_have_hollow_outlines_and_shine_by_their_thickness() -> None:
    solid, rises, styles = [], [], set()
    for seed in range(12):
        settings = adherent_settings(np.random.default_rng(seed), frames=1)
        styles.add(settings.style)
        movie = make_movie(settings, seed)
        for one in regionprops(movie.labels[0]):
            if one.area > 150:
                solid.append(one.solidity)
        if settings.style == "fluorescence" and not settings.inverted:
            inside = movie.labels[0] > 0
            depth = ndimage.distance_transform_edt(inside)
            shallow, deep = (depth > 0) & (depth < 4), depth > 0.5 * depth.max()
            rises.append(np.median(movie.images[0][deep]) / np.median(movie.images[0][shallow]))
    assert styles == set(STYLES)
    assert np.quantile(solid, 0.1) < 0.82, f"seeds 0 to 11: {np.quantile(solid, [0.1, 0.5])}"
    assert min(rises) > 1.1, f"seeds 0 to 11: {rises}"


def test_tissue_leaves_no_gaps_and_its_cells_meet_where_the_light_is() -> None:
    covered = []
    for seed in range(6):
        settings = replace(tissue_settings(np.random.default_rng(seed), frames=2), membrane=1.0)
        settings = replace(settings, blur_px=0.8, photons=4000.0, background=0.0, haze=0.0, reach=2.0)
        movie = make_movie(settings, seed)
        labels, image = movie.labels[0], movie.images[0].astype(float)
        covered.append((labels > 0).mean())
        seams = ndimage.maximum_filter(labels, 3) != ndimage.minimum_filter(labels, 3)
        middles = ndimage.distance_transform_edt(~seams) > 0.25 * settings.diameter_px
        assert image[seams].mean() > 1.5 * image[middles].mean(), f"seed {seed}"
    assert np.mean(covered) > 0.97, f"seeds 0 to 5: {covered}"


def test_a_cell_with_reach_spreads_by_it_where_it_has_room() -> None:
    alone = replace(SMALL, cells=1, leave_probability=0.0, enter_probability=0.0, divide_probability=0.0)
    usual, spread = (make_movie(replace(alone, reach=reach), 3).labels[0] > 0 for reach in (1.0, 1.5))
    assert spread[1:-1, 1:-1].sum() == spread.sum(), "the border does not cut it"
    assert spread[usual].all()
    assert spread.sum() / usual.sum() == pytest.approx(1.5**2, rel=0.05)


def test_a_fixed_style_is_kept() -> None:
    assert {random_settings(np.random.default_rng(seed), style="dic").style for seed in range(10)} == {"dic"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": 0}, "frames is 0"),
        ({"reach": 0.0}, "reach is 0.0"),
        ({"diameter_px": -3.0}, "diameter_px is -3.0"),
        ({"style": "xray"}, "unknown style 'xray'"),
        ({"kind": "plant"}, "unknown kind 'plant'"),
    ],
)
def test_settings_that_cannot_be_drawn_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)
