"""Options that stand for settings: their texts, ranges and defaults are those of the fields."""

from __future__ import annotations

from typing import get_args

import pytest
import typer

from napari_sam2.cli import app, main
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


TRACK = "track movie.tif --prompts prompts.json --out labels.tif"
EMBED = "embed movie.tif"
EVALUATE = "evaluate movie.tif --truth movie.tif --out report"
FINETUNE = "finetune --images movie.tif --labels movie.tif --out run"
IMPOSSIBLE = [
    *(f"{verb} --image-size {size}" for verb in (TRACK, EMBED, EVALUATE) for size in ("0", "-32", "100", "4128")),
    *(f"{verb} --object-diameter {size}" for verb in (TRACK, EVALUATE) for size in ("0", "-1", "nan", "inf", "cell")),
    *(f"{verb} --start {start}" for verb in (TRACK, EMBED) for start in ("-1", "10", "99999999999999999999")),
    *(f"{verb} --stop {stop}" for verb in (TRACK, EMBED) for stop in ("0", "-1", "11", "99999999999999999999")),
    *(f"{TRACK} --contrast {limits}" for limits in ("5 1", "nan 5", "0 inf", "5 5")),
    *(f"{EMBED} --limit {limit}" for limit in ("-1", "nan", "inf", "1e400", "much")),
    *(f"{EVALUATE} {option}" for option in ("--objects 0", "--frames 1", "--every 0", "--span nan", "--span 2")),
    *(f"{FINETUNE} {option}" for option in ("--steps 0", "--minutes nan", "--minutes inf", "--learning-rate 0")),
    *(f"{FINETUNE} {option}" for option in ("--learning-rate inf", "--seed -1", "--seed 99999999999999999999")),
]


@pytest.mark.parametrize("line", IMPOSSIBLE)
def test_values_that_cannot_be_are_errors_of_the_user(run, work, line):
    code, _, err = run(line)
    assert code in (1, 2), err
    assert sorted(path.name for path in work.iterdir()) == ["movie.tif", "prompts.json"]


def test_an_empty_value_is_not_the_current_folder(work, capsys):
    assert main(["embed", ""]) == 2
    assert main(["track", "movie.tif", "--prompts", "prompts.json", "--out", ""]) == 2
    assert "an empty value" in capsys.readouterr().err


@pytest.mark.parametrize(("line", "report"), [(EVALUATE, "evaluation.md"), (FINETUNE, "cells-nano-movie.md")])
def test_a_folder_that_cannot_take_the_results_is_found_before_anything_is_computed(run, work, line, report):
    out = line.split()[-1]
    (work / out).write_text("a file")
    code, _, err = run(line)
    assert (code, "cannot be written to" in err) == (1, True)
    (work / out).unlink()
    (work / out).mkdir()
    (work / out / report).write_text("of somebody else")
    code, _, err = run(line)
    assert (code, f"{report} exists" in err) == (1, True)
    assert (work / out / report).read_text() == "of somebody else"


def test_what_a_command_reads_is_never_its_output(run, work):
    (work / "cells.png").write_bytes(b"the only copy")
    code, _, err = run("evaluate cells.png --truth cells.png --kind stills --out .")
    assert (code, "raw data is never overwritten" in " ".join(err.split())) == (1, True)
    (work / "images.tif").write_bytes(b"the only copy")
    code, _, err = run("demo --out .")
    assert (code, "images.tif exists" in err) == (1, True)
    assert (work / "images.tif").read_bytes() == b"the only copy"
