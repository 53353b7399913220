"""On what, with what and when it was measured."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sam2_core.kernels import processor as kernels

ROOT = Path(__file__).parents[2]


def machine(hello: Mapping[str, Any], versions: Mapping[str, str]) -> dict[str, Any]:
    """Return what stands below a table.

    Parameters
    ----------
    hello
        What a side said of itself: ``device``, ``threads``.
    versions
        Of what was measured, by name.
    """
    return {
        "processor": processor(),
        "units": list(kernels.processor().units),
        "cores": os.cpu_count(),
        "threads": hello["threads"],
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "device": hello["device"],
        "system": platform.platform(),
        "versions": {"Python": platform.python_version(), **versions},
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def processor() -> str:
    """Return the processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def commit() -> str:
    """Return the short name of the commit, and whether ``src`` differs from it; "unknown" outside a checkout."""
    try:
        name = _git("rev-parse", "--short", "HEAD")
        return f"{name} with local changes" if _git("status", "--porcelain", "src") else name
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
