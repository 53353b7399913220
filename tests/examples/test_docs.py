"""What the documentation says can be typed, typed: its Python blocks and its `napari-sam2` commands, in order.

A block behind the comment ``<!-- not run: reason -->`` is left out. A csv or toml block is saved as the file that
the text before it names. Each page runs in a folder of its own that holds the small files that it speaks of.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tifffile
import zarr

from napari_sam2 import samples
from napari_sam2.cli import main

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "docs/install.md",
    "docs/lineage.md",
    "docs/teaching.md",
    "docs/scripting.md",
    "docs/coming-from.md",
    "docs/troubleshooting.md",
    "docs/find.md",
    "docs/whole-movies.md",
    "docs/plates.md",
    "docs/linking.md",
    "docs/review.md",
    "docs/tutorial.md",
    "docs/napari.md",
    "docs/how-to.md",
    "docs/numerics.md",
    "docs/concepts.md",
    "docs/sessions.md",
)
FENCE = re.compile(r"(?P<skip><!-- not run: .+? -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)\n```", re.DOTALL)
FILE_NAME = re.compile(r"`([\w/]+\.(?:csv|toml))`")
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")


class Block(NamedTuple):
    line: int
    kind: str
    text: str
    before: str


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [match for match in FENCE.finditer(text) if not match["skip"]]
    return [Block(text.count("\n", 0, m.start("text")) + 1, m["kind"], m["text"], text[: m.start()]) for m in found]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with the files of which the pages speak: a corner of four frames of the sample, in several shapes."""
    sample = samples.sample_movie()
    movie = sample.images[:4, 40:168, 50:178]  # (4, 128, 128)
    shapes = {
        "movie": ("TYX", movie),
        "two_channels": ("TCYX", np.stack([movie, movie[::-1]], axis=1)),
        "zstack": ("ZYX", movie),
        "movie_of_stacks": ("TZYX", np.stack([movie, movie], axis=1)),
        "first_frame_labels": ("YX", sample.labels[0, 40:168, 50:178]),
    }
    for name, (axes, data) in shapes.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", data, photometric="minisblack", metadata={"axes": axes})
    write_several(tmp_path, movie)
    click = samples.first_clicks(sample)[0]
    line = f"{click.y - 40},{click.x - 50}"
    (tmp_path / "clicks.csv").write_text(f"object_id,frame,y,x\n1,0,{line}\n")
    (tmp_path / "middle_click.csv").write_text(f"object_id,frame,y,x\n1,2,{line}\n")
    config = (ROOT / "configs/cells/cells_nano.yaml").read_text(encoding="utf-8")
    (tmp_path / "my_model.yaml").write_text(
        config.replace("d_model: 160", "d_model: 80").replace("mem_dim: 40", "mem_dim: 20")
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path / "home"))
    return tmp_path


def write_several(folder: Path, movie: np.ndarray) -> None:
    """Write the files that hold several images: two positions, and two fields of a plate."""
    axes = [{"name": name} for name in "tyx"]
    with tifffile.TiffWriter(folder / "positions.ome.tif") as writer:
        for frames in (movie[::-1], movie):
            writer.write(frames, photometric="minisblack", metadata={"axes": "TYX"})
    for field in "01":
        image = zarr.open_group(folder / "plate.zarr/A/1" / field, mode="w")
        image.create_array("0", data=movie)
        image.attrs["ome"] = {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}
    fields = [{"path": field} for field in "01"]
    zarr.open_group(folder / "plate.zarr/A/1", mode="a").attrs["ome"] = {"well": {"images": fields}}
    zarr.open_group(folder / "plate.zarr", mode="a").attrs["ome"] = {"plate": {"wells": [{"path": "A/1"}]}}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_as_it_stands(page, folder) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page):
        if block.kind == "python":
            exec(compile(block.text, f"{page}:{block.line}", "exec"), names)
        elif block.kind in ("csv", "toml"):
            Path(FILE_NAME.findall(block.before)[-1]).write_text(block.text + "\n", encoding="utf-8")
        elif block.kind == "sh":
            run_commands(page, block)


def run_commands(page: str, block: Block) -> None:
    for line in block.text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["napari-sam2"]:
            assert main(words[1:]) == 0, f"{page}:{block.line}: {line}"


OTHERS = sorted(
    {path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))} - {*PAGES}
)


@pytest.mark.parametrize("page", [*PAGES, *OTHERS])
def test_links_lead_somewhere(page) -> None:
    for target, anchor in LINK.findall((ROOT / page).read_text(encoding="utf-8")):
        if target.startswith("reference/"):
            continue  # made with the site; `make docs` looks at these links
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page}: {target}"
        assert not anchor or anchor in anchors(path), f"{page}: {target}#{anchor}"


def anchors(path: Path) -> set[str]:
    """The anchors that the headings of a page get."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["README", "docs/tutorial"])
def test_a_translated_page_has_the_commands_of_the_english_one(page) -> None:
    english = {without_comments(block.text) for block in blocks(f"{page}.md")}
    chinese = {without_comments(block.text) for block in blocks(f"{page}.zh-CN.md")}
    assert chinese
    assert chinese <= english


def without_comments(text: str) -> str:
    return re.sub(r" *# .*$", "", text, flags=re.MULTILINE)
