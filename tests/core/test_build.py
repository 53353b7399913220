from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_models import TINY

from sam2_core import CheckpointError, SAM2ImagePredictor, SAM2VideoPredictor, build_sam2, build_sam2_video_predictor
from sam2_core.build import parse_overrides, pick_device
from sam2_core.checkpoints.registry import add_model
from sam2_core.checkpoints.save import save_checkpoint
from sam2_core.errors import ConfigError


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    model = build_sam2(TINY, device="cpu")
    return save_checkpoint(tmp_path / "tiny.pt", model.state_dict())


def test_the_same_file_gives_the_same_model(checkpoint) -> None:
    one, other = (build_sam2(TINY, checkpoint, device="cpu") for _ in range(2))
    assert not one.training
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_the_door_for_drivers_stays_open() -> None:
    """Scripts fill ``predictor.model`` with weights of their own and ask for a model input of their own."""
    predictor = build_sam2_video_predictor(
        TINY, None, device="cpu", image_size=128, fill_hole_area=0, semantics="official"
    )
    assert isinstance(predictor.model, torch.nn.Module)
    assert (predictor.image_size, predictor.options.fill_hole_area, predictor.options.semantics) == (128, 0, "official")
    predictor.model.load_state_dict(build_sam2(TINY, None, device="cpu").state_dict(), strict=True)


@pytest.mark.parametrize(("apply", "area", "binarize"), [(True, 8, True), (False, 0, False)])
def test_postprocessing_is_one_switch(apply, area, binarize) -> None:
    predictor = build_sam2_video_predictor(TINY, device="cpu", apply_postprocessing=apply)
    assert predictor.model.config.mask_decoder.dynamic_multimask is apply
    assert (predictor.options.fill_hole_area, predictor.options.binarize_prompted_masks) == (area, binarize)


def test_official_overrides_have_their_counterparts() -> None:
    overrides = ["++model.image_size=128", "++model.fill_hole_area=3", "++model.add_all_frames_to_correct_as_cond=true"]
    predictor = build_sam2_video_predictor(TINY, device="cpu", hydra_overrides_extra=overrides)
    assert predictor.image_size == 128
    assert (predictor.options.fill_hole_area, predictor.options.corrections_condition) == (3, True)
    with pytest.raises(ValueError, match=r"override '\+\+model.compile=1' has no counterpart here; known are"):
        parse_overrides(["++model.compile=1"])


def test_official_overrides_reach_the_configuration_behind_postprocessing() -> None:
    extra = "++model.sam_mask_decoder_extra_args.dynamic_multimask_"
    overrides = [f"{extra}via_stability=false", f"{extra}stability_delta=0.1", f"{extra}stability_thresh=0.9"]
    overrides += ["++model.num_maskmem=4", "++model.max_obj_ptrs_in_encoder=8"]
    overrides += ["++model.sigmoid_scale_for_mem_enc=10.0"]
    model = build_sam2(TINY, device="cpu", hydra_overrides_extra=overrides)
    decoder = model.config.mask_decoder
    assert (decoder.dynamic_multimask, decoder.stability_delta, decoder.stability_threshold) == (False, 0.1, 0.9)
    assert (model.config.num_maskmem, len(model.maskmem_tpos_enc)) == (4, 4)
    assert (model.config.pointers.max_in_memory, model.config.memory_encoder.sigmoid_scale) == (8, 10.0)
    assert model.config.memory_encoder.sigmoid_bias == -10.0
    with pytest.raises(ConfigError, match="memory_stride is 0"):
        build_sam2(TINY, device="cpu", hydra_overrides_extra=["++model.memory_temporal_stride_for_eval=0"])
    with pytest.raises(ConfigError, match="at least one frame and one pointer, not 0 and 16"):
        build_sam2(TINY, device="cpu", hydra_overrides_extra=["++model.num_maskmem=0"])


@pytest.mark.parametrize(("config", "timed"), [("sam2.1/sam2.1_hiera_t", True), ("sam2/sam2_hiera_t", False)])
def test_what_a_model_has_anyway_may_be_asked_for(config: str, timed: bool) -> None:
    """The values are those of the official configurations."""
    asked = {
        "multimask_output_for_tracking": True,
        "multimask_min_pt_num": 0,
        "multimask_max_pt_num": 1,
        "use_mask_input_as_output_without_sam": True,
        "memory_temporal_stride_for_eval": 1,
        "non_overlap_masks_for_mem_enc": True,
        "soft_no_obj_ptr": False,
        "add_tpos_enc_to_obj_ptrs": timed,
        "no_obj_embed_spatial": timed,
    }

    def built(**values: object) -> object:
        overrides = [f"++model.{name}={value}" for name, value in values.items()]
        return build_sam2(f"configs/{config}.yaml", device="cpu", image_size=64, hydra_overrides_extra=overrides)

    assert built(**asked) is not None
    with pytest.raises(ValueError, match="soft_no_obj_ptr=True is not possible here; sam2"):
        built(soft_no_obj_ptr=True)
    with pytest.raises(ValueError, match=f"add_tpos_enc_to_obj_ptrs={not timed} is not possible here"):
        built(add_tpos_enc_to_obj_ptrs=not timed)


def test_official_scripts_may_ask_for_the_compiled_predictor(caplog) -> None:
    predictor = build_sam2_video_predictor(TINY, device="cpu", vos_optimized=True)
    assert isinstance(predictor, SAM2VideoPredictor)
    assert predictor.options.compile is None
    assert "vos_optimized compiles on CUDA devices only, not on cpu" in caplog.text


def test_the_compiled_predictor_can_be_had_on_any_device() -> None:
    predictor = build_sam2_video_predictor(TINY, device="cpu", vos_optimized=True, compile="eager")
    assert predictor.options.compile == "eager"


def test_an_unknown_option_is_an_error() -> None:
    with pytest.raises(TypeError, match="fill_holes"):
        build_sam2_video_predictor(TINY, device="cpu", fill_holes=3)


def test_a_checkpoint_of_another_model_says_which_would_have_fitted(tmp_path) -> None:
    other = build_sam2("cells-nano", device="cpu")
    path = save_checkpoint(tmp_path / "other.safetensors", other.state_dict())
    with pytest.raises(CheckpointError, match="cells_nano"):
        build_sam2(TINY, path, device="cpu")


def test_models_of_ones_own_are_found_by_name(checkpoint, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path / "home"))
    add_model("my-cells", checkpoint, str(TINY))
    assert SAM2ImagePredictor.from_pretrained("my-cells", device="cpu").model.image_size == 64
    predictor = SAM2VideoPredictor.from_pretrained("my-cells", device="cpu", semantics="official")
    assert predictor.options.semantics == "official"


def test_auto_picks_a_device_that_is_there() -> None:
    assert pick_device("auto").type in ("cpu", "cuda", "mps")
    assert pick_device("cpu") == torch.device("cpu")


def test_building_does_not_drag_in_what_only_downloads_need() -> None:
    unwanted = "('pooch', 'huggingface_hub', 'dask', 'zarr')"
    code = f"import sam2_core.build, sys; print([name for name in {unwanted} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
