"""As many objects at once as memory allows; fewer when it runs out, and the same masks."""

from __future__ import annotations

import logging
import weakref

import numpy as np
import pytest
import torch
from small_models import TINY
from stand_ins import movie
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sam2_core import SAM2VideoPredictor
from sam2_core.config import load_config
from sam2_core.errors import DeviceMemoryError
from sam2_core.inference.network.chunks import Chunks
from sam2_core.inference.network.device_memory import BUDGETS, MOST_OBJECTS, bytes_per_object, is_out_of_memory
from sam2_core.inference.network.precision import running
from sam2_core.inference.network.runtime import Runtime
from sam2_core.modeling.sam2 import Sam2Model

CPU = torch.device("cpu")
CUDA_SAYS = "CUDA out of memory. Tried to allocate 2.00 GiB.\nMore words."
MPS_SAYS = "MPS backend out of memory (MPS allocated: 8.98 GB, other allocations: 1 MB, max allowed: 9.07 GB)."
OBJECTS = 5


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return movie(6, seed=11)


@pytest.fixture
def small_memory(model):
    """A device whose memory holds so many objects and no more; counts how often it ran out."""
    hooks, ran_out = [], []

    def limit(objects: int, error: type[RuntimeError] = torch.OutOfMemoryError, says: str = CUDA_SAYS) -> list[int]:
        def check(module, given):
            count = len(given[1].tokens)
            if count > objects:
                ran_out.append(count)
                raise error(says)

        hooks.append(model.memory_attention.register_forward_pre_hook(check))
        return ran_out

    yield limit
    for hook in hooks:
        hook.remove()


def tracked(model, frames, **options) -> torch.Tensor:
    predictor = SAM2VideoPredictor(model, **options)
    state = predictor.init_state(frames)
    for number in range(OBJECTS):
        predictor.add_new_points_or_box(state, 0, number + 1, points=[[30 + 40 * number, 60]], labels=[1])
    return torch.stack([logits for _, _, logits in predictor.propagate_in_video(state)])


@pytest.mark.parametrize(("error", "says"), [(torch.OutOfMemoryError, CUDA_SAYS), (RuntimeError, MPS_SAYS)])
def test_a_run_goes_on_with_smaller_chunks_and_says_so_once(model, frames, small_memory, caplog, error, says) -> None:
    expected = tracked(model, frames, objects_per_batch=2)
    ran_out = small_memory(3, error, says)
    with caplog.at_level(logging.WARNING, "sam2_core"):
        found = tracked(model, frames)
    assert torch.equal(found, expected)
    assert ran_out == [OBJECTS]  # on the first frame; the smaller size is remembered
    (record,) = caplog.records
    assert "of cpu ran out with 5 objects at once; going on with 2 at a time" in record.getMessage()


def test_a_chunk_is_halved_more_than_once_and_is_told_of_once(model, frames, small_memory, caplog) -> None:
    expected = tracked(model, frames, objects_per_batch=1)
    ran_out = small_memory(1)
    assert torch.equal(tracked(model, frames, objects_per_batch=4), expected)
    assert ran_out == [4, 2]
    assert len(caplog.records) == 1


def test_when_not_even_one_object_fits_the_error_says_what_to_do(model, frames, small_memory) -> None:
    small_memory(0)
    with pytest.raises(DeviceMemoryError, match=r"cpu is too small .*Tried to allocate 2.00 GiB.*smaller model"):
        tracked(model, frames)


def test_other_errors_come_through_as_they_are(model, frames, small_memory) -> None:
    ran_out = small_memory(1, RuntimeError, "mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        tracked(model, frames)
    assert ran_out == [OBJECTS]


def test_an_image_that_does_not_fit_is_explained_too(model, frames, monkeypatch) -> None:
    def runs_out(images):
        raise torch.OutOfMemoryError(CUDA_SAYS)

    monkeypatch.setattr(model, "encode_image", runs_out)
    with pytest.raises(DeviceMemoryError, match="smaller model"):
        tracked(model, frames)


def test_what_was_computed_before_memory_ran_out_is_kept() -> None:
    chunks, worked = Chunks(load_config(TINY), 4), []

    def work(some):
        if len(some) == 4 and some[0] == 4:
            raise torch.OutOfMemoryError(CUDA_SAYS)
        worked.extend(some)
        return [item * 10 for item in some]

    assert chunks.run(range(10), work, CPU) == [item * 10 for item in range(10)]
    assert worked == list(range(10))  # none twice
    assert chunks.size(CPU) == 2


def test_tensors_of_the_failed_attempt_are_gone_before_the_next() -> None:
    chunks, alive = Chunks(load_config(TINY), 2), []

    def work(some):
        large = torch.zeros(len(some))
        storages = [storage for storage in alive if not storage.expired()]
        assert not storages
        alive.append(torch.multiprocessing.reductions.StorageWeakRef(large.untyped_storage()))
        if len(some) == 2:
            raise torch.OutOfMemoryError(CUDA_SAYS)
        return list(some)

    assert chunks.run([1, 2], work, CPU) == [1, 2]


class Peak(TorchDispatchMode):
    """Counts the bytes of the tensors that are alive."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: dict[int, int] = {}
        self.peak = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage()._cdata not in self.sizes:
                storage = tensor.untyped_storage()
                self.sizes[storage._cdata] = storage.nbytes()
                weakref.finalize(storage, self.sizes.pop, storage._cdata)
        self.peak = max(self.peak, sum(self.sizes.values()))
        return made


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_an_object_needs_no_more_than_was_counted(fast, dtype) -> None:
    config = load_config("cells_nano")
    model, side = Sam2Model(config).eval(), config.grid_size
    peaks = []
    for objects in (1, 3):
        with running(CPU, dtype):
            features = model.encode_image(torch.zeros(1, 3, config.image_size, config.image_size))
            spatial = [(torch.zeros(objects, config.mem_dim, side, side), slot) for slot in range(config.num_maskmem)]
            pointers = [(torch.zeros(objects, config.d_model), float(age)) for age in range(16)]
            with Peak() as seen:
                Runtime(model).track(features, model.memory_tokens(spatial, pointers, 15), fast, is_full=True)
        peaks.append(seen.peak)
    needed = (peaks[1] - peaks[0]) / 2
    assert needed <= bytes_per_object(config) <= 4 * needed


def test_the_size_goes_by_what_the_model_needs() -> None:
    nano, tiny = (load_config(name) for name in ("cells_nano", "sam2.1_hiera_t"))
    assert Chunks(tiny).size(CPU) == BUDGETS["cpu"] // bytes_per_object(tiny) == 2
    assert Chunks(nano).size(CPU) == MOST_OBJECTS["cpu"]
    assert Chunks(tiny.replace(image_size=4096)).size(CPU) == 1
    with pytest.raises(ValueError, match="objects_per_batch is 0"):
        Chunks(tiny, 0)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("anything"), True),
        (RuntimeError(MPS_SAYS), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"),
            True,
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("shapes differ"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_running_out(error, expected) -> None:
    assert is_out_of_memory(error) is expected
