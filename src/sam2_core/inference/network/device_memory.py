"""The memory of a device: how much of it may be used at once, and what happens when there is none left.

Nothing here holds tensors. `Chunks` decides with these numbers how many objects go through the network at once;
`precision.running` lets every call of a predictor end with `explained` when memory ran out all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sam2_core.config import ModelConfig
from sam2_core.errors import DeviceMemoryError

MEBIBYTE = 2**20
BUDGETS = {"cpu": 512 * MEBIBYTE, "mps": 2048 * MEBIBYTE}
"""What the objects of a batch may use on devices that are not asked: a rule, so that the same run always has the same
batches."""
MOST_OBJECTS = {"cpu": 16}
"""More at once are no faster there: small models are fastest with 8 to 16, large ones do not care (measured)."""
CUDA_SHARE = 0.5
"""The share of the memory that is free on a CUDA device; the rest is for memories that are still to come."""
COMPLAINTS = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed")
"""How errors of torch say that memory ran out where they are no `torch.OutOfMemoryError`: on MPS, on a CPU, in
cuBLAS."""


def budget_bytes(device: torch.device) -> int:
    """Return how many bytes the objects of one batch may use."""
    if device.type != "cuda":
        return BUDGETS.get(device.type, BUDGETS["mps"])
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(CUDA_SHARE * (free + unused))


def objects_that_fit(config: ModelConfig, device: torch.device) -> int:
    """Return how many objects may go through the network at once, at least 1."""
    fit = max(1, budget_bytes(device) // bytes_per_object(config))
    return min(fit, MOST_OBJECTS.get(device.type, fit))


def bytes_per_object(config: ModelConfig) -> int:
    """Return about how many bytes one object needs on a frame when its memories are full, in float32.

    Counted are the memories with their places and their projected keys, two of each while keys are turned, the hidden
    layer of a feed-forward with its input and output, and a few masks at the model input's size. A test holds it to
    what the network was seen to use.
    """
    cells = config.grid_size**2
    pieces = config.d_model // config.mem_dim
    tokens = config.num_maskmem * cells + config.pointers.max_in_memory * pieces
    memories = tokens * (3 * config.mem_dim + 3 * config.d_model)
    hidden = cells * (config.memory_attention.feedforward_dim + 4 * config.d_model)
    masks = 6 * config.image_size**2
    return 4 * (memories + hidden + masks)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that a device has no memory left."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in COMPLAINTS)


def give_back(device: torch.device) -> None:
    """Hand memory that nothing uses back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


@contextmanager
def explained(device: torch.device) -> Iterator[None]:
    """Run the body; where memory runs out, say what can be done.

    Raises
    ------
    DeviceMemoryError
        Memory ran out.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        first_line = str(error).strip().partition("\n")[0]
        raise DeviceMemoryError(
            f"the memory of {device} is too small for this model and its objects, even one at a time ({first_line}). "
            "Close what else uses it, take a smaller model, track through windows, track fewer objects in one run, "
            'or take half precision (precision="bfloat16") and offload_state_to_cpu=True where it is a graphics card'
        ) from error
