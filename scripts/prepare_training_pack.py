"""Packs training images into compact files: `python scripts/prepare_training_pack.py DATA_FOLDER OUT_FOLDER`.

DATA_FOLDER holds `stills_nuclei_dsb2018/{images,masks}` (every 8th image, sorted by name from the first, is left out
for validation) and `stills_phase_cells_usiigaci/{train,val}/{images,masks}`. Writes `nuclei.npz` and `phase.npz`, and
the images left out as `nuclei_validation.npz` and `phase_validation.npz`; with `--LOOK N` also `LOOK_SEED.npz` of N
generated movies of that look, and with `--pasted N` also `pasted_SEED.npz`: N new arrangements of the cells of each
image of phase contrast.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from sam2_core.training.pack import Record, pack_record, save_pack
from sam2_core.training.pasting import pasted_record
from sam2_core.training.synthetic import (
    MovieSettings,
    adherent_settings,
    capsule_settings,
    colony_settings,
    everyday_settings,
    make_movie,
    random_settings,
    rod_settings,
    sheet_settings,
    tissue_settings,
)

VALIDATION_EVERY = 8
SIDE_PX = 224  # of each synthetic movie
PASTED_CELLS = 40  # tried in each new arrangement


class Look(NamedTuple):
    """A kind of generated movies: what draws their settings, how long they are, and what is in them."""

    draw: Callable[..., MovieSettings]
    frames: int
    what: str


LOOKS = {
    "synthetic": Look(random_settings, 8, "movies of all kinds"),
    "everyday": Look(everyday_settings, 12, "tamer movies in which many cells leave"),
    "colony": Look(colony_settings, 12, "colonies of budding cells"),
    "adherent": Look(adherent_settings, 12, "movies of flat cells with processes"),
    "capsules": Look(capsule_settings, 12, "colonies of straight, blurred rods"),
    "rods": Look(rod_settings, 12, "colonies of rods"),
    "sheet": Look(sheet_settings, 12, "sheets of nuclei that migrate together"),
    "tissue": Look(tissue_settings, 8, "sheets of cells that are told apart by bright membranes"),
}


def still_records(group: str, folder: Path, kept: str) -> list[Record]:
    """Records of the images in a folder: `all`, or only those for `training` or `validation`."""
    images, labels = sorted((folder / "images").iterdir()), sorted((folder / "masks").iterdir())
    chosen = [index for index in range(len(images)) if _is_kept(index, kept)]
    pairs = read_image_pairs([images[index] for index in chosen], [labels[index] for index in chosen])
    return _without_empty(pack_record(group, name, image, label) for name, image, label in pairs)


def read_image_pairs(images: list[Path], labels: list[Path]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, image and labels of each pair of image files, which have the same name."""
    for image_path, label_path in zip(images, labels, strict=True):
        if image_path.stem != label_path.stem:
            raise SystemExit(f"labels of image {image_path.name} expected, got {label_path.name}; use equal names")
        yield image_path.stem, np.array(Image.open(image_path)), np.array(Image.open(label_path))


def _is_kept(index: int, kept: str) -> bool:
    return kept == "all" or (index % VALIDATION_EVERY == 0) == (kept == "validation")


def _without_empty(records: Iterable[Record | None]) -> list[Record]:
    return [record for record in records if record is not None]


def generated_records(look: str, count: int, first_seed: int) -> list[Record]:
    """Generated movies with divisions, one per seed; look: a name of `LOOKS`, and of their group too."""
    draw, frames, _ = LOOKS[look]
    records = []
    for seed in range(first_seed, first_seed + count):
        settings = draw(np.random.default_rng(seed), frames=frames, height=SIDE_PX, width=SIDE_PX)
        movie = make_movie(settings, seed)
        records.append(pack_record(f"{look} {settings.style}", f"seed{seed}", movie.images, movie.labels))
    return _without_empty(records)


def pasted_records(stills: list[Record], copies: int, seed: int) -> list[Record]:
    """New arrangements of stills: so many of each, with cells of all of them pasted in."""
    rng = np.random.default_rng(seed)
    group = f"{stills[0].info.group} pasted"
    return [pasted_record(still, stills, PASTED_CELLS, rng, group) for _ in range(copies) for still in stills]


def main() -> None:
    """Reads the command line and does it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    for name, look in LOOKS.items():
        parser.add_argument(f"--{name}", type=int, default=0, metavar="N", help=f"generate N {look.what}")
    parser.add_argument("--pasted", type=int, default=0, metavar="N", help="arrange each image of phase contrast anew")
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--no-stills", action="store_true")
    chosen = parser.parse_args()
    nuclei, phase = chosen.data / "stills_nuclei_dsb2018", chosen.data / "stills_phase_cells_usiigaci"
    if not chosen.no_stills:
        save_pack(still_records("nuclei", nuclei, "training"), chosen.out / "nuclei.npz")
        save_pack(still_records("nuclei", nuclei, "validation"), chosen.out / "nuclei_validation.npz")
        save_pack(still_records("phase", phase / "train", "all"), chosen.out / "phase.npz")
        save_pack(still_records("phase", phase / "val", "all"), chosen.out / "phase_validation.npz")
    if chosen.pasted:
        adherent = still_records("phase", phase / "train", "all")
        pasted = pasted_records(adherent, chosen.pasted, chosen.first_seed)
        save_pack(pasted, chosen.out / f"pasted_{chosen.first_seed}.npz")
    for name in LOOKS:
        if count := getattr(chosen, name):
            save_pack(generated_records(name, count, chosen.first_seed), chosen.out / f"{name}_{chosen.first_seed}.npz")


if __name__ == "__main__":
    main()
