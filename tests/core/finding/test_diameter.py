"""On which diameter looks from near and from far settle, told what each of them sees."""

from __future__ import annotations

import pytest

from sam2_core.finding import diameter as diameters
from sam2_core.finding.diameter import diameter_steps
from sam2_core.finding.steps import result_of


class SeeingHead:
    dense_head = object()


def seen(monkeypatch, what):
    """Return the diameter where a crop of a side shows what `what(side)` says: (objects, diameter)."""

    def at(look, side):
        look.count, diameter = what(side)
        yield 0, 0
        return diameter

    monkeypatch.setattr(diameters.Look, "at", at)
    monkeypatch.setattr(diameters, "_busy", lambda picture, region: None)

    class Frame:
        frame_hw = (800, 800)

    return result_of(diameter_steps(SeeingHead(), Frame()))


def colony(side):
    """Cells of 40 px from near, groups of them from farther away, at last one colony."""
    return (12, 42.0) if side < 300 else (7, 80.0) if side < 500 else (1, 160.0)


def textured(side):
    """Cells of 12 px that look like larger ones from far away."""
    return (10, 31.0) if side > 200 else (14, 12.0)


def large(side):
    """Cells of 90 px, of which less is seen the nearer one looks."""
    return (max(2, round(20 * (side / 800) ** 2)), 90.0 * (1 + 0.1 * (side < 400)))


def embryo(side):
    """Nuclei of 12 px, too many and too faint to be seen in the first crop; from far away, one body."""
    return (16, 14.0) if side < 80 else (30, 12.0) if side < 200 else (0, None) if side < 300 else (2, 380.0)


def huge(side):
    """A cell of 600 px: nothing of it in the first crop, specks from near, itself from far away."""
    return (5, 25.0) if side < 100 else (0, None) if side < 500 else (1, 600.0)


def lost(side):
    """Two specks of 10 px in a frame of nothing else: seen from near alone."""
    return (2, 10.0) if side < 100 else (0, None)


@pytest.mark.parametrize(
    ("what", "diameter"), [(colony, 42), (textured, 12), (large, 90), (embryo, 12), (huge, 600), (lost, 10)]
)
def test_what_is_seen_from_near_counts_where_far_away_shows_groups(monkeypatch, what, diameter):
    assert seen(monkeypatch, what) == pytest.approx(diameter, rel=0.15)


def test_looks_that_go_to_and_fro_are_followed_by_one_between_them(monkeypatch):
    assert seen(monkeypatch, lambda side: (20, 39.0 - 0.12 * (side - 256))) == pytest.approx(35, abs=0.5)


def test_looks_that_never_agree_tell_nothing(monkeypatch):
    said = iter([10.0, 50.0, 14.0, 90.0, 9.0, 60.0, 12.0, 80.0])
    assert seen(monkeypatch, lambda side: (5, next(said))) is None


def test_where_nothing_is_seen_nothing_is_told(monkeypatch):
    assert seen(monkeypatch, lambda side: (0, None)) is None


def test_no_size_is_told_that_cannot_be_asked_for(monkeypatch):
    """What one frame tells is asked for on the others: a movie of 8 x 8 px was refused for a size nobody gave."""
    assert seen(monkeypatch, lambda side: (7, 1.6)) == diameters.LEAST_DIAMETER_PX
