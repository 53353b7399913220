"""The views in which a model looks at an image that is prompted: as it is and, where the model wants it, mirrored too.

Everything about them is said here: which views a model has, what images and prompts become in one, how its masks come
back, under which name its features are kept (`disk_features`), and that the answer is the mean of all views. Features
are made for all of them by `look`; `ImageFeatures.views` holds those of the other views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from sam2_core.config import ModelConfig
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.mask_decoder import DecodedMasks
from sam2_core.modeling.prompt_encoder import PromptBatch


@dataclass(frozen=True, slots=True)
class ImageView:
    """Another way to look at an image than as it is.

    Attributes
    ----------
    name
        Under which its features are kept on disk.
    turned
        Images, or masks of them, as they are in this view; a second time brings them back.
    prompts
        Prompts on an input of that side, as they are in this view.
    """

    name: str
    turned: Callable[[Tensor], Tensor]
    prompts: Callable[[PromptBatch, int], PromptBatch]


MIRRORED = ImageView("mirrored", lambda images: images.flip(-1), PromptBatch.mirrored)


def other_views(config: ModelConfig) -> tuple[ImageView, ...]:
    """Return the views of a model besides the image as it is; official models have none."""
    return (MIRRORED,) if config.mirrored_view else ()


def look(
    images: Tensor,
    views: Iterable[ImageView],
    encode: Callable[[Tensor], ImageFeatures],
    known: ImageFeatures | None = None,
) -> ImageFeatures:
    """Return the features of images (B, 3, S, S), and with them those of the other views; what is known is kept."""
    features = encode(images) if known is None else known
    return replace(features, views=tuple(encode(view.turned(images)) for view in views))


def mean_of_views(plain: DecodedMasks, views: Sequence[ImageView], others: Sequence[DecodedMasks]) -> DecodedMasks:
    """Return the mean of what was said in each view; the tokens are those of the image as it is: they know the side."""
    if not others:
        return plain
    count = 1 + len(others)
    logits = [view.turned(decoded.logits) for view, decoded in zip(views, others, strict=True)]
    return DecodedMasks(
        logits=sum(logits, plain.logits) / count,
        ious=sum((decoded.ious for decoded in others), plain.ious) / count,
        tokens=plain.tokens,
        object_score_logits=sum((decoded.object_score_logits for decoded in others), plain.object_score_logits) / count,
    )
