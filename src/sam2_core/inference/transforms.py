"""Between image space and model space: pixels in, prompts in, masks out.

The model sees squares of S x S pixels, so images are stretched without padding and x and y are scaled apart. Videos and
single images are resized in two different ways, because the published numbers were made so: a video frame by Pillow's
bicubic filter, on uint8 values; a single image by antialiased bilinear interpolation, on floats. This room holds no
state, checks no user input (`prompts` and `frames` do) and moves nothing to another device.

Sources: facebookresearch/sam2 at 2b90b9f, `sam2/utils/misc.py` (video), `sam2/utils/transforms.py` (image),
`sam2/sam2_video_predictor.py` (points, masks). Tests hold all of them bit by bit against plain formulas.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from sam2_core.inference.frames.contrast import Rgb
from sam2_core.modeling.mask_decoder import upscale_masks

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Size = tuple[int, int]
"""(height, width) in image pixels."""


def prepare_video_frame(frame_rgb: Rgb, image_size: int) -> Tensor:
    """Return a video frame as the model sees it: (3, S, S) float32, ImageNet-normalised, on the CPU.

    A uint8 frame goes the way of the reference's JPEG folder: Pillow's bicubic filter with values rounded to uint8, a
    division by 255 in float64, then float32. A float frame in [0, 1] is resized by the same filter without rounding,
    and cut to [0, 1] as uint8 would be.
    """
    if frame_rgb.dtype == np.uint8:
        resized = (
            np.asarray(Image.fromarray(frame_rgb).resize((image_size, image_size), Image.Resampling.BICUBIC)) / 255.0
        )
    else:
        resized = np.stack([_resize_float(frame_rgb[:, :, c], image_size) for c in range(3)], axis=2)
    return _normalised(torch.from_numpy(resized).permute(2, 0, 1).to(torch.float32).contiguous())


def prepare_image(image_rgb: Rgb, image_size: int) -> Tensor:
    """Return a single image as the model sees it: (3, S, S) float32, ImageNet-normalised, on the CPU.

    Values are brought to [0, 1] first, then resized by antialiased bilinear interpolation.
    """
    image = torch.from_numpy(np.array(image_rgb)).permute(2, 0, 1).contiguous()
    image = image.to(torch.float32).div(255) if image_rgb.dtype == np.uint8 else image.to(torch.float32)
    if image.shape[-2:] != (image_size, image_size):
        image = _resize_antialiased(image[None], image_size)[0]
    return _normalised(image)


def points_to_model_px(
    points_xy: npt.ArrayLike | Tensor, size: Size, image_size: int, normalize: bool = True
) -> Tensor:
    """Return points in model pixels, float32, in the shape they came in, (..., 2), x before y.

    They come in image pixels, and are divided by the image's width and height, or in [0, 1] when not `normalize`.
    """
    points = torch.as_tensor(points_xy).to(torch.float32)
    if normalize:
        height, width = size
        points = points / torch.tensor([width, height], dtype=torch.float32, device=points.device)
    return points * image_size


def box_to_points(box_xyxy: npt.ArrayLike | Tensor) -> Tensor:
    """Return the corners of each box, (..., 4) -> (..., 2, 2) float32: top-left (x, y), then bottom-right."""
    box = torch.as_tensor(box_xyxy).to(torch.float32)
    return box.reshape(*box.shape[:-1], 2, 2)


def masks_to_video(logits: Tensor, size: Size) -> Tensor:
    """Return mask logits at the size of the video, (O, 1, h, w) -> (O, 1, H, W), bilinear between pixel centres."""
    return logits if tuple(logits.shape[-2:]) == tuple(size) else upscale_masks(logits, size)


def mask_to_model(mask: npt.NDArray[np.bool_] | npt.NDArray[np.float32] | Tensor, image_size: int) -> Tensor:
    """Return a mask drawn in image pixels, (H, W), as 0.0 and 1.0 in model pixels, (1, 1, S, S) float32.

    It is averaged by antialiased bilinear interpolation and cut at one half; a mask of the right size stays as it is,
    its values too.
    """
    drawn = torch.as_tensor(mask).to(torch.float32)[None, None]  # (1, 1, H, W)
    if drawn.shape[-2:] == (image_size, image_size):
        return drawn
    return (_resize_antialiased(drawn, image_size) >= 0.5).to(torch.float32)


def _normalised(image: Tensor) -> Tensor:
    """Subtract ImageNet's mean and divide by its deviation, in place, one float32 operation after the other."""
    image -= torch.tensor(IMAGENET_MEAN, dtype=torch.float32)[:, None, None]
    image /= torch.tensor(IMAGENET_STD, dtype=torch.float32)[:, None, None]
    return image


def _resize_float(plane: npt.NDArray[np.generic], image_size: int) -> npt.NDArray[np.float32]:
    picture = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    resized = np.asarray(picture.resize((image_size, image_size), Image.Resampling.BICUBIC))
    return np.clip(resized, 0.0, 1.0)


def _resize_antialiased(images: Tensor, image_size: int) -> Tensor:
    size = (image_size, image_size)
    return interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)
