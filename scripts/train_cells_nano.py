"""Trains cells-nano: `python scripts/train_cells_nano.py PACK_FOLDER FOLDER`; run again to resume.

With `--run 2 --weights WEIGHTS` it makes the second of its runs, from the averaged weights of the first, and so on.

PACK_FOLDER is what `scripts/prepare_training_pack.py` wrote. FOLDER gets `log.jsonl`, `checkpoint.pt`, and after each
save the averaged weights as `cells_nano.safetensors`.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch

from sam2_core.checkpoints.load import read_metadata, read_state_dict
from sam2_core.config import load_config
from sam2_core.modeling.sam2 import Sam2Model
from sam2_core.training.cells_recipes import CELLS_NANO_RUNS
from sam2_core.training.pack import load_pack
from sam2_core.training.recipes import with_larger_batches
from sam2_core.training.trainer import Trainer
from sam2_core.training.weights_export import export_weights

DATA = "BBBC038 / DSB2018 stage 1 nuclei (CC0); Usiigaci phase contrast (MIT); synthetic movies (generated)"


def steps_of(weights: Path) -> int:
    """Return how long exported weights were trained, by what is written beside them."""
    return int(read_metadata(weights)["steps"])


def main() -> None:
    """Reads the command line and does it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", type=int, default=1, choices=range(1, len(CELLS_NANO_RUNS) + 1))
    parser.add_argument("--weights", type=Path, default=None, help="of the run before; needed but for the first")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the steps, but for the warm-up")
    parser.add_argument("--until", type=int, default=None, help="stop at this step")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=0, help="processes that draw batches ahead; for a GPU")
    parser.add_argument("--batch", type=int, default=1, help="multiplies the clips of a batch; for a GPU")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="bfloat16", choices=["float32", "bfloat16"])
    chosen = parser.parse_args()
    if (chosen.run == 1) != (chosen.weights is None):
        parser.error("the first run begins with nothing, each later one with --weights, those of the run before")
    logging.basicConfig(level=logging.INFO)
    torch.set_num_threads(chosen.threads)
    packs = sorted(path for path in chosen.pack.glob("*.npz") if "validation" not in path.name)
    torch.manual_seed(0)
    model = Sam2Model(load_config("cells_nano")).to(chosen.device)
    recipe = with_larger_batches(CELLS_NANO_RUNS[chosen.run - 1](chosen.scale, chosen.precision), chosen.batch)
    trainer = Trainer(model, load_pack(*packs), recipe, chosen.folder)
    if not trainer.resume() and chosen.weights is not None:
        trainer.start_from(read_state_dict(chosen.weights), recipe.phases[0].name)
    before = 0 if chosen.weights is None else steps_of(chosen.weights)

    def export(done: Trainer) -> None:
        export_weights(done, chosen.folder / "cells_nano.safetensors", DATA, steps_before=before)

    trainer.run(chosen.until, export, chosen.workers)


if __name__ == "__main__":
    main()
