"""Options that stand for settings: their texts, ranges and defaults are those of the fields."""

from __future__ import annotations

from typing import get_args

import pytest
import typer

from napari_sam2.cli import app
from napari_sam2.cli.options import (
    Channel,
    Contrast,
    Device,
    FeatureCache,
    Fixed,
    Model,
    ObjectDiameter,
    TrackAxis,
    View,
)
from napari_sam2.session.settings import SessionSettings, setting

SETTINGS = {
    "model": Model,
    "device": Device,
    "track_axis": TrackAxis,
    "channels": Channel,
    "fixed": Fixed,
    "contrast_limits": Contrast,
    "object_diameter_px": ObjectDiameter,
    "view": View,
    "feature_cache": FeatureCache,
}
NAMES = {"channels": "channel", "contrast_limits": "contrast", "object_diameter_px": "object_diameter"}


@pytest.mark.parametrize("name", SETTINGS)
def test_an_option_says_what_the_field_says(name):
    _, option = get_args(SETTINGS[name])
    told = setting(name)
    assert option.help.startswith(told.description)
    assert (option.min, option.max) == (told.least, told.most)


@pytest.mark.parametrize("verb", ["track", "embed"])
def test_the_defaults_of_a_command_are_those_of_the_fields(verb):
    command = typer.main.get_command(app).commands[verb]
    defaults = {parameter.name: parameter.default for parameter in command.params}
    for name in ("model", "device", "track_axis", "object_diameter_px", "view", "contrast_limits"):
        option = NAMES.get(name, name)
        if option in defaults:
            assert defaults[option] == SessionSettings.model_fields[name].default, name


def test_a_size_out_of_the_range_of_the_field_is_refused(run, work):
    code, _, err = run("track movie.tif --prompts prompts.json --out labels.tif --object-diameter 0")
    assert (code, "--object-diameter" in err) == (2, True)
