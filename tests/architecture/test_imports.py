"""What an import pulls in, seen from a fresh interpreter. (The import contracts themselves run in `make check`.)"""

from __future__ import annotations

import subprocess
import sys

import pytest

QT = {"qtpy", "PySide6", "PyQt6", "PySide2", "PyQt5", "superqt", "magicgui"}


def modules_after(statement: str) -> set[str]:
    """Top-level modules loaded once a fresh interpreter ran the statement."""
    script = f"{statement}\nimport sys\nprint(' '.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import sam2_core", {"napari", "napari_sam2", "dask", "zarr"} | QT),
        ("from sam2_core import *", {"napari", "napari_sam2", "dask", "zarr"} | QT),
        ("import napari_sam2", {"napari", "torch"} | QT),
        ("import napari_sam2.stacks", {"napari", "torch"} | QT),
        ("import napari_sam2.linking", {"napari", "torch", "tifffile", "zarr", "dask", "pydantic"} | QT),
        ("import napari_sam2.session", {"napari"} | QT),
        ("import napari_sam2.io", {"napari"} | QT),
        ("import sam2_core.scoring.ground_truth, sam2_core.scoring.clicks", {"napari_sam2", "torch"} | QT),
        ("import napari_sam2.evaluation", {"napari", "torch"} | QT),
        ("import napari_sam2.plates", {"napari", "torch", "distributed"} | QT),
        ("import napari_sam2.cli", {"napari", "torch", "distributed"} | QT),
        ("import napari_sam2.samples", {"napari", "torch"} | QT),
    ],
)
def test_import_pulls_in_only_what_its_room_may(statement: str, unwanted: set[str]) -> None:
    assert not modules_after(statement) & unwanted


def test_the_probe_sees_what_is_imported() -> None:
    assert "torch" in modules_after("import torch")
