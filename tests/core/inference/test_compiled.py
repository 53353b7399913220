"""Tracking with `torch.compile`: the same masks, few shapes, and a way on without it."""

from __future__ import annotations

import pytest
import torch
from stand_ins import movie
from torch._dynamo.utils import counters

from sam2_core import SAM2VideoPredictor
from sam2_core.inference.memory.memory_bank import SelectionRule, select_memories
from sam2_core.inference.network.compiled import CompiledCall, bucket
from sam2_core.inference.network.device_memory import is_out_of_memory
from sam2_core.inference.network.precision import running
from sam2_core.inference.network.runtime import Runtime

FRAMES = 21
FULL_FROM = 16  # six tracked frames and fifteen pointers behind a prompt on frame 0


@pytest.fixture(autouse=True)
def fresh_compiler():
    """Nothing compiled before, and the count of graphs at zero."""
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def messages(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("sam2_core")]


def graphs() -> int:
    return counters["stats"]["unique_graphs"]


def tracked(predictor, objects: int) -> torch.Tensor:
    state = predictor.init_state(movie(FRAMES, seed=11))
    for number in range(objects):
        predictor.add_new_points_or_box(state, 0, number + 1, points=[[30 + 40 * number, 60]], labels=[1])
    return torch.stack([logits for _, _, logits in predictor.propagate_in_video(state)])


def test_compiled_tracking_is_the_same_and_shapes_stay(model, caplog) -> None:
    exact = {"memory_dtype": torch.float32, "precision": "float32"}
    plain, compiled = (SAM2VideoPredictor(model, compile=how, **exact) for how in (None, "eager"))
    torch.testing.assert_close(tracked(compiled, 3), tracked(plain, 3), atol=1e-3, rtol=1e-3)
    assert graphs() == 2  # one of the image encoder, one of a tracked frame: full memories, four objects
    torch.testing.assert_close(tracked(compiled, 4), tracked(plain, 4), atol=1e-3, rtol=1e-3)
    assert graphs() == 2
    assert not counters["graph_break"]
    assert not messages(caplog)


def test_the_captured_graph_gives_what_the_plain_function_does(model) -> None:
    """With a backend that traces and decomposes, as torch's own compiler does before it writes kernels."""
    runtime, plain = Runtime(model, compile="aot_eager"), Runtime(model)
    generator = torch.Generator().manual_seed(0)
    with running(torch.device("cpu"), None):
        image = torch.randn(1, 3, 64, 64, generator=generator)
        features = plain.encode_image(image)
        spatial = [(torch.randn(2, 8, 4, 4, generator=generator), slot) for slot in range(7)]
        pointers = [(torch.randn(2, 32, generator=generator), float(age)) for age in range(16)]
        memory = model.memory_tokens(spatial, pointers, 15)
        found, expected = (each.track(features, memory, fast=True, is_full=True) for each in (runtime, plain))
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
    assert graphs() == 1


def test_memories_are_full_when_every_slot_is_taken() -> None:
    rule = SelectionRule()

    def is_full(frame, conditioning=(0,)):
        return select_memories(conditioning, range(40), frame, False, rule).is_full(rule)

    assert [frame for frame in range(1, 30) if is_full(frame)] == list(range(FULL_FROM, 30))
    assert is_full(35, (0, 3, 38))
    assert not is_full(35, (0, 30))  # takes the place of a tracked frame for a while


@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (16, 16), (17, 32)])
def test_objects_are_padded_to_few_sizes(count, size) -> None:
    assert bucket(count) == size


def test_where_compiling_fails_the_plain_function_goes_on_and_the_reason_is_told_once(caplog) -> None:
    call = CompiledCall(lambda x: (torch.relu(x),), "relu_compile_error_TESTING_ONLY")
    for value in (-1.0, 2.0):
        (found,) = call(torch.tensor([value]))
        assert found.item() == max(value, 0)
    (message,) = messages(caplog)
    assert message.startswith("compiling failed; going on without")
    assert "ReluCompileError" in message


def test_running_out_of_memory_is_no_reason_to_stop_compiling(caplog) -> None:
    def runs_out(x):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    call = CompiledCall(runs_out, "eager")
    with pytest.raises(RuntimeError) as raised:
        call(torch.zeros(1))
    assert is_out_of_memory(raised.value)
    assert not messages(caplog)


def test_answers_are_copies() -> None:
    """A CUDA graph writes its next answer over the last one; this backend does the same."""
    place = torch.zeros(1)

    def into_one_place(graph, inputs):
        return lambda *args: (place.copy_(graph.forward(*args)[0]),)

    call = CompiledCall(lambda x: (x + 1,), "default")
    call._compiled = torch.compile(call._plain, backend=into_one_place)
    (first,), (second,) = call(torch.tensor([1.0])), call(torch.tensor([5.0]))
    assert (first.item(), second.item()) == (2.0, 6.0)


def test_an_unknown_way_is_refused(model) -> None:
    with pytest.raises(ValueError, match=r"compile must be None, one of default, .*'inductor'.*is 'fast'"):
        SAM2VideoPredictor(model, compile="fast")
