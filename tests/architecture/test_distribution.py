"""The installed distribution: manifest, metadata, and the links at the top of the repository."""

from __future__ import annotations

import re
from importlib.metadata import entry_points, metadata, requires, version
from pathlib import Path

import pytest
from npe2 import PluginManifest
from npe2.manifest.utils import import_python_name

import napari_sam2
import sam2_core

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(napari_sam2.__file__).parent
CORE = Path(sam2_core.__file__).parent


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_distribution("napari-sam2")


def test_manifest_is_ours_and_complete(manifest: PluginManifest) -> None:
    assert manifest.name == "napari-sam2"
    assert manifest.display_name
    assert set(manifest.categories) == {"Segmentation", "Annotation"}


def test_menus_are_called_in_the_documentation_as_napari_calls_them(manifest: PluginManifest) -> None:
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md")]
    named = [found for page in pages for found in re.findall(r"Plugins\s>\s([^>*]+?)\s>\s([^>*]+?)\*", page)]
    widgets = {widget.display_name for widget in manifest.contributions.widgets or []}
    ours = {plugin for plugin, widget in named if " ".join(widget.split()) in widgets}  # Fiji has such menus too
    assert ours == {manifest.display_name}


def test_every_python_name_of_the_manifest_resolves(manifest: PluginManifest) -> None:
    manifest.validate_imports()


def test_sample_data_give_layers(manifest: PluginManifest) -> None:
    samples = manifest.contributions.sample_data or []
    assert samples, "the manifest offers no sample data"
    commands = {command.id: command for command in manifest.contributions.commands or []}
    for sample in samples:
        layers = import_python_name(commands[sample.command].python_name)()
        assert layers, f"sample {sample.key} is empty"
        for data, kwargs, kind in layers:
            assert kind in {"image", "labels", "points"}
            assert kwargs["name"]
            assert len(data) > 0


def test_console_script_is_there() -> None:
    (script,) = entry_points(group="console_scripts", name="napari-sam2")
    assert callable(script.load())


def test_version_is_the_distribution_s() -> None:
    assert napari_sam2.__version__ == version("napari-sam2")
    with pytest.raises(AttributeError, match="no attribute 'versoin'"):
        napari_sam2.versoin  # noqa: B018


def test_no_forbidden_dependency() -> None:
    names = {re.split(r"[^\w.-]", line)[0].lower() for line in requires("napari-sam2") or []}
    assert "torch" in names
    for forbidden in ("opencv", "hydra", "omegaconf", "torchvision", "pyqt(?!graph)", "sam-2", "sam2"):
        assert not [name for name in names if re.match(forbidden, name)]


def test_plain_install_needs_neither_napari_nor_qt() -> None:
    plain = [line.lower() for line in requires("napari-sam2") or [] if "extra ==" not in line]
    for name in ("napari", "pyside6", "qtpy", "superqt", "magicgui"):
        assert not [line for line in plain if re.match(rf"{name}\b", line)]


def test_metadata_lists_us_on_the_napari_hub() -> None:
    found = metadata("napari-sam2")
    assert "Framework :: napari" in found.get_all("Classifier", [])
    assert found["License-Expression"] == "Apache-2.0"


def test_link_configs_shows_the_shipped_files() -> None:
    link = ROOT / "configs"
    if not link.is_dir():
        pytest.skip("no links in this checkout")
    inside = {path.relative_to(CORE / "configs"): path.read_bytes() for path in (CORE / "configs").rglob("*.yaml")}
    assert len(inside) >= 9
    assert {path.relative_to(link): path.read_bytes() for path in link.rglob("*.yaml")} == inside


def test_link_manifest_shows_the_shipped_file() -> None:
    link = ROOT / "napari.yaml"
    if not link.is_symlink():
        pytest.skip("no links in this checkout")
    assert link.read_bytes() == (PACKAGE / "napari.yaml").read_bytes()
