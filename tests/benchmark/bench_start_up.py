"""Start-up: importing the package, importing and building a model from a checkpoint, and the plugin's panel in napari.

``make bench NAME=bench_start_up.py``. Each repeat is a fresh process, timed from outside until it has ended; the sides
take turns. Our checkpoint and the official one hold the same weights (`sam2.1_hiera_t`, 39 million); transformers loads
a folder of its own. The panel is timed inside a process that has napari and Qt already: that is what the plugin adds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from benchmark.comparison import MODEL, in_milliseconds, publish, repeats
from benchmark.report import Row
from benchmark.sides import OpenSide, everyone, open_sides, pythons

STAND_IN = 'import sys, types; sys.modules["torchvision._meta_registrations"] = types.ModuleType("stand-in"); '
"""Without it the CPU build of torchvision cannot be imported."""
CHECKPOINTS = {"ours": "ours.pt", "official": "ours.pt", "transformers": "transformers"}
IMPORTS = {"ours": "import sam2_core", "official": "import sam2", "transformers": "import transformers"}
BUILDS = {
    "ours": "from sam2_core import build_sam2_video_predictor; "
    f"build_sam2_video_predictor({MODEL!r}, {{path!r}}, device='cpu')",
    "official": STAND_IN + "from sam2.build_sam import build_sam2_video_predictor; "
    f"build_sam2_video_predictor('configs/sam2.1/{MODEL}.yaml', {{path!r}}, device='cpu')",
    "transformers": STAND_IN + "from transformers import Sam2VideoModel; Sam2VideoModel.from_pretrained({path!r})",
}
PANEL = """
import time
import napari, napari.viewer, qtpy.QtWidgets, napari._qt.qt_viewer
began = time.perf_counter()
import napari_sam2._qt.panel
print(time.perf_counter() - began)
"""


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[OpenSide], dict[str, Path]]]:
    """The sides, and for each a checkpoint that it can load."""
    folder = tmp_path_factory.mktemp("checkpoints")
    with open_sides(everyone(MODEL, 1024)) as opened:
        for side in opened:
            if side.name != "official":
                side.prepare("save", path=str(folder / CHECKPOINTS[side.name]))
        yield opened, {side.name: folder / CHECKPOINTS[side.name] for side in opened}


def test_start_up(sides: tuple[list[OpenSide], dict[str, Path]]) -> None:
    opened, checkpoints = sides
    builds = {name: BUILDS[name].format(path=str(path)) for name, path in checkpoints.items()}
    rows = [
        in_milliseconds("import of the package", processes({name: IMPORTS[name] for name in builds})),
        in_milliseconds(f"import, build {MODEL}, load weights", processes(builds)),
    ]
    panel = [panel_seconds() for _ in range(repeats(5))]
    note = "on top of napari and Qt"
    rows.append(Row("import of the plugin's panel", "ms", {"ours": [1e3 * value for value in panel]}, note=note))
    publish("start_up", rows, opened)


def processes(programs: Mapping[str, str]) -> dict[str, list[float]]:
    """Return the seconds of fresh processes that run these programs, in turns; the first round does not count."""
    found: dict[str, list[float]] = {name: [] for name in programs}
    interpreters = pythons(programs)
    for _ in range(repeats(5) + 1):
        for name, program in programs.items():
            began = time.perf_counter()
            subprocess.run([interpreters[name], "-c", program], check=True, capture_output=True, env=quiet())
            found[name].append(time.perf_counter() - began)
    return {name: values[1:] for name, values in found.items()}


def panel_seconds() -> float:
    """Return what importing the panel takes where napari has been imported."""
    done = subprocess.run([sys.executable, "-c", PANEL], check=True, capture_output=True, text=True, env=quiet())
    return float(done.stdout.split()[-1])


def quiet() -> dict[str, str]:
    return {**os.environ, "PYTHONWARNINGS": "ignore", "HF_HUB_OFFLINE": "1", "QT_QPA_PLATFORM": "offscreen"}
