from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest


def test_help_names_every_verb_and_imports_neither_torch_nor_napari():
    script = (
        "import sys; from napari_sam2.cli import main; code = main(['--help']);"
        "loaded = {'torch', 'napari', 'qtpy', 'tifffile', 'zarr', 'skimage'} & set(sys.modules);"
        "sys.exit(code or (f'imported {loaded}' if loaded else 0))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for verb in ("track", "models", "doctor", "demo"):
        assert verb in done.stdout


@pytest.mark.parametrize("verb", ["track", "models", "models download", "doctor", "demo"])
def test_every_verb_has_help(run, verb):
    code, out, _ = run(f"{verb} --help")
    assert (code, "Usage" in out) == (0, True)


def test_version_is_that_of_the_package(run):
    code, out, _ = run("--version")
    assert (code, out.strip()) == (0, f"napari-sam2 {metadata.version('napari-sam2')}")


CTRL_C_AT_AN_IMPORT = """
import importlib, signal, sys

entry, pressed_at = sys.argv[1:]

class Presses:
    def find_spec(self, name, path=None, target=None):
        if name == pressed_at:
            signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs behind a shell may ignore it
sys.meta_path.insert(0, Presses())
module, function = entry.split(":")
sys.exit(getattr(importlib.import_module(module), function)())
"""


@pytest.mark.parametrize("imported", ["napari_sam2.cli", "typer", "scipy.signal", "napari_sam2.cli.view"])
def test_ctrl_c_while_the_command_line_is_imported_ends_quietly(imported):
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    entry = project["project"]["scripts"]["napari-sam2"]
    command = [sys.executable, "-c", CTRL_C_AT_AN_IMPORT, entry, imported]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_ctrl_c_after_the_imports_is_left_to_the_command():
    script = (
        "import signal, sys; import napari_sam2.cli as cli; from napari_sam2.__main__ import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "cli.main = lambda: int(signal.getsignal(signal.SIGINT) is not signal.default_int_handler)\n"
        "sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_standard_output_cannot_hold_is_escaped():
    script = "from napari_sam2.cli.console import output; output().print('of 3 µm: 細.csv')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == r"of 3 \xb5m: \u7d30.csv"
