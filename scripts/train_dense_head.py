"""Trains the dense head of cells-nano: `python scripts/train_dense_head.py PACK_FOLDER FOLDER`; run again to resume.

PACK_FOLDER is what `scripts/prepare_training_pack.py` wrote. The rest of the model stays as it is in `--weights`, the
shipped ones by default; their head begins anew, or goes on (`--again`). FOLDER gets `windows.f16` (features, made
first), `log.jsonl`, `checkpoint.pt`, and after each pass the whole model with the averaged weights of the head as
`cells_nano.safetensors`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors import safe_open

from sam2_core.assembly import build_model
from sam2_core.checkpoints.load import fit, read_metadata, resolve_checkpoint
from sam2_core.checkpoints.save import save_checkpoint
from sam2_core.config import load_config
from sam2_core.training.cells_recipes import dense_head_again_recipe, dense_head_recipe
from sam2_core.training.dense_training import DenseTraining, WindowCache
from sam2_core.training.pack import load_pack

HEAD = "dense_head."


def stored_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return the tensors of a file of weights as they are stored, those of its dense head apart."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    head = {name: tensors.pop(name) for name in list(tensors) if name.startswith(HEAD)}
    return tensors, head


def main() -> None:
    """Reads the command line and does it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", default="cells-nano", help="name or file")
    parser.add_argument("--again", action="store_true", help="the head in the weights goes on, at a fifth of the rate")
    parser.add_argument("--share", type=float, default=1.0, help="of the windows that are usually drawn")
    parser.add_argument("--passes", type=int, default=2, help="through all windows; more learn them by heart")
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    path = resolve_checkpoint(chosen.weights)
    kept, head = stored_tensors(path)
    model = build_model(load_config("cells_nano"))
    fresh = {name: value for name, value in model.state_dict().items() if name.startswith(HEAD)}
    begun = {name: value.float() for name, value in head.items()} if chosen.again else fresh
    fit(model, {name: value.float() for name, value in kept.items()} | begun, path)
    packs = sorted(path for path in chosen.pack.glob("*.npz") if "validation" not in path.name)
    recipe = dense_head_again_recipe(chosen.share) if chosen.again else dense_head_recipe(chosen.share, chosen.passes)
    cache = WindowCache(chosen.folder / "windows.f16", model, load_pack(*packs), recipe)

    def export(done: DenseTraining) -> None:
        head = {HEAD + name: value for name, value in done.average.items()}
        metadata = read_metadata(path) | {"dense_head_steps": str(done.step)}
        save_checkpoint(chosen.folder / "cells_nano.safetensors", kept | head, metadata, half=True)

    DenseTraining(model, cache, chosen.folder).run(export)


if __name__ == "__main__":
    main()
