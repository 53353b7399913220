"""Makes a BioImage.IO package of cells-nano: `python scripts/export_bioimageio.py FOLDER`.

FOLDER gets `rdf.yaml` (model description 0.5), `weights.pt` (TorchScript, no code of ours is needed to run it), test
inputs and outputs, a cover, and the card; beside it lies FOLDER.zip, which is the package. To validate it:

    python -m venv bio && bio/bin/pip install bioimageio.core torch
    bio/bin/bioimageio test FOLDER/rdf.yaml

What the package does is less than the model: one image of 256 x 256, one channel, clicks inside of objects, and no
memory, so no tracking. Every click is an object of its own. `maps` needs none.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from model_package import ROOT, TAGS, Citation, authors, card, citations, example, model, new_folder, summary
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from sam2_core import build_sam2_hf
from sam2_core.inference.frames.contrast import HIGH_PERCENT, LOW_PERCENT
from sam2_core.inference.transforms import IMAGENET_MEAN, IMAGENET_STD
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.prompt_encoder import PromptBatch
from sam2_core.modeling.sam2 import Sam2Model
from sam2_core.modeling.views import look

STRIDE = 4
EPS = 1e-6
MAPS = ("foreground", "boundary", "offset_x", "offset_y", "diameter")


class Sees(nn.Module):
    """An image to what the dense head says of it, and to the features that clicks ask."""

    def __init__(self, model: Sam2Model) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).reshape(1, 3, 1, 1))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return maps (1, 5, S, S), then the features, plain and mirrored, of an image (1, 1, S, S), 0 to 1."""
        shown = (image.clamp(0, 1).expand(-1, 3, -1, -1) - self.mean) / self.std
        features = look(shown, self.model.other_views, self.model.encode_image)
        seen = self.model.see_objects(features)
        offsets, diameters = seen.offsets * STRIDE, seen.diameters[:, None]
        logits = torch.stack([seen.foreground, seen.boundary], dim=1)
        maps = torch.cat([logits.sigmoid(), offsets, diameters], dim=1)
        return _at_full_size(maps), *features.maps, *(level for view in features.views for level in view.maps)


class Answers(nn.Module):
    """A click to the mask of the object that it is on."""

    def __init__(self, model: Sam2Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, point: Tensor, features: list[Tensor]) -> Tensor:
        """Return probabilities (1, 1, S, S) for a point (1, 1, 2), x and y in pixels, on what `Sees` saw."""
        plain, *others = (ImageFeatures(*features[at : at + 3]) for at in range(0, len(features), 3))
        known = ImageFeatures(*plain.maps, views=tuple(others))
        prompts = PromptBatch(point, torch.ones(1, 1, dtype=torch.int64))
        return _at_full_size(self.model.predict_without_memory(known, prompts, multimask=True).low_res_masks).sigmoid()


class Package(nn.Module):
    """Both, for any number of clicks."""

    def __init__(self, sees: nn.Module, answers: nn.Module) -> None:
        super().__init__()
        self.sees, self.answers = sees, answers

    def forward(self, image: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return maps (1, 5, S, S) and masks (1, N, S, S) for points (1, N, 2)."""
        seen = self.sees(image)
        masks = torch.jit.annotate(list[Tensor], [])
        for at in range(points.shape[1]):
            masks.append(self.answers(points[:, at : at + 1], seen[1:]))
        return seen[0], torch.cat(masks, dim=1)


def script(model: Sam2Model) -> torch.jit.ScriptModule:
    """Return the model as TorchScript: traced with torch's own products, looped over clicks."""
    side = model.image_size
    with torch.no_grad(), _plain_products(), _without_warnings():
        sees, image = Sees(model), torch.rand(1, 1, side, side)
        features = list(sees(image)[1:])
        traced = torch.jit.trace(sees, (image,), check_trace=False)
        answering = torch.jit.trace(Answers(model), (torch.full((1, 1, 2), side / 2), features), check_trace=False)
        return torch.jit.script(Package(traced, answering))


def scaled(image: NDArray[Any]) -> NDArray[np.float32]:
    """Return an image as the package's `scale_range` makes it of pixel values."""
    low, high = np.percentile(image.astype(np.float32), (LOW_PERCENT, HIGH_PERCENT))
    return ((image.astype(np.float32) - low) / (high - low + EPS)).astype(np.float32)


def export(folder: Path) -> Path:
    """Return the zip of the package, made beside its folder.

    Raises
    ------
    FileExistsError
        The folder holds files already.
    """
    folder = new_folder(folder)
    network = build_sam2_hf(model().name, device="cpu")
    packed = script(network)
    with _without_warnings():
        packed.save(str(folder / "weights.pt"))
    image, points = example()
    given = {"image": image[None, None].astype(np.float32), "points": points[None]}
    with torch.no_grad():
        found = packed(torch.from_numpy(scaled(image))[None, None], torch.from_numpy(given["points"]))
    for name, array in {**given, "maps": found[0].numpy(), "masks": found[1].numpy()}.items():
        np.save(folder / f"test_{name}.npy", array)
    cover(image, found[1].numpy()[0]).save(folder / "cover.png")
    (folder / "README.md").write_text(card(), encoding="utf-8")
    shutil.copyfile(ROOT / "LICENSE", folder / "LICENSE")
    described = yaml.safe_dump(description(folder, network.image_size), sort_keys=False, allow_unicode=True)
    (folder / "rdf.yaml").write_text(described, encoding="utf-8")
    return Path(shutil.make_archive(str(folder), "zip", folder))


def cover(image: NDArray[np.uint8], masks: NDArray[np.float32]) -> Image.Image:
    """Return the example twice, side by side, the right one with its masks in colour."""
    gray = (255 * scaled(image).clip(0, 1)).astype(np.uint8)
    plain = np.stack([gray] * 3, axis=-1)
    colours = np.random.default_rng(1).integers(60, 256, (len(masks), 3))
    shown = plain.astype(float)
    for mask, colour in zip(masks > 0.5, colours, strict=True):
        shown[mask] = 0.55 * shown[mask] + 0.45 * colour
    return Image.fromarray(np.concatenate([plain, shown.astype(np.uint8)], axis=1))


def description(folder: Path, side: int) -> dict[str, Any]:
    """Return the content of rdf.yaml; test files and weights are named with their sha256."""
    entry = model()

    def file(name: str) -> dict[str, str]:
        return {"source": name, "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()}

    def test(name: str) -> dict[str, Any]:
        return {"id": name, "test_tensor": file(f"test_{name}.npy")}

    def space(size: object) -> list[dict[str, Any]]:
        return [{"type": "space", "id": axis, "size": size} for axis in "yx"]

    one = {"type": "batch", "size": 1}
    scale = {"min_percentile": LOW_PERCENT, "max_percentile": HIGH_PERCENT, "axes": ["y", "x"], "eps": EPS}
    return {
        "format_version": "0.5.4",
        "type": "model",
        "name": entry.name,
        "description": summary(),
        "version": entry.version,
        "license": entry.licence,
        "authors": [{"name": name} for name in authors()],
        "cite": [_cited(one) for one in citations() if one.doi or one.url],
        "documentation": file("README.md"),
        "covers": ["cover.png"],
        "attachments": [file("LICENSE")],
        "tags": list(TAGS),
        "inputs": [
            test("image")
            | {
                "description": "One channel; any values, which are brought to 0 to 1 by percentiles of the image.",
                "axes": [one, {"type": "channel", "channel_names": ["intensity"]}, *space(side)],
                "data": {"type": "float32"},
                "preprocessing": [{"id": "scale_range", "kwargs": scale}],
            },
            test("points")
            | {
                "description": "Clicks in pixels, each inside an object of its own; pixel centres are whole numbers.",
                "axes": [
                    one,
                    {"type": "index", "size": {"min": 1, "step": 1}},
                    {"type": "channel", "channel_names": ["x", "y"]},
                ],
                "data": {"type": "float32"},
            },
        ],
        "outputs": [
            test("maps")
            | {
                "description": "Without a click: probability of object and outline; way to the centre, diameter (px).",
                "axes": [one, {"type": "channel", "channel_names": list(MAPS)}, *space(side)],
                "data": {"type": "float32"},
            },
            test("masks")
            | {
                "description": "Probability of each object that was clicked on; 0.5 is its outline.",
                "axes": [
                    one,
                    {"type": "index", "size": {"tensor_id": "points", "axis_id": "index"}},
                    *space(side),
                ],
                "data": {"type": "float32", "range": [0.0, 1.0]},
            },
        ],
        "weights": {"torchscript": file("weights.pt") | {"pytorch_version": torch.__version__.partition("+")[0]}},
    }


@contextmanager
def _plain_products() -> Iterator[None]:
    """Leave out what TorchScript does not know: products that are called by name (`kernels.products`)."""
    was_on = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = False
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = was_on


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Leave out that sizes become constants, which is meant, and that torch would rather have another format."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.filterwarnings("ignore", message=r".*torch\.jit", category=DeprecationWarning)
        yield


def _cited(one: Citation) -> dict[str, str]:
    return {"text": one.text} | ({"doi": one.doi} if one.doi else {"url": one.url or ""})


def _at_full_size(maps: Tensor) -> Tensor:
    return F.interpolate(maps, scale_factor=float(STRIDE), mode="bilinear", align_corners=False)


def main() -> None:
    """Reads the command line and does it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a new one; the package is FOLDER.zip")
    print(export(parser.parse_args().folder))


if __name__ == "__main__":
    main()
