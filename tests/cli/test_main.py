from __future__ import annotations

import subprocess
import sys
from importlib import metadata

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
