"""Makes a folder of cells-nano for the Hugging Face hub: `python scripts/export_huggingface.py FOLDER`.

FOLDER gets `model.safetensors` (the bytes that ship), `config.json` (every field of the configuration), `README.md`
(the card of docs/models.md behind the fields that the hub reads) and `LICENSE`. `build_sam2_hf(FOLDER)`, and the id of
a repository with these files, give the model back. Nothing is uploaded.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import yaml
from model_package import DATA_LICENCES, ROOT, TAGS, card, citations, model, new_folder, summary

from sam2_core.checkpoints.locate import CONFIG_FILE, WEIGHTS_FILE
from sam2_core.checkpoints.registry import place_of
from sam2_core.config import load_config


def export(folder: Path) -> Path:
    """Return the folder, made.

    Raises
    ------
    FileExistsError
        It holds files already.
    """
    folder, entry = new_folder(folder), model()
    shutil.copyfile(place_of(entry), folder / WEIGHTS_FILE)
    config = dataclasses.asdict(load_config(entry.config))
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(readme(), encoding="utf-8")
    shutil.copyfile(ROOT / "LICENSE", folder / "LICENSE")
    return folder


def readme() -> str:
    """Return the card with what the hub reads in front of it."""
    entry = model()
    fields = {
        "license": entry.licence.lower(),
        "library_name": "napari-sam2",
        "pipeline_tag": "mask-generation",
        "tags": [tag.replace(" ", "-").lower() for tag in TAGS],
    }
    data = "\n".join(f"- {name}: {licence}" for name, licence in DATA_LICENCES.items())
    cite = "\n".join(f"- {one.text}{f' (doi:{one.doi})' if one.doi else ''}" for one in citations())
    return (
        f"---\n{yaml.safe_dump(fields, sort_keys=False)}---\n\n{card()}\n"
        f"{summary()}\n\n"
        "## Use\n\n```python\nfrom sam2_core import SAM2ImagePredictor, SAM2VideoPredictor\n\n"
        'predictor = SAM2VideoPredictor.from_pretrained("this folder, or the id of this repository")\n```\n\n'
        f"## Real training data\n\n{data}\n\n## Cite\n\n{cite}\n"
    )


def main() -> None:
    """Reads the command line and does it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a new one")
    folder = export(parser.parse_args().folder)
    print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


if __name__ == "__main__":
    main()
