"""What CUDA is told on a machine that has none: no tensor of the CPU meets one on the card, no wait that is not meant.

Values cannot be checked so, and speed neither (`bench_cuda.py`); shapes, devices and waits can (`cardless`). Per frame
the host may wait for masks that are packed, and for those of `cells-nano` whose small pieces go.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from cardless import CUDA, Card
from small_models import TINY
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorDeviceMismatchError

from sam2_core.config import load_config
from sam2_core.inference.image_predictor import SAM2ImagePredictor
from sam2_core.inference.memory.inference_state import InferenceState
from sam2_core.inference.read_ahead import FrameImages
from sam2_core.inference.run import Run
from sam2_core.inference.video_predictor import SAM2VideoPredictor
from sam2_core.modeling.sam2 import Sam2Model

FRAMES, HEIGHT, WIDTH = 4, 50, 60
MOVIE = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8)
BENCHMARKS = Path(__file__).parents[2] / "benchmark"


def configured(name: str) -> Sam2Model:
    """A model on the CPU whose weights nobody asks for; "whole" is tiny with what cells-nano says of its masks."""
    config = load_config("cells-nano" if name == "cells-nano" else TINY)
    if name == "whole":
        config = config.replace(smallest_piece=0.3, mirrored_view=True)
    return Sam2Model(config).eval()


@pytest.fixture(scope="module", params=["tiny", "whole"])
def network(request: pytest.FixtureRequest) -> Sam2Model:
    return configured(request.param)


@pytest.fixture
def card() -> Iterator[Card]:
    made = Card()
    yield made
    made.forget()


@pytest.fixture(params=["float32", "bfloat16"])
def precision(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Autocast looks for a card itself; here it takes our word."""
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda *args, **kwargs: True)
    return request.param


class OnTheCard(FrameImages):
    """Images that a reader has brought to the card ahead of time."""

    def get(self, frames: object, index: int) -> torch.Tensor:
        return torch.zeros(1, 3, self._image_size, self._image_size, device=self._device)


def predictor_on(card: Card, network: Sam2Model, precision: str, **options: object) -> SAM2VideoPredictor:
    """A predictor whose images are read when they are asked for: another thread would not know the card."""
    model = card.with_copy_of(network)
    return SAM2VideoPredictor(model, precision=precision, objects_per_batch=4, frames_ahead=0, **options)


def prompted(predictor: SAM2VideoPredictor) -> InferenceState:
    """Four objects: points, a point, a box and a mask."""
    state = predictor.init_state(MOVIE, contrast_limits=(0, 255))
    answers = [
        predictor.add_new_points_or_box(state, 0, 1, points=[[20, 20], [3, 4]], labels=[1, 0]),
        predictor.add_new_points_or_box(state, 0, 2, points=[[40, 20]], labels=[1]),
        predictor.add_new_points_or_box(state, 0, 3, box=[10, 10, 30, 30]),
        predictor.add_new_mask(state, 0, 4, np.ones((HEIGHT, WIDTH), bool)),
    ]
    for count, (_, _, logits) in enumerate(answers, 1):
        assert (logits.shape, logits.device) == ((count, 1, HEIGHT, WIDTH), CUDA)
    return state


def test_the_probe_sees_a_mixture(card: Card) -> None:
    with card, pytest.raises(FakeTensorDeviceMismatchError):
        torch.ones(3, device=CUDA) + torch.ones(3)


@pytest.mark.parametrize("ask", [torch.Tensor.item, bool], ids=["item", "bool"])
def test_the_probe_sees_who_asks_for_a_value(card: Card, ask: object) -> None:
    with card, torch.inference_mode(), pytest.raises(DataDependentOutputException):
        ask(torch.ones((), device=CUDA))


@pytest.mark.parametrize("ask", [torch.Tensor.nonzero, lambda x: x[x > 0], torch.Tensor.tolist])
def test_the_probe_sees_who_asks_for_many(card: Card, ask: object) -> None:
    with card, torch.inference_mode(), pytest.raises(RuntimeError):
        ask(torch.ones(1, device=CUDA))


@pytest.mark.parametrize("infers", [False, True])
def test_the_probe_sees_copies_that_wait_and_none_that_do_not(card: Card, infers: bool) -> None:
    with card, torch.inference_mode(infers):
        x = torch.ones(2, 3)
        x.to(CUDA)
        x.to(CUDA, non_blocking=True)  # pageable
        x.pin_memory().to(CUDA, non_blocking=True)
        torch.tensor([1.0], pin_memory=True).to(CUDA, non_blocking=True)
        torch.tensor([1.0], device=CUDA)
        there = torch.zeros(2, 3, device=CUDA)
        there[:, 0] = torch.tensor([1.0, 2.0])
        there[None, 0].to(torch.bfloat16)
        there.cpu()
    up, down = ("cpu", "cuda"), ("cuda", "cpu")
    expected = [(*up, (2, 3)), (*up, (2, 3)), (*up, (1,)), (*up, (2,)), (*down, (2, 3))]
    assert card.waits == expected


def test_the_probe_indexes_as_torch_does(card: Card, rng: np.random.Generator) -> None:
    values = torch.from_numpy(rng.random((4, 5, 6)))
    rows = torch.tensor([2, 0, 1])
    keys = [None, 1, (slice(None), 2), (Ellipsis, None), (rows, rows), (slice(None), None, rows), (0, Ellipsis, 1)]
    with card:
        there = torch.zeros(4, 5, 6, device=CUDA, dtype=torch.float64)
        index = torch.zeros(3, dtype=torch.long, device=CUDA)
        swapped = [
            tuple(index if each is rows else each for each in key) if isinstance(key, tuple) else key for key in keys
        ]
        found = [tuple(there[key].shape) for key in swapped]
    assert found == [tuple(values[key].shape) for key in keys]


def test_an_image_is_encoded_where_it_is(card: Card, network: Sam2Model) -> None:
    model = card.with_copy_of(network)
    with card, torch.inference_mode():
        features = model.encode_image(torch.zeros(2, 3, model.image_size, model.image_size, device=CUDA))
        assert {level.device for level in (features.stride16, features.stride8, features.stride4)} == {CUDA}
    assert card.waits == []


def test_prompts_are_answered_on_the_card(card: Card, network: Sam2Model, precision: str) -> None:
    predictor = predictor_on(card, network, precision)
    with card:
        prompted(predictor)
    pieces = 3 if network.config.smallest_piece else 0  # what a person drew is never cut
    assert len(card.downloads) == pieces


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("tiny", "float32"),
        ("tiny", "bfloat16"),
        ("whole", "float32"),
        ("whole", "bfloat16"),
        ("cells-nano", "bfloat16"),
    ],
    indirect=["precision"],
)
def test_tracked_frames_of_several_objects_do_not_wait(card: Card, name: str, precision: str) -> None:
    """Memories of prompted frames are encoded, then frames are tracked with memory attention."""
    network = configured(name)
    predictor = predictor_on(card, network, precision, fill_hole_area=8)
    tracker, side = predictor._tracker, network.config.low_res_size
    with card:
        state = prompted(predictor)
        images = OnTheCard(network.image_size, CUDA)
        card.waits.clear()
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, precision == "bfloat16"):
            tracker.settle(state)
            with Run(tracker, [state], reverse=False, images=images) as run:
                for frame in range(FRAMES):
                    run.visit(frame)
                    assert tracker.read_tracked(state, frame).device == CUDA
        entries = [tracked.bank.entry(FRAMES - 1) for tracked in state.objects.values()]
        assert {entry.memory_features.device for entry in entries} == {CUDA}
    masks = (4, 1, side, side)
    there_and_back = [("cuda", "cpu", masks), ("cpu", "cuda", masks)]
    frames_tracked = FRAMES - 1
    assert card.waits == (there_and_back * frames_tracked if network.config.smallest_piece else [])


def test_stacks_of_their_own_are_tracked_as_one(card: Card, network: Sam2Model) -> None:
    """Each object in a window of its own: the host waits no more often than for one."""
    predictor = predictor_on(card, network, "float32")
    tracker = predictor._tracker
    with card:
        states = [prompted(predictor) for _ in range(3)]
        images = OnTheCard(network.image_size, CUDA)
        card.waits.clear()
        with torch.inference_mode():
            for state in states:
                tracker.settle(state)
            with Run(tracker, states, reverse=False, images=images) as run:
                run.visit(0)
                card.waits.clear()
                run.visit(1)
    assert len(card.waits) == (2 if network.config.smallest_piece else 0)


def test_frames_that_are_packed_leave_the_card_in_one_go(card: Card) -> None:
    predictor = predictor_on(card, configured("tiny"), "float32")
    tracker, images = predictor._tracker, OnTheCard(64, CUDA)
    with card:
        state = prompted(predictor)
        with torch.inference_mode():
            tracker.settle(state)
            for tracked in state.objects.values():
                tracked.bank._keep = 2
            with Run(tracker, [state], reverse=False, images=images) as run:
                for frame in range(3):
                    run.visit(frame)
                card.waits.clear()
                run.visit(3)
    assert card.downloads == [(4, 16, 16)]


@pytest.mark.parametrize("contradicts", [0.0, 1.0], ids=["obeyed", "asked again"])
def test_a_correction_looks_back_on_the_card(
    card: Card, network: Sam2Model, monkeypatch: pytest.MonkeyPatch, contradicts: float
) -> None:
    monkeypatch.setattr(
        "sam2_core.inference.tracker.contradictions", lambda *_: contradicts
    )  # a card has no values here
    predictor = predictor_on(card, network, "float32")
    with card:
        state = prompted(predictor)
        for frame, _, logits in predictor.propagate_in_video(state):
            assert logits.device == CUDA, frame
        card.waits.clear()
        _, _, logits = predictor.add_new_points_or_box(state, 3, 1, points=[[20, 20]], labels=[1])
        assert logits.device == CUDA


def test_a_state_may_be_kept_on_the_cpu(card: Card, network: Sam2Model) -> None:
    predictor = predictor_on(card, network, "float32")
    with card:
        state = predictor.init_state(MOVIE, offload_state_to_cpu=True, contrast_limits=(0, 255))
        predictor.add_new_points_or_box(state, 0, 1, points=[[20, 20]], labels=[1])
        predictor.add_new_points_or_box(state, 0, 2, box=[10, 10, 30, 30])
        for _, _, logits in predictor.propagate_in_video(state):
            assert logits.device == CUDA
        entry = state.objects[1].bank.entry(FRAMES - 1)
        assert {entry.low_res_logits.device.type, entry.memory_features.device.type} == {"cpu"}


def test_single_images_are_prompted_on_the_card(card: Card, network: Sam2Model) -> None:
    model = card.with_copy_of(network)
    with card:
        predictor = SAM2ImagePredictor(model, precision="float32")
        predictor.set_image(MOVIE[0])
        masks, ious, _ = predictor.predict(np.array([[20.0, 20.0]]), np.array([1]))
        boxes, _, low_res = predictor.predict(box=np.array([[1.0, 2.0, 30.0, 40.0], [5.0, 5.0, 20.0, 20.0]]))
        predictor.predict(box=np.array([1.0, 2.0, 30.0, 40.0]), mask_input=low_res[0, :1], multimask_output=False)
    assert (masks.shape, ious.shape, boxes.shape) == ((3, HEIGHT, WIDTH), (3,), (2, 3, HEIGHT, WIDTH))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device, and measuring takes long")
def test_the_benchmarks_of_a_card_come_as_far_as_to_skip() -> None:
    files = [str(BENCHMARKS / name) for name in ("bench_cuda.py", "bench_cuda_kernels.py")]
    words = [sys.executable, "-m", "pytest", "-q", "-rs", "-o", "python_files=bench_*.py", *files]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=BENCHMARKS.parents[1])
    assert (done.returncode, "2 skipped" in done.stdout) == (0, True), done.stdout + done.stderr
    assert "no CUDA device" in done.stdout


@pytest.mark.parametrize("what", ["tracked", "found"])
def test_what_is_measured_of_cells_can_be_measured_without_a_card(what) -> None:
    words = [sys.executable, str(BENCHMARKS / "cuda_worker.py"), "ours", what, "6", "float32", "cpu"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["fps"] > 0
