"""Features found on disk are those that were made; what is damaged or of something else is never taken for them."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from stand_ins import movie

from sam2_core import SAM2VideoPredictor
from sam2_core.inference.disk_features import SLOW_FROM_PX, FeatureStores, bytes_per_frame, fingerprint
from sam2_core.inference.feature_folder import FeatureFolder
from sam2_core.inference.frames.opened_frames import open_frames
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.sam2 import Sam2Model

FRAMES = 6
VIEWS = 2  # of a frame that is prompted: in a mirror too
CLICKS = {1: (112, 35), 2: (191, 38)}  # x, y of two discs of the movie


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return movie(FRAMES, seed=11)


@pytest.fixture
def folder(tmp_path) -> FeatureFolder:
    return FeatureFolder(tmp_path)


def click(predictor, state, frame=0, object_id=1, label=1):
    return predictor.add_new_points_or_box(state, frame, object_id, points=[CLICKS[object_id]], labels=[label])


def tracked(model, frames, cache=False):
    """Return the logits (T, O, 1, H, W) of a run and of a correction, by a predictor that knows nothing else."""
    predictor = SAM2VideoPredictor(model, feature_cache=cache)
    state = predictor.init_state(frames)
    for object_id in CLICKS:
        click(predictor, state, 0, object_id)
    first = [logits.clone() for _, _, logits in predictor.propagate_in_video(state)]
    click(predictor, state, 3, 1, label=0)
    again = [logits.clone() for _, _, logits in predictor.propagate_in_video(state.select([1]), 3)]
    return torch.stack(first), torch.stack(again)


def put(folder, frames, model, features, dtype=None):
    return FeatureStores(folder, 1).open(open_frames(frames), model, dtype).put(0, features)


def found(folder, frames, model, dtype=None, frame=0):
    return FeatureStores(folder, 1).open(open_frames(frames), model, dtype).get(frame)


def noise(scale=1.0, dtype=torch.float32) -> ImageFeatures:
    generator = torch.Generator().manual_seed(3)
    shapes = ((1, 8, 2, 2), (1, 4, 4, 4), (1, 2, 8, 8))
    return ImageFeatures(*((scale * torch.randn(shape, generator=generator)).to(dtype) for shape in shapes))


def equal(one: ImageFeatures, other: ImageFeatures) -> bool:
    pairs = [(one.stride16, other.stride16), (one.stride8, other.stride8), (one.stride4, other.stride4)]
    return all(first.dtype == second.dtype and torch.equal(first, second) for first, second in pairs)


def test_a_run_from_a_warm_folder_encodes_nothing_and_gives_the_same_masks(nano, frames, folder, encoded):
    plain = tracked(nano, frames)
    cold = tracked(nano, frames, folder)
    assert folder.count() == FRAMES - 1 + VIEWS
    encoded.clear()
    warm = tracked(nano, frames, folder)
    assert not encoded
    for one, other, third in zip(plain, cold, warm, strict=True):
        assert (one > 0).any()
        assert torch.equal(one, other)
        assert torch.equal(other, third)


def test_rounded_features_give_masks_that_are_hardly_different_and_always_the_same(nano, frames, tmp_path, encoded):
    plain, _ = tracked(nano, frames)
    half = FeatureFolder(tmp_path, exact=False)
    cold, _ = tracked(nano, frames, half)
    encoded.clear()
    warm, _ = tracked(nano, frames, half)
    assert not encoded
    assert torch.equal(cold, warm)
    assert not torch.equal(cold, plain)
    assert float((cold - plain).abs().max()) < 0.1
    assert float(((cold > 0) != (plain > 0)).float().mean()) < 1e-4
    assert half.size_bytes() < 0.6 * FRAMES * bytes_per_frame(nano)


def test_prompts_on_a_frame_that_memory_holds_run_the_decoder_only(nano, frames, encoded):
    predictor = SAM2VideoPredictor(nano)
    state = predictor.init_state(frames)
    decoded: list[int] = []
    hook = nano.sam_mask_decoder.register_forward_hook(lambda module, given, found: decoded.append(1))
    click(predictor, state)
    assert (len(encoded), len(decoded)) == (VIEWS, VIEWS)
    click(predictor, state)
    click(predictor, state, object_id=2)
    predictor.add_new_mask(state, 0, 2, np.eye(160, 224, dtype=bool))
    hook.remove()
    assert (len(encoded), len(decoded)) == (VIEWS, 3 * VIEWS + 1)


def test_a_click_after_reopening_runs_no_encoder(nano, frames, folder, encoded):
    for expected in (VIEWS, VIEWS):
        predictor = SAM2VideoPredictor(nano, feature_cache=folder)
        click(predictor, predictor.init_state(frames), frame=2)
        assert len(encoded) == expected


def test_frames_are_encoded_ahead_once_and_a_closed_call_is_gone_on_with(nano, frames, folder, encoded):
    predictor = SAM2VideoPredictor(nano, feature_cache=folder)
    run = predictor.encode_frames(predictor.init_state(frames))
    assert [next(run), next(run)] == [(0, True), (1, True)]
    run.close()
    again = SAM2VideoPredictor(nano, feature_cache=folder)
    answers = list(again.encode_frames(again.init_state(frames), range(FRAMES - 1)))
    assert answers == [(0, False), (1, False), (2, True), (3, True), (4, True)]
    assert len(encoded) == FRAMES - 1
    encoded.clear()
    tracked(nano, frames, folder)
    assert len(encoded) == 2  # the last frame, and the first one in a mirror


def test_features_of_another_frame_contrast_model_or_precision_are_not_taken(nano, frames, folder):
    deep = frames.astype(np.uint16)
    source = open_frames(deep, contrast_limits=(0, 255))
    FeatureStores(folder, 1).open(source, nano, None).put(0, noise())
    assert FeatureStores(folder, 1).open(source, nano, None).get(0) is not None
    assert found(folder, deep, nano, frame=1) is None
    assert found(folder, deep, nano) is None  # estimated contrast limits
    assert found(folder, frames, nano) is None  # another type
    other = deep.copy()
    other[0, 3, 4] += 1
    for frames_now, dtype in ((other, None), (deep, torch.bfloat16)):
        opened = open_frames(frames_now, contrast_limits=(0, 255))
        assert FeatureStores(folder, 1).open(opened, nano, dtype).get(0) is None
    retrained = copy.deepcopy(nano)
    with torch.no_grad():
        retrained.image_encoder.neck.convs[0].conv.bias[0] += 1e-4
    assert fingerprint(retrained) != fingerprint(nano)
    assert FeatureStores(folder, 1).open(source, retrained, None).get(0) is None
    rounding = FeatureFolder(folder.path, exact=False)
    assert FeatureStores(rounding, 1).open(source, nano, None).get(0) is None


def test_a_window_that_was_moved_is_another_image_and_found_again_when_it_is_back(nano, frames, folder):
    class Window:
        y0 = 0
        height, width = 64, 64

        def __len__(self):
            return FRAMES

        def __getitem__(self, index):
            return frames[index, self.y0 : self.y0 + 64, :64]

    window = Window()
    store = FeatureStores(folder, 2).open(open_frames(window), nano, None)
    features = noise()
    store.put(0, features)
    window.y0 = 5
    store.clear()
    assert len(store) == 0
    assert store.get(0) is None
    window.y0 = 0
    store.clear()
    again = store.get(0)
    assert again is not None
    assert equal(again, features)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_come_back_as_they_are_or_rounded_to_eleven_bits(nano, frames, tmp_path, dtype):
    exact, half = FeatureFolder(tmp_path / "exact"), FeatureFolder(tmp_path / "half", exact=False)
    features = noise(3.0, dtype)
    for folder in (exact, half):
        kept = put(folder, frames, nano, features)
        back = found(folder, frames, nano)
        assert back is not None
        assert equal(kept, back)
        if folder is exact or dtype is torch.bfloat16:
            assert equal(back, features)
        else:
            torch.testing.assert_close(back.stride4, features.stride4, rtol=2**-11, atol=1e-7)


def test_values_too_large_for_half_precision_are_kept_whole(nano, frames, tmp_path):
    folder, features = FeatureFolder(tmp_path, exact=False), noise(1e6)
    put(folder, frames, nano, features)
    back = found(folder, frames, nano)
    assert back is not None
    assert equal(back, features)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-7])


def emptied(path):
    path.write_bytes(b"")


def flipped(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 4
    path.write_bytes(bytes(content))


def foreign(path):
    save_file({"weight": torch.zeros(3)}, path)


def other_words(path):
    tensors = {"stride16": torch.zeros(1), "stride8": torch.zeros(1), "stride4": torch.zeros(1)}
    save_file(tensors, path, {"made by": "another program"})


def renamed(path):
    content = path.read_bytes().replace(path.stem.encode(), b"0" * 40)
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut_short, emptied, flipped, foreign, other_words, renamed])
def test_a_file_that_is_damaged_or_foreign_is_removed_and_the_frame_encoded_again(
    nano, frames, folder, encoded, caplog, damage
):
    expected = tracked(nano, frames, folder)[0]
    path = sorted(folder.path.glob("*.safetensors"))[2]
    damage(path)
    encoded.clear()
    assert torch.equal(tracked(nano, frames, folder)[0], expected)
    assert len(encoded) == 1
    assert f"{path} is of no use" in caplog.text
    encoded.clear()
    tracked(nano, frames, folder)
    assert not encoded


def test_a_disk_that_is_full_loses_nothing(nano, frames, tmp_path, caplog):
    (tmp_path / "file").write_text("no folder can be here")
    folder = FeatureFolder(tmp_path / "file")
    assert torch.equal(tracked(nano, frames, folder)[0], tracked(nano, frames)[0])
    assert len(caplog.records) == 1
    assert folder.fault


def test_the_size_of_a_frame_is_known_before(nano, frames, tmp_path):
    for exact in (False, True):
        folder = FeatureFolder(tmp_path / str(exact), exact=exact)
        predictor = SAM2VideoPredictor(nano, feature_cache=folder, precision="float32")
        list(predictor.encode_frames(predictor.init_state(frames), [0]))
        assert 0 < folder.size_bytes() - bytes_per_frame(nano, exact) < 1000


@pytest.mark.parametrize(("image_size", "wanted"), [(256, False), (SLOW_FROM_PX, True)])
def test_large_models_on_a_cpu_keep_features_unless_told_not_to(nano, frames, image_size, wanted):
    model = Sam2Model(replace(nano.config, image_size=image_size))
    assert (SAM2VideoPredictor(model).feature_folder is not None) == wanted
    assert SAM2VideoPredictor(model, feature_cache=False).feature_folder is None
    if not wanted:
        return
    predictor = SAM2VideoPredictor(model)
    click(predictor, predictor.init_state(frames))
    assert FeatureFolder().count() == VIEWS
    assert FeatureFolder().size_bytes() > bytes_per_frame(model)
