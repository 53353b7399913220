"""Clips: the same seed gives the same batch, image and masks move together, movies keep their objects."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sam2_core.errors import StackError
from sam2_core.training.augment import augment, normalise
from sam2_core.training.clip_windows import WindowSettings
from sam2_core.training.clips import ClipBatch, ClipSettings, choose_objects, draw_batch, pick_record, presence
from sam2_core.training.pack import TrainingPack, load_pack, pack_record, save_pack, to_gray_u8


def batch_of(pack: TrainingPack, seed: int, frames: int = 3, augmentation: float = 1.0) -> ClipBatch:
    settings = ClipSettings(WindowSettings(64), clips=2, frames=frames, objects=3, augmentation=augmentation)
    return draw_batch(pack, settings, np.random.default_rng(seed))


def test_the_same_seed_gives_the_same_clips_and_another_seed_others(disc_pack):
    first, again, other = batch_of(disc_pack, 1), batch_of(disc_pack, 1), batch_of(disc_pack, 2)
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.masks, again.masks)
    assert torch.equal(first.image_index, again.image_index)
    assert first.images.shape == (3, 2, 64, 64)
    assert not torch.equal(first.images, other.images)


def test_masks_are_the_objects_of_their_own_window(disc_pack):
    batch = batch_of(disc_pack, 3)
    assert batch.masks.shape[0] == 3
    assert batch.masks.shape[1] == batch.image_index.numel()
    for index, window in enumerate(batch.image_index):
        ids = batch.labels[0, window][batch.masks[0, index, 0] > 0].unique()
        assert ids.numel() == 1
        assert ids[0] > 0


def test_image_and_masks_move_together(disc_pack):
    batch = batch_of(disc_pack, 5, frames=4, augmentation=0.0)
    for frame in range(4):
        inside = batch.images[frame][batch.labels[frame] > 0].mean()
        outside = batch.images[frame][batch.labels[frame] == 0].mean()
        assert inside > outside + 0.3, f"seed 5, frame {frame}: inside {inside}, outside {outside}"
    assert not torch.equal(batch.labels[0], batch.labels[3])


def test_presence_follows_the_mask_area(disc_pack):
    masks = batch_of(disc_pack, 1).masks
    masks[2, 0] = 0
    assert presence(masks)[0].all()
    assert not presence(masks)[2, 0]


def test_in_clips_that_leave_objects_go_and_some_come_back(disc_pack):
    clips = []
    for seed in range(12):
        settings = ClipSettings(
            WindowSettings(64), clips=4, frames=8, objects=3, weights={"movies": 0.0}, leaving=1.0, augmentation=0.0
        )
        clips.append(draw_batch(disc_pack, settings, np.random.default_rng(seed)).masks)
    there = presence(torch.cat(clips, dim=1))  # (T, O)
    gone = ~there[1:].all(dim=0)
    back = gone & there[-1]
    assert gone.float().mean() > 0.3
    assert back.any(), "seeds 0 to 11"


@pytest.mark.parametrize("leaving", [0.0, 1.0])
def test_clips_of_movies_look_at_an_object_that_will_be_gone(disc_pack, leaving):
    [(images, labels)] = [(r.images.copy(), r.labels.copy()) for r in disc_pack.of_group("movies")]
    labels[-1][labels[-1] == 3] = 0
    pack = TrainingPack([pack_record("movies", "one leaves", images, labels)])
    settings = ClipSettings(
        WindowSettings(64, span=(0.5, 0.6), off_centre=0.0), clips=4, frames=4, leaving=leaving, augmentation=0.0
    )
    middles = [draw_batch(pack, settings, np.random.default_rng(seed)).labels[0, :, 32, 32] for seed in range(5)]
    share = (torch.cat(middles) == 3).float().mean()
    assert share > 0.6 if leaving else share < 0.5, f"seeds 0 to 4: {share:.2f} of the windows look at object 3"


def test_images_of_a_rare_microscope_count_more_and_how_far_they_were_shrunk_does_not_matter(rng):
    def still(name: str, size: int, radius: int):
        y, x = np.mgrid[:size, :size] - size // 2
        disc = (y**2 + x**2 < radius**2).astype(np.uint16)
        return pack_record("stills", name, disc * 200, disc)

    usual = [still(f"usual {radius}", 160, radius) for radius in (20, 30, 40, 50)]  # three of them shrunk
    pack = TrainingPack([*usual, still("rare", 96, 20)])
    assert len({record.info.shape for record in usual}) == 4
    names = [pick_record(pack, ClipSettings(), rng).info.name for _ in range(2000)]
    shares = {name: names.count(name) / len(names) for name in set(names)}
    assert shares["rare"] > 0.25  # a fifth of the images
    np.testing.assert_allclose([shares[record.info.name] for record in usual], (1 - shares["rare"]) / 4, atol=0.04)


def test_each_clip_is_inverted_by_its_own_odds():
    ramp = torch.linspace(0.1, 0.9, 64).expand(1, 40, 64, 64)
    changed = augment(ramp, np.random.default_rng(0), 1.0, [0.0] * 20 + [1.0] * 20)
    rising = changed[0, :, :, 48:].mean(dim=(1, 2)) > changed[0, :, :, :16].mean(dim=(1, 2))
    assert rising[:20].all()
    assert not rising[20:].any()


def test_the_smallest_objects_are_asked_for_as_often_as_told():
    labels = np.zeros((96, 96), dtype=np.uint16)
    for label, side in enumerate((20, 6, 16, 8), start=1):  # 2 and 4 are the smallest
        labels[4:24, label * 22 - 18 : label * 22 - 18 + side] = label
    seen = torch.from_numpy(labels.astype(np.int64))
    rng = np.random.default_rng(0)
    asked = [set(choose_objects(seen, 2, rng, smallest=0.5).tolist()) for _ in range(200)]
    assert 0.5 < np.mean([ids == {2, 4} for ids in asked]) < 0.7  # half, and a sixth of the other half
    assert choose_objects(seen, 2, rng, smallest=1.0).tolist() == [2, 4]


def test_coarse_pixels_blur_what_is_finer_and_keep_what_is_larger():
    squares = torch.kron(torch.tensor([[0.2, 0.8], [0.8, 0.2]]).repeat(2, 2), torch.ones(32, 32))
    stripes = torch.tensor([0.3, 0.7]).repeat(64).expand(128, 128)
    clips = torch.stack([squares, stripes])[None]
    kept = [augment(clips, np.random.default_rng(seed), 0.05, 0.0, coarse=0.0) for seed in range(10)]
    seen = [augment(clips, np.random.default_rng(seed), 0.05, 0.0, coarse=1.0) for seed in range(10)]
    spread = np.array([[[image.std() for image in batch[0]] for batch in batches] for batches in (kept, seen)])
    assert (spread[1, :, 0] > 0.7 * spread[0, :, 0]).all(), spread[:, :, 0]
    assert (spread[1, :, 1] < 0.5 * spread[0, :, 1]).all(), spread[:, :, 1]


def test_windows_without_a_single_object_are_an_error(disc_pack):
    tiny = ClipSettings(WindowSettings(64, span=(0.005, 0.006), off_centre=0.0, max_side_ratio=50.0), clips=1)
    with pytest.raises(StackError, match="larger span"):
        draw_batch(disc_pack, tiny, np.random.default_rng(0))


def test_augmentation_stays_in_range_and_strength_zero_changes_nothing(disc_pack):
    images = batch_of(disc_pack, 1, augmentation=0.0).images
    changed = augment(images, np.random.default_rng(0))
    assert changed.shape == images.shape
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert not torch.allclose(changed, images)
    assert torch.equal(augment(images, np.random.default_rng(0), strength=0.0), images)


def test_normalise_repeats_gray_with_imagenet_numbers():
    image = torch.full((1, 2, 2), 0.5)
    expected = torch.tensor([(0.5 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0.5 - 0.406) / 0.225])
    assert torch.allclose(normalise(image)[0, :, 0, 0], expected)


def test_a_pack_survives_its_file(disc_pack, tmp_path):
    save_pack(disc_pack.records, tmp_path / "pack.npz")
    loaded = load_pack(tmp_path / "pack.npz")
    assert loaded.groups == ("discs", "movies")
    for before, after in zip(disc_pack.records, loaded.records, strict=True):
        assert before.info == after.info
        assert np.array_equal(before.images, after.images)
        assert np.array_equal(before.labels, after.labels)


def test_large_objects_are_brought_to_the_common_scale():
    labels = np.zeros((300, 300), dtype=np.uint16)
    labels[50:250, 50:250] = 7
    record = pack_record("large", "square", labels * 20, labels)
    assert record is not None
    assert record.info.diameter_px == pytest.approx(48.0)
    assert record.images.shape[1] < 70


def test_a_record_without_objects_is_left_out_and_an_empty_pack_refused():
    assert pack_record("none", "empty", np.zeros((32, 32)), np.zeros((32, 32), dtype=np.uint16)) is None
    with pytest.raises(StackError, match="at least one record"):
        TrainingPack([])


def test_colour_becomes_gray_stretched_over_the_whole_range():
    colour = np.zeros((8, 8, 3), dtype=np.uint8)
    colour[:4] = 100
    gray = to_gray_u8(colour)
    assert gray.shape == (8, 8)
    assert gray.min() == 0
    assert gray.max() == 255
