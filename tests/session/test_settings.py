from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from disc_predictor import DiscPredictor

from napari_sam2.session import Session, SessionSettings
from napari_sam2.session.settings import changed_fields, invalidated, setting
from sam2_core.errors import StackError


def test_every_setting_says_what_it_is_for():
    for name, field in SessionSettings.model_fields.items():
        assert field.title, name
        assert field.description, name


def test_the_table_in_the_documentation_is_that_of_the_fields():
    page = (Path(__file__).parents[2] / "docs" / "sessions.md").read_text(encoding="utf-8")
    for name in SessionSettings.model_fields:
        told = setting(name)
        default = f"`{told.default}`" if isinstance(told.default, str | bool) else ""
        assert f"| `{name}` | {told.title} | {default} | {told.description} |" in page


def test_settings_go_through_json():
    settings = SessionSettings(channels=(0, "gfp"), contrast_limits=((0, 10), (5, 20)), fixed={"Z": 3}, view="windows")
    assert SessionSettings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"contrast_limits": ((10, 10),)},
        {"object_diameter_px": 0},
        {"track_axis": "C"},
        {"channels": (0, 1, 2, 3)},
        {"modle": "cells-nano"},
        {"image_size": 0},
        {"image_size": 100},
        {"image_size": 2**40},
        {"contrast_limits": ((0, float("inf")),)},
        {"object_diameter_px": float("nan")},
        {"fixed": {"Z": "first"}},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(StackError, match=f"the setting {next(iter(wrong))} cannot be"):
        SessionSettings(**wrong)


@pytest.mark.parametrize(
    ("saved", "option"), [("auto", None), ("on", True), ("off", False), (True, True), (False, False)]
)
def test_keeping_features_is_read_from_sessions_of_before_there_was_auto(saved, option):
    assert SessionSettings.model_validate({"feature_cache": saved}).feature_cache.option is option


def test_overlaps_alone_change_no_mask():
    old = SessionSettings()
    assert not invalidated(old, SessionSettings(overlaps="keep"))
    for name, value in (("model", "x"), ("device", "cpu"), ("even_out", True), ("channels", (1,)), ("view", "full")):
        new = SessionSettings(**{name: value})
        assert changed_fields(old, new) == {name}
        assert invalidated(old, new)


def test_a_session_tracks_the_axis_and_sees_the_channels_that_it_is_told():
    images = np.zeros((2, 3, 4, 40, 50), np.uint8)
    images[1, :, 2] = 200
    settings = SessionSettings(track_axis="Z", fixed={"T": 1}, channels=(2,), contrast_limits=((0, 200),))
    with Session.open(images, axes="TZCYX", settings=settings, predictor=DiscPredictor()) as session:
        assert (session.frame_count, session.size) == (3, (40, 50))
        assert (session.movie[0] == 255).all()
        session.change_settings(track_axis="T", fixed={"Z": 0})
        assert session.frame_count == 2
        assert session.movie[0].max() == 0
        with pytest.raises(StackError, match="axis Z"):
            session.change_settings(fixed={"Z": 9})
        assert session.settings.fixed == {"Z": 0}, "settings that cannot be are not taken"


def test_one_pair_of_contrast_limits_is_that_of_all_channels():
    pair = SessionSettings(contrast_limits=(200, 6000)).contrast_limits
    assert pair == SessionSettings(contrast_limits=((200, 6000),)).contrast_limits == ((200.0, 6000.0),)
    assert SessionSettings(contrast_limits=np.array([200, 6000])).contrast_limits == pair
