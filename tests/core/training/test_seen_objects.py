"""What the dense head sees, as prompts, and which object of the truth each instance means."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sam2_core.modeling.dense_head import DenseMaps
from sam2_core.training.clip_windows import WindowSettings
from sam2_core.training.clips import ClipSettings, draw_batch
from sam2_core.training.dense_targets import DenseTargets
from sam2_core.training.losses import LossWeights
from sam2_core.training.seen_objects import MOST, seen_objects
from sam2_core.training.steps import PromptSettings, clip_losses


def squares() -> torch.Tensor:
    """Two windows: two objects of 24 x 24 px and a small one, and one object."""
    labels = torch.zeros(2, 128, 128, dtype=torch.long)
    labels[0, 12:36, 20:44] = 5
    labels[0, 60:84, 20:44] = 2
    labels[0, 100:112, 100:112] = 7
    labels[1, 40:64, 80:104] = 4
    return labels


def maps_of(labels: torch.Tensor) -> DenseMaps:
    """What a head would say that sees all of it."""
    targets = DenseTargets.of(labels)
    diameters = targets.diameters.clamp(min=8.0)
    return DenseMaps(20 * (targets.foreground - 0.5), 20 * (targets.boundary - 0.5), targets.offsets, diameters)


def test_each_instance_means_the_object_it_lies_on():
    labels = squares()
    seen = seen_objects(maps_of(labels), labels, np.random.default_rng(0))
    assert seen is not None
    assert seen.image_index.tolist() == [0, 0, 0, 1]
    meant = []
    for window, point, rough, mask in zip(
        seen.image_index, seen.points[:, 0], seen.rough, seen.masks[:, 0], strict=True
    ):
        x, y = point.round().long()
        value = labels[window, y, x]
        assert value > 0
        assert torch.equal(mask > 0, labels[window] == value)
        inside = torch.nn.functional.interpolate(rough[None], size=(128, 128), mode="nearest")[0, 0] > 0
        assert (inside & (mask > 0)).sum() >= 0.9 * inside.sum()
        assert set(rough.unique().tolist()) == {-6.0, 6.0}
        meant.append(int(value))
    assert sorted(meant) == [2, 4, 5, 7]


def test_an_instance_of_nothing_means_nothing():
    labels = squares()
    maps = maps_of(labels)
    labels[labels == 5] = 0
    labels[0, 12:36, 20:22] = 5  # less than a tenth of what is seen there
    seen = seen_objects(maps, labels, np.random.default_rng(0))
    assert seen is not None
    assert sorted(seen.masks.flatten(1).any(dim=1).tolist()) == [False, True, True, True]


def test_nothing_is_asked_where_nothing_is_seen():
    empty = torch.zeros(2, 64, 64, dtype=torch.long)
    assert seen_objects(maps_of(empty), empty, np.random.default_rng(0)) is None


def test_of_many_instances_some_are_drawn():
    labels = torch.zeros(1, 256, 256, dtype=torch.long)
    for index in range(25):
        row, column = divmod(index, 5)
        labels[0, 50 * row + 10 : 50 * row + 34, 50 * column + 10 : 50 * column + 34] = index + 1
    drawn = [seen_objects(maps_of(labels), labels, np.random.default_rng(seed)) for seed in range(2)]
    places = []
    for seen in drawn:
        assert seen is not None
        assert len(seen.points) == MOST
        places.append({tuple(point) for point in seen.points[:, 0].tolist()})
    assert places[0] != places[1]


@pytest.mark.parametrize(("share", "frames", "is_seen"), [(0.0, 1, False), (1.0, 1, True), (1.0, 2, False)])
def test_stills_are_asked_about_what_the_head_sees(tiny_model, disc_pack, monkeypatch, share, frames, is_seen):
    """The head is one that sees what is there: its maps are those of the labels. Clips are prompted by a person."""
    model, asked = tiny_model().train(), []
    predict = model.predict_masks

    def recorded(conditioned, features, prompts, multimask, gate=True):
        asked.append(prompts)
        return predict(conditioned, features, prompts, multimask, gate=gate)

    monkeypatch.setattr(model, "predict_masks", recorded)
    settings = ClipSettings(WindowSettings(64), clips=2, frames=frames, objects=3)
    batch = draw_batch(disc_pack, settings, np.random.default_rng(3))
    monkeypatch.setattr(DenseMaps, "of_channels", lambda channels: maps_of(batch.labels[0]))
    person = PromptSettings({"click": 1.0}, 0, corrected_frame=0.0, seen=share, loss=LossWeights(nothing=True))
    losses = clip_losses(model, batch, person, np.random.default_rng(0), dense=True)
    assert len(asked) == frames
    assert (asked[0].mask_logits is not None) == is_seen
    losses["total"].backward()
    assert all(torch.isfinite(value) for value in losses.values())
