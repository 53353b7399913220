"""The number format of a call: picked for the device, entered for the call, nothing global."""

from __future__ import annotations

import contextlib

import pytest
import torch
from small_models import tiny_model

from sam2_core.inference.network import precision
from sam2_core.inference.network.precision import pick_precision, running
from sam2_core.inference.video_predictor import SAM2VideoPredictor
from sam2_core.kernels.processor import Processor

CUDA = torch.device("cuda:0")


@pytest.mark.parametrize(
    ("name", "dtype"), [("float32", None), ("bfloat16", torch.bfloat16), ("float16", torch.float16)]
)
@pytest.mark.parametrize("device", ["cpu", "mps", "cuda"])
def test_a_precision_that_was_asked_for_is_taken(name, dtype, device) -> None:
    if (name, device) == ("float16", "cpu"):
        with pytest.raises(ValueError, match="float16 cannot be computed on a CPU"):
            pick_precision(name, torch.device(device))
    else:
        assert pick_precision(name, torch.device(device)) is dtype


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_only_cuda_is_halved_where_numbers_are_to_be_exact(device, monkeypatch) -> None:
    on_processor(monkeypatch, "AVX512-BF16")
    assert pick_precision("auto", torch.device(device)) is None


@pytest.mark.parametrize(("units", "dtype"), [("AVX512-BF16", torch.bfloat16), ("AVX2", None)])
def test_a_processor_that_multiplies_bfloat16_does_where_they_need_not_be(units, dtype, monkeypatch) -> None:
    on_processor(monkeypatch, units)
    assert pick_precision("auto", torch.device("cpu"), exact=False) is dtype
    assert pick_precision("auto", torch.device("mps"), exact=False) is None
    assert pick_precision("float32", torch.device("cpu"), exact=False) is None


def test_without_onednn_no_processor_is_fast_in_bfloat16(monkeypatch) -> None:
    on_processor(monkeypatch, "AVX512-BF16", overruled="bfloat16")
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    assert pick_precision("auto", torch.device("cpu"), exact=False) is None
    assert pick_precision(None, torch.device("cpu"), exact=False) is None
    assert pick_precision("bfloat16", torch.device("cpu"), exact=False) is torch.bfloat16


def test_nothing_is_narrowed_on_a_cpu_that_nobody_asked_for(monkeypatch) -> None:
    on_processor(monkeypatch, "AVX512-BF16")
    assert SAM2VideoPredictor(tiny_model()).precision == "float32"
    on_processor(monkeypatch, "AVX512-BF16", overruled="bfloat16")
    assert SAM2VideoPredictor(tiny_model()).precision == "bfloat16"
    assert SAM2VideoPredictor(tiny_model(), semantics="official").precision == "float32"
    on_processor(monkeypatch, "AVX2", overruled="bfloat16")
    assert SAM2VideoPredictor(tiny_model()).precision == "float32"


@pytest.mark.parametrize(("semantics", "dtype"), [("official", "float32"), ("interactive", "bfloat16")])
def test_the_official_reading_stays_float32_on_a_cpu(semantics, dtype, monkeypatch) -> None:
    on_processor(monkeypatch, "AVX512-BF16")
    model = tiny_model()
    assert SAM2VideoPredictor(model, semantics=semantics, precision="auto").precision == dtype
    assert SAM2VideoPredictor(model, semantics=semantics, precision="float32").precision == "float32"


def on_processor(monkeypatch, *units, overruled="") -> None:
    monkeypatch.setattr(precision, "processor", lambda: Processor("another", units, True, overruled=overruled))


@pytest.mark.parametrize(("computes_in_it", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_card_that_only_imitates_bfloat16_runs_in_float16(monkeypatch, computes_in_it, dtype) -> None:
    """As torch answers on a card before Ampere: it can imitate bfloat16, slowly."""

    def is_bf16_supported(including_emulation: bool = True) -> bool:
        return including_emulation or computes_in_it

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
    assert pick_precision("auto", CUDA) is dtype


@pytest.mark.parametrize("dtype", [None, torch.bfloat16, torch.float16])
def test_products_run_in_that_precision_and_nothing_global_changes(dtype) -> None:
    before = settings()
    with running(torch.device("cpu"), dtype):
        product = torch.ones(4, 4) @ torch.ones(4, 4)
        assert product.dtype == (dtype or torch.float32)
        assert product.is_inference()
        assert settings() == before
    assert settings() == before
    assert (torch.ones(4, 4) @ torch.ones(4, 4)).dtype == torch.float32


def settings() -> tuple[object, ...]:
    """What a library has no business to change for a whole process."""
    return (
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
        torch.are_deterministic_algorithms_enabled(),
        torch.get_default_dtype(),
        torch.get_num_threads(),
    )


def test_precision_is_left_behind_when_the_body_fails() -> None:
    with pytest.raises(KeyError), running(torch.device("cpu"), torch.bfloat16):
        raise KeyError("anything")
    assert not torch.is_autocast_enabled("cpu")
    assert not torch.is_inference_mode_enabled()
