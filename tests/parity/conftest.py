"""A driver that plays a recorded scenario on our predictors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from stand_ins import HEIGHT, WIDTH, fill_with_stand_ins, movie, with_what_happens_meanwhile

from sam2_core import SAM2ImagePredictor, build_sam2, build_sam2_video_predictor

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def ellipse(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1


class Answer(NamedTuple):
    label: str
    object_ids: list[int]
    logits: np.ndarray | None  # (O, H/4, W/4), or None where only the ids were recorded


def play(scenario: dict[str, Any]) -> list[Answer]:
    """Play a video scenario on our predictor, through the public interface alone."""
    config = f"configs/{scenario['model']}.yaml"
    size = scenario["image_size"]
    overrides = scenario.get("overrides", [])
    predictor = build_sam2_video_predictor(
        config,
        None,
        device="cpu",
        image_size=size,
        fill_hole_area=0,
        semantics="official",
        hydra_overrides_extra=overrides,
    )
    fill_with_stand_ins(predictor.model)
    state = predictor.init_state(movie(scenario["frames"], scenario["seed"]))
    answers: list[Answer] = []
    for number, (kind, event) in enumerate(scenario["events"]):
        answers += [
            Answer(f"{number}:{label}", ids, thin(m)) for label, ids, m in happen(predictor, state, kind, event)
        ]
    return answers


def thin(logits: torch.Tensor | None) -> np.ndarray | None:
    return None if logits is None else logits[:, 0, ::4, ::4].numpy()


def happen(predictor: Any, state: Any, kind: str, event: dict[str, Any]) -> list[tuple[str, list[int], Any]]:
    frame, obj = event.get("frame"), event.get("obj")
    if kind in ("points", "box"):
        _, ids, logits = predictor.add_new_points_or_box(
            state,
            frame,
            obj,
            points=event.get("points"),
            labels=event.get("labels"),
            box=event.get("box"),
            clear_old_points=event.get("clear_old", True),
        )
        return [(f"{kind}:{frame}", ids, logits)]
    if kind == "mask":
        _, ids, logits = predictor.add_new_mask(state, frame, obj, ellipse(*event["ellipse"]))
        return [(f"mask:{frame}", ids, logits)]
    if kind == "propagate":
        run = predictor.propagate_in_video(
            state, event.get("start"), event.get("max_frames"), reverse=event.get("reverse", False)
        )
        answers = ((f"frame:{frame}", ids, logits) for frame, ids, logits in run)
        return with_what_happens_meanwhile(answers, event, lambda other: happen(predictor, state, *other))
    if kind == "clear_prompts":
        _, ids, logits = predictor.clear_all_prompts_in_frame(state, frame, obj)
        return [(f"cleared:{frame}", ids, logits)]
    if kind == "remove":
        ids, updated = predictor.remove_object(state, obj)
        return [("left", ids, None), *((f"updated:{frame}", ids, logits) for frame, logits in updated)]
    assert kind == "reset", kind
    predictor.reset_state(state)
    return []


def image_answers(scenario: dict[str, Any]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(IoUs, low-resolution logits, full-resolution logits) of the seven recorded calls, in order."""
    model = build_sam2(f"configs/{scenario['model']}.yaml", None, device="cpu", image_size=scenario["image_size"])
    fill_with_stand_ins(model)
    predictor = SAM2ImagePredictor(model)
    predictor.set_image(movie(1, scenario["seed"])[0])
    one, two = ([[60, 50]], [1]), ([[60, 50], [150, 80]], [1, 0])
    box = [30, 20, 110, 90]
    boxes = [box, [100, 60, 200, 150], [5, 5, 60, 60]]
    first = predictor.predict(*one, return_logits=True)
    best = first[2][first[1].argmax()][None]
    rest = [
        predictor.predict(*two, multimask_output=False, return_logits=True),
        predictor.predict(box=box, multimask_output=False, return_logits=True),
        predictor.predict(*one, box=box, return_logits=True),
        predictor.predict(box=boxes, multimask_output=False, return_logits=True),
        predictor.predict(return_logits=True),
        predictor.predict(*two, mask_input=best, multimask_output=False, return_logits=True),
    ]
    return [(ious, low[..., ::4, ::4], full[..., ::4, ::4]) for full, ious, low in [first, *rest]]


@pytest.fixture(scope="session")
def scenarios() -> dict[str, Any]:
    return json.loads((GOLDEN / "scenarios.json").read_text())


@pytest.fixture(scope="session")
def recorded() -> Any:
    with np.load(GOLDEN / "answers.npz") as answers:
        return {key: answers[key] for key in answers.files}


@pytest.fixture(scope="session")
def play_scenario():
    return play


@pytest.fixture(scope="session")
def answer_image_calls():
    return image_answers
