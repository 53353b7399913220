"""What other packagers are told is what pyproject.toml says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RECIPE: dict[str, Any] = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text(encoding="utf-8"))
CONDA = {"torch": "pytorch"}
EXTRAS = ("napari", "plots", "video")


def required(lines: list[str]) -> dict[str, str]:
    """Name of each requirement, as conda has it -> its versions."""
    found = {}
    for line in lines:
        name, versions = re.fullmatch(r"([\w-]+)(?:\[\w+\])? ?(.*)", line).groups()
        found[CONDA.get(name.lower(), name.lower())] = versions
    return found


def test_the_plain_package_needs_what_the_plain_install_needs() -> None:
    said = required([line for line in RECIPE["outputs"][0]["requirements"]["run"] if not line.startswith("python ")])
    assert said == required(PROJECT["dependencies"])


def test_the_package_with_napari_needs_what_the_extras_need() -> None:
    extras = PROJECT["optional-dependencies"]
    lines = [line for extra in EXTRAS for line in extras[extra]]
    lines += [line for line in extras["all"] if line.startswith("PySide6")]
    said = required([line for line in RECIPE["outputs"][1]["requirements"]["run"] if "napari-sam2" not in line])
    assert said == required(lines)


@pytest.mark.parametrize("name", ["recipe/recipe.yaml", "CITATION.cff", ".zenodo.json"])
def test_the_version_is_the_same_everywhere(name: str) -> None:
    found = re.search(r"^ *\"?version\"?: \"?(\d[\w.]*)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    assert found[1] == PROJECT["version"]


def test_the_day_of_the_release_is_the_same_everywhere() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = re.search(rf"^## {re.escape(PROJECT['version'])} - (\S+)$", changelog, re.MULTILINE)
    assert heading is not None
    if heading[1] == "unreleased":  # between two releases
        return
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    zenodo = yaml.safe_load((ROOT / ".zenodo.json").read_text(encoding="utf-8"))  # JSON is YAML
    assert {str(citation["date-released"]), zenodo["publication_date"]} == {heading[1]}
