"""Pages of the site that nobody writes: the command line from its Typer app, Python from `__all__`.

`pages` gives them as Markdown by their place below docs/. What stands in the Python pages is made of docstrings by
mkdocstrings; here is only said which names there are. Run as a script, it prints the pages. Nothing of mkdocs is
needed.
"""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import typer
from typer.cli import get_docs_for_click

SOURCE = Path(__file__).resolve().parents[1] / "src"
ROOMS = {
    "napari_sam2": "Session and panel",
    "napari_sam2.session": "Sessions",
    "napari_sam2.stacks": "Images in",
    "napari_sam2.io": "Files",
    "napari_sam2.linking": "Linking",
    "napari_sam2.viewer": "In a viewer",
    "napari_sam2.evaluation": "Measuring models",
    "napari_sam2.plates": "Plates of movies",
    "napari_sam2.samples": "Samples",
    "sam2_core": "SAM 2, official names",
    "sam2_core.checkpoints": "Weights",
    "sam2_core.finding": "Finding objects",
    "sam2_core.inference.frames": "Frames in",
    "sam2_core.training.synthetic": "Synthetic movies",
}
"""Rooms whose names are public -> what the page is called."""

PARTS = (
    "napari_sam2.session.edits.Edits",
    "napari_sam2.session.lineage.Lineage",
    "napari_sam2.session.work.SessionWork",
    "napari_sam2.session.saving.Saving",
    "napari_sam2.session.surgery.Surgery",
    "napari_sam2.session.review.SessionReview",
    "napari_sam2.session.state.SessionState",
    "napari_sam2.session.state.SessionEvents",
)
"""The parts of a session: their verbs are the session's own."""


def pages() -> dict[str, str]:
    """Return the Markdown of each page by its place below docs/."""
    rooms = {f"reference/python/{room}.md": python_page(room) for room in ROOMS}
    return {"reference/cli.md": command_page(), **rooms}


def command_page() -> str:
    """Return what `--help` says of every command."""
    from napari_sam2.cli import app

    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="napari-sam2", title="Command line")
    return text.replace("```console\n$ ", "```console\n")


def python_page(room: str) -> str:
    """Return the page of a room: what it is for, then each of its public names."""
    alone = ("members: []", "show_root_heading: false", "show_root_toc_entry: false")
    directives = [f"::: {room}\n    options:\n" + "".join(f"      {option}\n" for option in alone)]
    names = [f"{room}.{name}" for name in public_names(room) if not name.startswith("__")]
    if room == "napari_sam2":
        names += PARTS
    directives += [f"::: {name}\n" for name in names]
    return f"# {ROOMS[room]}: `{room}`\n\n" + "\n".join(directives)


def public_names(room: str) -> list[str]:
    """Return what a room says is public: `__all__`; without one, what it defines or hands on under the same name."""
    tree = ast.parse(module_file(room).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return sorted(
                import_module(room).__all__ if isinstance(node.value, ast.Call) else ast.literal_eval(node.value)
            )
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    handed_on = {one.name for node in tree.body if isinstance(node, ast.ImportFrom) for one in node.names if one.asname}
    return sorted(name for name in own | handed_on if not name.startswith("_"))


def module_file(room: str) -> Path:
    """Return the file of a module or package."""
    place = SOURCE / Path(*room.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


if __name__ == "__main__":
    for place, text in pages().items():
        print(f"<!-- {place} -->\n{text}")
