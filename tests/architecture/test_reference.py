"""The reference of the site: every public name and every command stands in it, and every page in the navigation."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import typer

from napari_sam2.cli import app

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "reference_pages.py"))
PAGES: dict[str, str] = SCRIPT["pages"]()
SAYING = sorted(path for path in SOURCE.rglob("__init__.py") if "__all__ =" in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SAYING, ids=lambda path: path.parent.relative_to(SOURCE).as_posix())
def test_what_a_room_calls_public_has_its_place(path: Path) -> None:
    room = ".".join(path.parent.relative_to(SOURCE).parts)
    names = [name for name in SCRIPT["public_names"](room) if not name.startswith("__")]
    assert names
    page = PAGES.get(f"reference/python/{room}.md", "")
    missing = [name for name in names if not re.search(rf"^::: {room}\.{name}$", page, re.MULTILINE)]
    assert not missing, f"not in the reference of {room}; is it in ROOMS of scripts/reference_pages.py?"


def test_every_command_and_option_has_its_place() -> None:
    page = PAGES["reference/cli.md"]
    group = typer.main.get_command(app)
    for name, command in group.commands.items():
        assert f"## `napari-sam2 {name}`" in page
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        assert not [option for option in options if option not in page]


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    written = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert not [page for page in {*written, *PAGES} if f": {page}\n" not in navigation]
