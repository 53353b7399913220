"""Makes examples/scripting.ipynb of docs/scripting.md: text as text, blocks as cells, no outputs.

The page is what is written and tested; the notebook is made of it: ``python scripts/make_notebook.py``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE, NOTEBOOK = ROOT / "docs" / "scripting.md", ROOT / "examples" / "scripting.ipynb"
FENCE = re.compile(r"^```(\w+)\n(.*?)\n```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#)([^)]+)\)")


def notebook(page: str) -> str:
    """Return the notebook of a page as JSON (nbformat 4.5)."""
    cells = []
    pieces = FENCE.split(page)
    for number, (text, kind, code) in enumerate(
        zip(pieces[::3], [*pieces[1::3], ""], [*pieces[2::3], ""], strict=True)
    ):
        if text.strip():
            cells.append(cell("markdown", f"text-{number}", LINK.sub(r"](../docs/\1)", text.strip())))
        if code:
            commands = code if kind == "python" else "\n".join(f"!{line}" for line in code.splitlines())
            cells.append(cell("code", f"code-{number}", commands))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def cell(kind: str, name: str, text: str) -> dict[str, Any]:
    """Return one cell, code without outputs."""
    common = {"cell_type": kind, "id": name, "metadata": {}, "source": text.splitlines(keepends=True)}
    return {**common, "execution_count": None, "outputs": []} if kind == "code" else common


if __name__ == "__main__":
    NOTEBOOK.write_text(notebook(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
