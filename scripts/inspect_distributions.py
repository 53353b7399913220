"""Look into a built wheel and sdist: what has to be in is in, what has to stay out is out.

Usage: python scripts/inspect_distributions.py FOLDER, with one wheel and one sdist in FOLDER. Prints what it found and
ends with status 1 when something is wrong, each finding on its own line.
"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from email.parser import Parser
from pathlib import Path, PurePosixPath

SOURCE = Path(__file__).resolve().parent.parent / "src"
LARGEST_FILE = 25 * 2**20
LARGEST_WHEEL = 30 * 2**20
TOP_LEVEL = {"sam2_core", "napari_sam2"}
FORBIDDEN = re.compile(r"opencv|hydra|omegaconf|torchvision|pyqt(?!graph)|^sam-?2$", re.IGNORECASE)
QT_OR_NAPARI = re.compile(r"^(napari|pyside\d|qtpy|superqt|magicgui)$", re.IGNORECASE)
MACHINE_PATH = re.compile(rb"(?<![\w.])/(?:root|work|home/\w+|Users/\w+)/")


def wheel_contents(path: Path) -> dict[str, bytes]:
    """Every file of a wheel by its name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def sdist_contents(path: Path) -> dict[str, bytes]:
    """Every file of an sdist by its name below the versioned folder."""
    files = {}
    with tarfile.open(path) as archive:
        for member in archive:
            handle = archive.extractfile(member) if member.isfile() else None
            if handle is not None:
                files[member.name.partition("/")[2]] = handle.read()
    return files


def expected_data() -> set[str]:
    """Package files under src, as they have to stand in the wheel."""
    kinds = ["*/**/*.py", "*/**/*.jinja", "*/py.typed", "sam2_core/configs/**/*.yaml"]
    kinds.append("sam2_core/checkpoints/weights/*.safetensors")
    found = {path.relative_to(SOURCE).as_posix() for kind in kinds for path in SOURCE.glob(kind)}
    return found | {"napari_sam2/napari.yaml", "napari_sam2/icon.png"}


def content_findings(kind: str, files: dict[str, bytes], prefix: str) -> Iterable[str]:
    """What is missing, too large, or does not belong, in one archive."""
    for name in sorted(expected_data() - {name.removeprefix(prefix) for name in files}):
        yield f"{kind}: {name} is missing"
    for name, data in files.items():
        parts = PurePosixPath(name).parts
        if "tests" in parts or parts[-1].startswith("test_"):
            yield f"{kind}: {name} is a test and does not belong there"
        if len(data) > LARGEST_FILE:
            yield f"{kind}: {name} has {len(data) / 2**20:.1f} MB, more than {LARGEST_FILE / 2**20:.0f}"
        if name.endswith((".py", ".yaml", ".toml", ".md", ".txt", "METADATA")) and MACHINE_PATH.search(data):
            yield f"{kind}: {name} names a path of one machine"


def metadata_findings(files: dict[str, bytes]) -> Iterable[str]:
    """What is wrong with the wheel's metadata: licence, plugin entry, dependencies."""
    info = next(name.split("/")[0] for name in files if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(files[f"{info}/METADATA"].decode())
    if metadata["License-Expression"] != "Apache-2.0":
        yield f"wheel: licence is {metadata['License-Expression']}, not Apache-2.0"
    if "Framework :: napari" not in metadata.get_all("Classifier", []):
        yield "wheel: the classifier Framework :: napari is missing"
    entries = files.get(f"{info}/entry_points.txt", b"").decode()
    for entry in ("napari-sam2 = napari_sam2.__main__:main", "napari-sam2 = napari_sam2:napari.yaml"):
        if entry not in entries:
            yield f"wheel: entry point {entry!r} is missing"
    for requirement in metadata.get_all("Requires-Dist", []):
        name = re.split(r"[^\w.-]", requirement)[0]
        if FORBIDDEN.search(name) or ("extra ==" not in requirement and QT_OR_NAPARI.match(name)):
            yield f"wheel: depends on {requirement}"
    for name in sorted({name.split("/")[0] for name in files} - TOP_LEVEL - {info}):
        yield f"wheel: installs {name} at the top level"


def main(folder: Path) -> int:
    """Exit status: 0 when both archives are as they should be."""
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    wheel_files, sdist_files = wheel_contents(wheel), sdist_contents(sdist)
    findings = [*content_findings("wheel", wheel_files, ""), *content_findings("sdist", sdist_files, "src/")]
    findings += metadata_findings(wheel_files)
    if wheel.stat().st_size > LARGEST_WHEEL:
        findings.append(f"wheel: {wheel.stat().st_size / 2**20:.1f} MB, more than {LARGEST_WHEEL / 2**20:.0f}")
    for path, files in ((wheel, wheel_files), (sdist, sdist_files)):
        print(f"{path.name}: {len(files)} files, {path.stat().st_size / 2**20:.1f} MB")
    print("\n".join(findings) or "contents as they should be")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
