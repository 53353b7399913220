"""The mirrored view: our own models look at what is prompted in the mirrored image too, and answer with the mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.mask_decoder import DecodedMasks


def with_mirrored(
    images: Tensor, encode: Callable[[Tensor], ImageFeatures], known: ImageFeatures | None = None
) -> ImageFeatures:
    """Return the features of images (B, 3, S, S), the known ones if there are any, and of the mirrored images."""
    features = encode(images) if known is None else known
    return replace(features, mirrored=encode(images.flip(-1)))


def mean_of_both(plain: DecodedMasks, mirrored: DecodedMasks) -> DecodedMasks:
    """Return the mean of what was said in both views; tokens are those of the image as it is: they know the side."""
    return DecodedMasks(
        logits=(plain.logits + mirrored.logits.flip(-1)) / 2,
        ious=(plain.ious + mirrored.ious) / 2,
        tokens=plain.tokens,
        object_score_logits=(plain.object_score_logits + mirrored.object_score_logits) / 2,
    )
