"""No import circle, between files or between rooms: inside functions and under TYPE_CHECKING included."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"


def modules(source: Path) -> dict[str, Path]:
    """Dotted name -> file of every module below a folder; a package by its own name."""
    found = {}
    for path in source.rglob("*.py"):
        parts = path.relative_to(source).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(source: Path) -> dict[str, set[str]]:
    """Module -> modules of the same folder that it imports anywhere."""
    known = modules(source)
    found: dict[str, set[str]] = {}
    for name, path in known.items():
        asked: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                full = {f"{node.module}.{one.name}" for one in node.names}
                asked |= full & known.keys() or {node.module}
            elif isinstance(node, ast.Import):
                asked |= {one.name for one in node.names}
        found[name] = (asked & known.keys()) - {name}
    return found


def rooms(graph: Mapping[str, set[str]], room: str) -> dict[str, set[str]]:
    """The same between what stands directly in a room: its files and its rooms."""
    prefix = f"{room}." if room else ""

    def child(name: str) -> str | None:
        return prefix + name[len(prefix) :].split(".")[0] if name.startswith(prefix) else None

    between: dict[str, set[str]] = defaultdict(set)
    for name, asked in graph.items():
        here = child(name)
        if here is not None:
            between[here] |= {there for one in asked if (there := child(one)) is not None and there != here}
    return between


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


GRAPH = imports(SOURCE)
ROOMS = ["", *sorted({name.rpartition(".")[0] for name in GRAPH} - {""})]


def test_no_circle_between_files() -> None:
    assert circle(GRAPH) == []


@pytest.mark.parametrize("room", ROOMS)
def test_no_circle_between_what_stands_in_a_room(room: str) -> None:
    assert circle(rooms(GRAPH, room)) == []


def test_a_circle_is_seen_wherever_the_import_stands(tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "a.py").write_text("def f():\n    from house.b import g\n    return g\n")
    (tmp_path / "house" / "b.py").write_text("TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from house import a\n")
    assert circle(imports(tmp_path)) != []
    (tmp_path / "house" / "b.py").write_text("")
    assert circle(imports(tmp_path)) == []
