"""Plays a scenario on the official package and saves its answers; run by that package's own Python, not imported here.

``python official_driver.py SCENARIO.json FRAMES.npy ANSWERS.npz``. The package needs an empty stand-in for a module of
torchvision that cannot be imported on a CPU build.
"""

# ruff: noqa: E402 - the stand-in must be there before the package is imported
from __future__ import annotations

import json
import sys
import types
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.modules["torchvision._meta_registrations"] = types.ModuleType("torchvision._meta_registrations")

import numpy as np
import sam2.sam2_video_predictor as official
import torch
from PIL import Image
from sam2.build_sam import build_sam2_video_predictor
from stand_ins import fill_with_stand_ins, with_what_happens_meanwhile


def main(scenario_path: str, frames_path: str, answers_path: str) -> None:
    with open(scenario_path) as file:
        scenario = json.load(file)
    frames = np.load(frames_path)
    size = scenario["image_size"]
    official.load_video_frames = lambda **_: (prepared(frames, size), frames.shape[1], frames.shape[2])
    overrides = [f"++model.image_size={size}", "++model.fill_hole_area=0", *scenario.get("overrides", [])]
    config = f"configs/{scenario['model']}.yaml"
    predictor = build_sam2_video_predictor(config, None, device="cpu", hydra_overrides_extra=overrides)
    fill_with_stand_ins(predictor)
    state = predictor.init_state("frames")
    answers = []
    for kind, event in scenario["events"]:
        answers += happen(predictor, state, kind, event, frames.shape[1:3])
    arrays = {}
    for number, (ids, logits) in enumerate(answers):
        arrays[f"{number:03d}/ids"] = np.array(ids)
        arrays[f"{number:03d}/logits"] = logits[:, 0, ::4, ::4].float().numpy()
    np.savez(answers_path, **arrays)


def prepared(frames: np.ndarray, size: int) -> torch.Tensor:
    resized = [np.array(Image.fromarray(frame).resize((size, size))) / 255.0 for frame in frames]
    images = torch.stack([torch.from_numpy(image).permute(2, 0, 1) for image in resized]).float()
    images -= torch.tensor((0.485, 0.456, 0.406))[:, None, None]
    images /= torch.tensor((0.229, 0.224, 0.225))[:, None, None]
    return images


def happen(predictor, state, kind, event, shape):
    frame, obj = event.get("frame"), event.get("obj")
    if kind in ("points", "box"):
        given = {key: event[key] for key in ("points", "labels", "box") if key in event}
        given = {key: np.array(value, np.int32 if key == "labels" else np.float32) for key, value in given.items()}
        given |= {"points": given["points"].reshape(-1, 2)} if "points" in given else {}
        _, ids, logits = predictor.add_new_points_or_box(
            state, frame, obj, clear_old_points=event.get("clear_old", True), **given
        )
        return [(list(ids), logits.clone())]
    if kind == "mask":
        cx, cy, rx, ry = event["ellipse"]
        y, x = np.mgrid[: shape[0], : shape[1]]
        _, ids, logits = predictor.add_new_mask(state, frame, obj, ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1)
        return [(list(ids), logits.clone())]
    if kind == "propagate":
        run = predictor.propagate_in_video(
            state, event.get("start"), event.get("max_frames"), reverse=event.get("reverse", False)
        )
        answers = ((list(ids), logits.clone()) for _, ids, logits in run)
        return with_what_happens_meanwhile(answers, event, lambda other: happen(predictor, state, *other, shape))
    if kind == "clear_prompts":
        _, ids, logits = predictor.clear_all_prompts_in_frame(state, frame, obj)
        return [(list(ids), logits.clone())]
    if kind == "remove":
        ids, updated = predictor.remove_object(state, obj)
        return [(list(ids), logits.clone()) for _, logits in updated]
    predictor.reset_state(state)
    return []


if __name__ == "__main__":
    main(*sys.argv[1:])
