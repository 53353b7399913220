"""The image predictor: the official calls for one image, or a batch of them.

``set_image`` encodes an image once; ``predict`` answers prompts on it, as often as wanted. The predictor *has* a
model and holds the features of the images that were set; it neither tracks nor remembers.

Source of signatures and return values: ``sam2/sam2_image_predictor.py`` and ``sam2/utils/transforms.py``
(facebookresearch/sam2, 2b90b9f). There the feature sizes of a 1024 px input are written into the code; here any input
size works.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sam2_core.assembly import BUILD_ARGUMENTS, build_sam2_hf
from sam2_core.errors import PromptError, TooEarlyError
from sam2_core.inference.frames.contrast import Rgb, frame_to_rgb
from sam2_core.inference.frames.opened_frames import as_array
from sam2_core.inference.network.precision import pick_precision, running
from sam2_core.inference.postprocess import clean_image_masks, remove_small_pieces
from sam2_core.inference.prompt_inputs import BOX_LABELS, checked_boxes, checked_points
from sam2_core.inference.transforms import Size, box_to_points, masks_to_video, points_to_model_px, prepare_image
from sam2_core.inference.video_predictor import SAM2VideoPredictor
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.prompt_encoder import PromptBatch
from sam2_core.modeling.sam2 import Sam2Model
from sam2_core.modeling.views import look

if TYPE_CHECKING:
    from typing import Self

LOW_RES_LIMIT = 32.0
"""Low-resolution logits are returned cut to this size, ready to be fed back."""

Masks = tuple[npt.NDArray[Any], npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""Masks, predicted IoUs, and low-resolution logits."""


class ImageAnswer(NamedTuple):
    """What is seen of B objects.

    Attributes
    ----------
    low_res_masks
        (B, M, S/4, S/4) logits without small holes and specks.
    ious
        (B, M) predicted IoU.
    mask_input
        (B, M, S/4, S/4) logits as they came, cut to +-32, to be fed back.
    """

    low_res_masks: Tensor
    ious: Tensor
    mask_input: Tensor


class SAM2ImagePredictor:
    """Segments what is pointed at in an image.

    Parameters
    ----------
    sam_model
        A model, or a video predictor, of which the model is taken.
    mask_threshold
        Logits above are inside.
    max_hole_area, max_sprinkle_area
        Holes and specks of up to so many pixels of the low-resolution mask are removed; 0 for none.
    precision
        ``auto``, ``float32``, ``bfloat16`` or ``float16``.

    Examples
    --------
    >>> predictor.set_image(image)
    >>> masks, ious, low_res_logits = predictor.predict(point_coords=[[210, 350]], point_labels=[1])
    """

    def __init__(
        self,
        sam_model: Sam2Model | SAM2VideoPredictor,
        mask_threshold: float = 0.0,
        max_hole_area: float = 0.0,
        max_sprinkle_area: float = 0.0,
        *,
        precision: str = "auto",
    ) -> None:
        self.model = sam_model.model if isinstance(sam_model, SAM2VideoPredictor) else sam_model
        self.mask_threshold = mask_threshold
        self.max_hole_area = max_hole_area
        self.max_sprinkle_area = max_sprinkle_area
        self._dtype = pick_precision(precision, self.model.device)
        self._features: list[ImageFeatures] = []
        self._sizes: list[Size] = []

    @classmethod
    def from_pretrained(cls, model_id: str, **kwargs: Any) -> Self:
        """Return a predictor for a Hugging Face id or a registered name; keywords of `build_sam2` go there."""
        building = {name: kwargs.pop(name) for name in BUILD_ARGUMENTS if name in kwargs}
        return cls(build_sam2_hf(model_id, **building), **kwargs)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.device

    @property
    def image_size(self) -> int:
        """Side of the square model input in pixels."""
        return self.model.image_size

    def set_image(self, image: object, contrast_limits: object = None) -> None:
        """Encode an image, so that it can be prompted.

        Parameters
        ----------
        image
            (H, W), or (H, W, C) of up to three channels, or RGBA; any real type; or a PIL image. uint8 is taken as it
            is, other types are stretched to ``contrast_limits``.
        contrast_limits
            (low, high), or one pair a channel; percentiles of the image where None.

        Raises
        ------
        StackError
            The image is of no usable shape or type, or holds NaN.
        """
        self.set_image_batch([image], contrast_limits)

    def set_image_batch(self, image_list: Sequence[object], contrast_limits: object = None) -> None:
        """Encode several images, which may differ in size; see `set_image` and `predict_batch`."""
        self.reset_predictor()
        images = [frame_to_rgb(as_array(image), contrast_limits) for image in image_list]
        with running(self.device, self._dtype):
            features = [self.encode(image) for image in images]
        self._features = features
        self._sizes = [(image.shape[0], image.shape[1]) for image in images]

    def predict(  # noqa: PLR0913 - the official signature
        self,
        point_coords: object = None,
        point_labels: object = None,
        box: object = None,
        mask_input: object = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        normalize_coords: bool = True,
    ) -> Masks:
        """Return the masks of a prompt on the image, the last one where a batch was set.

        Parameters
        ----------
        point_coords, point_labels
            (N, 2) x, y and (N,) labels, 1 inside and 0 outside; or (B, N, 2) and (B, N) for B objects. Label -1 is
            padding where objects have fewer points than others; 2 and 3 are the corners of a box. Labels without
            points are left out, as officially.
        box
            (x0, y0, x1, y1), or (B, 4) for B objects; as officially also (1, B, 4), and corners (B, 2, 2).
        mask_input
            Low-resolution logits of an earlier answer, (1, S/4, S/4) or (B, 1, S/4, S/4).
        multimask_output
            Three masks for an ambiguous prompt; else one.
        return_logits
            Logits instead of thresholded masks.
        normalize_coords
            Coordinates are pixels; else fractions of the image's width and height.

        Returns
        -------
        tuple
            Masks (M, H, W) float32, 0 and 1; their predicted IoUs (M,); and low-resolution logits (M, S/4, S/4)
            within +-32. With B > 1 objects each has a leading axis B.

        Raises
        ------
        PromptError
            The prompt cannot be used, or no image was set.
        """
        return self._predict_on(
            -1, (point_coords, point_labels, box, mask_input), (multimask_output, return_logits, normalize_coords)
        )

    def predict_batch(  # noqa: PLR0913 - the official signature
        self,
        point_coords_batch: Sequence[object] | None = None,
        point_labels_batch: Sequence[object] | None = None,
        box_batch: Sequence[object] | None = None,
        mask_input_batch: Sequence[object] | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        normalize_coords: bool = True,
    ) -> tuple[list[npt.NDArray[Any]], list[npt.NDArray[np.float32]], list[npt.NDArray[np.float32]]]:
        """Return masks, IoUs and low-resolution logits image by image; see `predict` and `set_image_batch`."""
        columns = (point_coords_batch, point_labels_batch, box_batch, mask_input_batch)
        count = len(self._features)
        for column in columns:
            if column is not None and len(column) != count:
                raise PromptError(
                    f"{len(column)} prompts for {count} images; give one entry an image, None where there is none"
                )
        settings = (multimask_output, return_logits, normalize_coords)
        answers = [
            self._predict_on(i, tuple(None if column is None else column[i] for column in columns), settings)
            for i in range(count)
        ]
        return [a[0] for a in answers], [a[1] for a in answers], [a[2] for a in answers]

    def get_image_embedding(self) -> Tensor:
        """Return (B, C, S/16, S/16), the stride-16 features of the B images that were set.

        Raises
        ------
        PromptError
            No image was set.
        """
        with running(self.device, self._dtype):
            self._features_of(-1)
            return torch.cat([self.model.condition_without_memory(features) for features in self._features])

    def reset_predictor(self) -> None:
        """Forget the images."""
        self._features, self._sizes = [], []

    def answer(self, features: ImageFeatures, prompts: PromptBatch, multimask: bool) -> ImageAnswer:
        """Return what the model says to prompts in model space on an image of these features."""
        prediction = self.model.predict_without_memory(features, prompts, multimask, gate=False)
        logits = prediction.low_res_multimasks
        cleaned = clean_image_masks(logits, self.max_hole_area, self.max_sprinkle_area, self.mask_threshold)
        return ImageAnswer(
            low_res_masks=remove_small_pieces(cleaned, self.model.config.smallest_piece),
            ious=prediction.ious,
            mask_input=logits.clamp(-LOW_RES_LIMIT, LOW_RES_LIMIT),
        )

    def encode(self, image: Rgb) -> ImageFeatures:
        """Return the features of an image, without keeping it."""
        prepared = prepare_image(image, self.model.image_size)[None].to(self.device)
        return look(prepared, self.model.other_views, self.model.encode_image)

    def _features_of(self, index: int) -> ImageFeatures:
        if not self._features:
            raise TooEarlyError("no image is set; call set_image(image) first")
        return self._features[index]

    def _predict_on(self, index: int, prompt: tuple[object, ...], settings: tuple[bool, bool, bool]) -> Masks:
        multimask, return_logits, in_pixels = settings
        features = self._features_of(index)
        size = self._sizes[index]
        with running(self.device, self._dtype):
            batch = self._prompts(prompt, size, in_pixels)
            answer = self.answer(features, batch, multimask)
            masks = masks_to_video(answer.low_res_masks, size)
            masks = masks if return_logits else (masks > self.mask_threshold).float()
        return _to_numpy((masks, answer.ious, answer.mask_input))

    def _prompts(self, prompt: tuple[object, ...], size: Size, in_pixels: bool) -> PromptBatch:
        """Return the checked prompts of B objects in model space, boxes as two leading points."""
        coords, labels, box, mask_input = prompt
        limits = (float(size[1]), float(size[0])) if in_pixels else (1.0, 1.0)
        labels = None if coords is None else labels
        points, point_labels = (torch.from_numpy(part) for part in checked_points(coords, labels, limits))
        if points.ndim == 2:
            points, point_labels = points[None], point_labels[None]
        if box is not None:
            corners = box_to_points(checked_boxes(box, limits))  # (B, 2, 2)
            corner_labels = torch.tensor(BOX_LABELS, dtype=torch.int32).expand(len(corners), 2)
            points, point_labels = _join(corners, points), _join(corner_labels, point_labels)
        mask_logits = self._rough_mask(mask_input)
        if coords is None and box is None:
            count = 1 if mask_logits is None else len(mask_logits)
            return PromptBatch.without_points(count, self.device).with_mask(mask_logits)
        points = points_to_model_px(points, size, self.model.image_size, normalize=in_pixels)
        return PromptBatch(points.to(self.device), point_labels.to(self.device), mask_logits)

    def _rough_mask(self, mask_input: object) -> Tensor | None:
        if mask_input is None:
            return None
        logits = torch.as_tensor(np.asarray(mask_input), dtype=torch.float32)
        logits = logits[None] if logits.ndim == 3 else logits
        side = self.model.config.low_res_size
        if logits.ndim != 4 or logits.shape[1:] != (1, side, side):
            raise PromptError(
                f"mask_input has the shape {tuple(logits.shape)}; expected (1, {side}, {side}): "
                "the low-resolution logits of an earlier answer"
            )
        return logits.to(self.device)


def _join(corners: Tensor, points: Tensor) -> Tensor:
    """Return corners (B, 2, ...) followed by the points (B or 1, N, ...) of each object."""
    if len(points) not in (1, len(corners)):
        raise PromptError(f"{len(corners)} boxes but points for {len(points)} objects; give one row of points a box")
    points = points if len(points) == len(corners) else points.expand(len(corners), *points.shape[1:])
    return torch.cat([corners, points], dim=1)


def _to_numpy(answer: tuple[Tensor, Tensor, Tensor]) -> Masks:
    masks, ious, low_res = (part[0] if len(part) == 1 else part for part in answer)
    return masks.float().cpu().numpy(), ious.float().cpu().numpy(), low_res.float().cpu().numpy()
