"""Which kernels are chosen for which processor, and that the choice can be overruled."""

from __future__ import annotations

import logging
import platform

import pytest
import torch

from sam2_core.kernels.processor import VARIABLE, processor

ZEN4 = {"cpu_name": "AMD EPYC", "avx2": True, "avx512_f": True, "avx512_bf16": True}
ZEN5 = {**ZEN4, "avx512_vp2intersect": True}
OF_INTEL = {"cpu_name": "Intel Xeon", "avx2": True, "avx512_f": True, "avx512_vp2intersect": True}
LAPTOP = {"cpu_name": "AMD Ryzen", "avx2": True}


@pytest.fixture
def found_on(monkeypatch):
    """Look at another x86-64 processor, or at one of Arm's."""

    def look(capabilities, machine="x86_64", chosen=""):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
        monkeypatch.setattr(platform, "machine", lambda: machine)
        monkeypatch.setenv(VARIABLE, chosen)
        processor.cache_clear()
        return processor()

    yield look
    processor.cache_clear()


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")
@pytest.mark.parametrize(
    ("capabilities", "bfloat16", "wide"),
    [(ZEN4, True, False), (ZEN5, True, True), (OF_INTEL, False, False), (LAPTOP, False, False), ({}, False, False)],
)
def test_units_decide(capabilities, bfloat16, wide, found_on) -> None:
    found = found_on(capabilities)
    assert (found.takes_onednn, found.takes_bfloat16, found.has_wide_units) == (True, bfloat16, wide)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")
def test_a_user_can_overrule_it(found_on) -> None:
    plain, float32 = found_on(ZEN4, chosen="plain"), found_on(ZEN4, chosen="float32")
    assert (plain.takes_onednn, plain.takes_bfloat16) == (False, False)
    assert (float32.takes_onednn, float32.takes_bfloat16) == (True, False)
    assert not found_on(ZEN4).prefers_bfloat16
    assert found_on(ZEN4, chosen="bfloat16").prefers_bfloat16
    assert not found_on(LAPTOP, chosen="bfloat16").prefers_bfloat16


def test_another_word_is_ignored_with_a_word(found_on, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        assert found_on(ZEN4, chosen="fast").overruled == ""
    assert "'fast'" in caplog.text
    assert "plain" in caplog.text


def test_what_was_not_measured_goes_torchs_way(found_on) -> None:
    arm = found_on({"cpu_name": "Neoverse", "bf16": True, "sve": True}, machine="aarch64")
    assert (arm.takes_onednn, arm.takes_bfloat16) == (False, False)
    assert arm.units == ("Arm BF16", "SVE")
