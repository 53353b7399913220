"""`napari-sam2 doctor`: what is installed, what is missing, and how to mend it.

Each check is a function that returns a `Finding`; a failed one says what to do. Nothing is changed.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.text import Text

from napari_sam2.cli.console import output, table
from napari_sam2.cli.model_choice import DEFAULT_MODEL

Verdict = Literal["ok", "note", "missing"]
_COLOURS = {"ok": "green", "note": "yellow", "missing": "red"}
_LOW_DISK_GB = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `advice` says what to do unless all is well."""

    what: str
    verdict: Verdict
    found: str
    advice: str = ""


def doctor_command(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for a report of a fault.")] = False,
) -> int:
    """Check the installation: Python, torch and device, model weights, napari and Qt, disk. Changes nothing."""
    findings = [check() for check in CHECKS]
    code = 1 if any(finding.verdict == "missing" for finding in findings) else 0
    if as_json:
        about = {"napari-sam2": metadata.version("napari-sam2"), "checks": [asdict(finding) for finding in findings]}
        output().print_json(data=about)
        return code
    rows: list[list[str | Text]] = [[f.what, Text(f.verdict, _COLOURS[f.verdict]), f.found, f.advice] for f in findings]
    output().print(table("napari-sam2 doctor", ["what", "", "found", "what to do"], rows))
    return code


def check_python() -> Finding:
    """Return the version of Python and the system."""
    found = f"{platform.python_version()} ({sys.executable}), {platform.platform(terse=True)}"
    return Finding("Python", "ok", found)


def check_torch() -> Finding:
    """Return the version of torch, and whether it can be imported at all."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return Finding("torch", "missing", f"cannot be imported: {error}", "pip install --force-reinstall torch")
    cores = f"{torch.get_num_threads()} threads of {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}"
    return Finding("torch", "ok", f"{torch.__version__}, {cores}")


def check_kernels() -> Finding:
    """Return what the processor multiplies with, and what is chosen for it."""
    try:
        from sam2_core.kernels.processor import processor
    except (ImportError, OSError) as error:
        return Finding("processor", "missing", f"unknown: {error}", "mend torch first")
    here = processor()
    return Finding(
        "processor", "ok", f"{here.name or 'unknown'} ({', '.join(here.units) or 'no units'}): {here.chosen}"
    )


def check_device() -> Finding:
    """Return the device that `auto` picks."""
    try:
        import torch

        from sam2_core.build import pick_device
    except (ImportError, OSError) as error:
        return Finding("device", "missing", f"unknown: {error}", "mend torch first")
    device = pick_device("auto")
    if device.type == "cuda":
        return Finding("device", "ok", f"cuda: {torch.cuda.get_device_name(0)}")
    if device.type == "mps":
        return Finding("device", "ok", "mps: Apple graphics")
    if shutil.which("nvidia-smi"):
        return Finding(
            "device",
            "note",
            "cpu, although there is an NVIDIA driver",
            "install a torch built for CUDA: see https://pytorch.org/get-started/locally",
        )
    return Finding("device", "ok", f"cpu ({DEFAULT_MODEL} is made for it; the large models are slow)")


def check_weights() -> Finding:
    """Return whether the weights of the default model are there and how many others."""
    try:
        from sam2_core.checkpoints.load import read_metadata
        from sam2_core.checkpoints.registry import find_model, models, place_of
    except (ImportError, OSError) as error:
        return Finding("weights", "missing", f"unknown: {error}", "pip install --force-reinstall napari-sam2")
    found = find_model(DEFAULT_MODEL)
    path = found.path
    fetched = sum(place_of(entry).is_file() for entry in models() if not entry.is_local)
    if path is None or not path.is_file():
        return Finding(
            "weights", "missing", f"{DEFAULT_MODEL} is not at {path}", "pip install --force-reinstall napari-sam2"
        )
    trained = f"{read_metadata(path).get('steps', '?')} steps, {path.stat().st_size / 1e6:.0f} MB"
    return Finding("weights", "ok", f"{DEFAULT_MODEL} {found.version} ({trained}), {fetched} downloaded")


def check_napari() -> Finding:
    """Return whether napari is installed; the command line does without."""
    if importlib.util.find_spec("napari") is None:
        return Finding("napari", "note", "not installed (command line only)", 'pip install "napari-sam2[all]"')
    return Finding("napari", "ok", metadata.version("napari"))


def check_qt() -> Finding:
    """Return which Qt binding is installed; napari needs one."""
    bindings = ("PySide6", "PyQt6", "PyQt5", "PySide2")
    found = [name for name in bindings if importlib.util.find_spec(name) is not None]
    if not found:
        return Finding("Qt", "note", "no binding (command line only)", "pip install PySide6")
    if len(found) > 1:
        return Finding("Qt", "note", " and ".join(found), f"keep one: pip uninstall {found[-1]}")
    return Finding("Qt", "ok", f"{found[0]} {metadata.version(found[0])}")


def check_disk() -> Finding:
    """Return the room in the current folder and where weights are kept."""
    from sam2_core.checkpoints.registry import checkpoints_folder

    places = {"here": Path.cwd(), "weights": _existing(checkpoints_folder())}
    free_gb = {name: shutil.disk_usage(path).free / 1e9 for name, path in places.items()}
    found = ", ".join(f"{gigabytes:.1f} GB free ({name})" for name, gigabytes in free_gb.items())
    if min(free_gb.values()) < _LOW_DISK_GB:
        return Finding("disk", "note", found, "make room: large weights and long label stacks need some GB")
    return Finding("disk", "ok", found)


CHECKS: tuple[Callable[[], Finding], ...] = (
    check_python,
    check_torch,
    check_kernels,
    check_device,
    check_weights,
    check_napari,
    check_qt,
    check_disk,
)


def _existing(path: Path) -> Path:
    """Return the nearest folder above that exists."""
    return path if path.exists() else _existing(path.parent)
