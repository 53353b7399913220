"""The generator as a whole, with a model that draws known masks (`drawn_masks`)."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from drawn_masks import DISCS
from drawn_model import DrawnModel
from small_models import tiny_model

from sam2_core import SAM2AutomaticMaskGenerator, SAM2ImagePredictor, StackError
from sam2_core.inference.frames.contrast import frame_to_rgb

IMAGE = np.zeros((128, 192), dtype=np.uint8)
ONE_EACH = {"multimask_output": False, "stability_score_thresh": 0.5, "points_per_side": 8, "pred_iou_thresh": 0.0}


def disc(x: float, y: float, radius: float) -> np.ndarray:
    """Return the disc as it lies in the image, which the model sees as a square."""
    rows, columns = (np.arange(side) + 0.5 for side in IMAGE.shape)
    return np.hypot(columns[None] / 192 - x, rows[:, None] / 128 - y) < radius


def test_every_disc_is_found_once_the_surest_first() -> None:
    found = SAM2AutomaticMaskGenerator(DrawnModel(), **ONE_EACH).generate(IMAGE)
    assert len(found) == len(DISCS)
    assert [one["predicted_iou"] for one in found] == sorted((one["predicted_iou"] for one in found), reverse=True)
    for one in found:
        x, y = one["point_coords"][0]
        nearest = min(DISCS, key=lambda d: np.hypot(d[0] - x / 192, d[1] - y / 128))
        assert (one["segmentation"] != disc(*nearest)).mean() < 0.005
        rows, columns = (one["segmentation"].any(axis=axis).nonzero()[0] for axis in (1, 0))
        assert one["bbox"] == [columns[0], rows[0], columns[-1] - columns[0], rows[-1] - rows[0]]
        assert one["area"] == one["segmentation"].sum()
        assert one["crop_box"] == [0, 0, 192, 128]
        assert 0.5 <= one["stability_score"] <= 1


def test_forms_of_a_mask_say_the_same() -> None:
    bits, runs, coco = (
        SAM2AutomaticMaskGenerator(DrawnModel(), **ONE_EACH, output_mode=mode).generate(IMAGE)
        for mode in ("binary_mask", "uncompressed_rle", "coco_rle")
    )
    for mask, lengths, text in zip(bits, runs, coco, strict=True):
        counts = lengths["segmentation"]["counts"]
        values = np.repeat(np.arange(len(counts)) % 2, counts).reshape(192, 128).T
        assert np.array_equal(values.astype(bool), mask["segmentation"])
        assert text["segmentation"]["size"] == lengths["segmentation"]["size"] == [128, 192]
        assert isinstance(text["segmentation"]["counts"], str)
        assert lengths["area"] == mask["area"] == sum(counts[1::2])


def test_masks_are_those_that_the_image_predictor_gives_for_the_points() -> None:
    model, image = tiny_model(), np.random.default_rng(0).integers(0, 4000, (90, 70), dtype=np.uint16)
    settings = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0, "points_per_side": 3}
    found = SAM2AutomaticMaskGenerator(model, **settings, points_per_batch=4).generate(image)
    predictor = SAM2ImagePredictor(model)
    predictor.set_image(image)
    assert len(found) == 27
    for one in found:
        masks, ious, _ = predictor.predict(one["point_coords"], [1])
        which = np.abs(ious - one["predicted_iou"]).argmin()
        assert ious[which] == pytest.approx(one["predicted_iou"], abs=1e-5)
        assert (masks[which].astype(bool) != one["segmentation"]).mean() < 1e-3


@pytest.mark.parametrize("image", [np.zeros((40, 60, 3), np.uint8), np.zeros((40, 60, 2), np.float32)])
def test_images_that_the_predictor_takes_are_taken(image) -> None:
    assert SAM2AutomaticMaskGenerator(DrawnModel(), **ONE_EACH).generate(image)


def test_one_contrast_holds_in_all_crops() -> None:
    image = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    model = DrawnModel()
    SAM2AutomaticMaskGenerator(model, points_per_side=1, crop_n_layers=1).generate(image)
    rgb = torch.from_numpy(frame_to_rgb(image)).permute(2, 0, 1)
    means = [float(encoded.mean()) for encoded in model.encoded]
    corners = [rgb[:, y, x].mean() for x, y in ((20, 20), (20, 43), (43, 20), (43, 43))]
    assert len(means) == 5
    assert np.argsort(means[1:]).tolist() == np.argsort(corners).tolist()
    assert means[1] < means[0] < means[4]


def test_points_go_in_batches_of_no_more_than_was_said_and_are_counted() -> None:
    model, told = DrawnModel(), []
    generator = SAM2AutomaticMaskGenerator(model, **ONE_EACH | {"points_per_side": 3}, points_per_batch=4)
    generator.generate(IMAGE, progress=lambda done, total: told.append((done, total)))
    assert model.asked == [4, 4, 1]
    assert told == [(4, 9), (8, 9), (9, 9)]


def test_what_was_found_before_it_was_cancelled_is_returned() -> None:
    model = DrawnModel()
    generator = SAM2AutomaticMaskGenerator(model, **ONE_EACH, points_per_batch=8, crop_n_layers=1)
    found = generator.generate(IMAGE, is_cancelled=lambda: len(model.asked) == 2)
    assert sum(model.asked) == 16
    assert {one["point_coords"][0][1] for one in found} <= {8.0, 24.0}
    assert found
    assert generator.generate(IMAGE, is_cancelled=lambda: True) == []


def test_candidates_are_not_kept_as_frames() -> None:
    side = 1200
    settings = {**ONE_EACH, "points_per_side": 16, "multimask_output": True, "box_nms_thresh": 1.0}
    generator = SAM2AutomaticMaskGenerator(DrawnModel(64), **settings, output_mode="coco_rle")
    tracemalloc.start()
    found = generator.generate(np.zeros((side, side), np.uint8))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) > 100
    assert peak < 30 * side * side  # the image as three channels, and a few masks at most: not one for each candidate


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"points_per_side": None}, "either points_per_side or point_grids"),
        ({"point_grids": [[[0.5, 0.5]]]}, "either points_per_side or point_grids"),
        ({"points_per_side": None, "point_grids": [[[0.5, 0.5]]], "crop_n_layers": 1}, "1 point_grids for 1 crop"),
        ({"points_per_side": None, "point_grids": [[0.5, 0.5]]}, r"shape \(2,\)"),
        ({"output_mode": "png"}, "'png'; choose one of binary_mask"),
    ],
)
def test_settings_that_cannot_be_are_told(options, says) -> None:
    with pytest.raises(ValueError, match=says):
        SAM2AutomaticMaskGenerator(DrawnModel(), **options)


def test_an_image_of_no_usable_shape_is_told() -> None:
    with pytest.raises(StackError, match="shape"):
        SAM2AutomaticMaskGenerator(DrawnModel()).generate(np.zeros((2, 3, 4, 5)))


def test_a_pretrained_model_is_built_and_the_rest_are_settings() -> None:
    generator = SAM2AutomaticMaskGenerator.from_pretrained("cells-nano", device="cpu", points_per_side=2)
    assert len(generator.point_grids[0]) == 4
    found = generator.generate(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8))
    assert all(one["segmentation"].shape == (64, 64) for one in found)
