"""What packages of cells-nano have in common: its weights, the card in docs/models.md, who made it, an example image.

`export_huggingface` and `export_bioimageio` make the folders. Run from a checkout: the card is not in the wheel.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from napari_sam2.samples import first_clicks, sample_movie
from sam2_core.checkpoints.registry import BUNDLED_NAME, ModelEntry, find_model

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "models.md"
TAGS = ("microscopy", "cell segmentation", "nuclei", "cell tracking", "SAM 2", "interactive segmentation")
DATA_LICENCES = {"BBBC038 (Data Science Bowl 2018, stage 1)": "CC0-1.0", "Usiigaci": "MIT"}
"""Real data that the weights were trained on; what is drawn besides is of this project."""


@dataclass(frozen=True, slots=True)
class Citation:
    """Something to cite, with where it is found: a DOI, or an address without one."""

    text: str
    doi: str | None = None
    url: str | None = None


def model() -> ModelEntry:
    """Return the model that ships."""
    return find_model(BUNDLED_NAME)


def summary() -> str:
    """Return in one sentence what the model is."""
    return (
        "A small SAM 2 for cells and nuclei in microscopy images: finds every object of an image without a prompt, "
        "and outlines the one that is clicked on."
    )


def card() -> str:
    """Return the section about the model in docs/models.md, as a page of its own; links within the docs are words."""
    heading = f"## {BUNDLED_NAME}\n"
    _, found, behind = PAGE.read_text(encoding="utf-8").partition(heading)
    if not found:
        raise ValueError(f"{PAGE} has no section {heading.strip()!r}, of which the card is made")
    section = behind.partition("\n## ")[0].replace("\n### ", "\n## ").replace("\n#### ", "\n### ")
    return f"# {BUNDLED_NAME} {model().version}\n" + re.sub(r"\[([^\]]+)\]\((?!https?://)[^)]*\)", r"\1", section)


def authors() -> list[str]:
    """Return who made it."""
    return [one["name"] for one in _citation_file()["authors"]]


def citations() -> list[Citation]:
    """Return what to cite: this software, and the papers of CITATION.cff."""
    about = _citation_file()
    found = []
    for paper in about["references"]:
        first = paper["authors"][0]["family-names"]
        arxiv = next(one["value"].removeprefix("arXiv:") for one in paper["identifiers"])
        found.append(Citation(f"{first} et al. {paper['year']}: {paper['title']}", doi=f"10.48550/arXiv.{arxiv}"))
    return [Citation(f"{', '.join(authors())}: {about['title']}, version {about['version']}"), *found]


def example() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return a drawn image (256, 256) with cells, and a click (N, 2), x and y, on each of those that are whole."""
    movie = sample_movie()
    image, labels = movie.images[0], movie.labels[0]
    at_border = {*labels[[0, -1]].ravel(), *labels[:, [0, -1]].ravel()}
    inside = [click for click in first_clicks(movie) if click.object_id not in at_border]
    return image, np.array([(click.x, click.y) for click in inside], np.float32)


def new_folder(path: Path) -> Path:
    """Return a folder that holds nothing yet.

    Raises
    ------
    FileExistsError
        It is there and holds something.
    """
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise FileExistsError(f"{path} holds files already; name a new folder")
    return path


def _citation_file() -> dict[str, list[dict[str, object]]]:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
