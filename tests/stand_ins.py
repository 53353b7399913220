"""Stand-in weights and the movie of the recorded answers: made from names and seeds, so that nothing is downloaded.

The recipe is that of the reference's recordings in ``tests/data/golden``; a weight depends on its name and shape alone.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch

HEIGHT, WIDTH = 160, 224
TABLES = ("point_embeddings", "not_a_point_embed", "no_mask_embed", "iou_token", "mask_tokens", "obj_score_token")
TRANSPOSED = ("output_upscaling.0.weight", "output_upscaling.3.weight")
GAIN_4 = ("cross_attn_image.out_proj.weight", "memory_encoder.mask_downsampler.encoder.12.weight")


def stand_in(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One tensor of the stand-in weights, from its name alone."""
    noise = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).standard_normal(shape, dtype=np.float32)
    leaf = name.rsplit(".", 1)[-1]
    if name == "sam_mask_decoder.pred_obj_score_head.layers.2.bias":
        return np.float32(1) + np.float32(0.1) * noise
    if leaf in ("bias", "gamma"):
        return np.float32(0.1) * noise
    if leaf == "weight" and noise.ndim == 1:
        return np.float32(1) + np.float32(0.1) * noise
    if leaf == "weight" and not any(table in name for table in TABLES):
        fan_in = shape[0] if name.endswith(TRANSPOSED) else int(np.prod(shape[1:]))
        return noise / np.float32(np.sqrt(fan_in)) * np.float32(gain(name))
    return noise if leaf == "positional_encoding_gaussian_matrix" else np.float32(0.5) * noise


def gain(name: str) -> int:
    if name.startswith("memory_attention.") and name.endswith(("q_proj.weight", "k_proj.weight")):
        return 3
    return 4 if name.endswith(GAIN_4) else 1


def fill_with_stand_ins(model: torch.nn.Module) -> None:
    weights = {name: torch.from_numpy(stand_in(name, tuple(t.shape))) for name, t in model.state_dict().items()}
    model.load_state_dict(weights, strict=True)


def movie(frames: int, seed: int) -> np.ndarray:
    """(T, H, W, 3) uint8: seven textured discs that drift over a wavy background."""
    rng = np.random.Generator(np.random.PCG64(seed))
    yy, xx = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    centres = rng.uniform([20, 20], [HEIGHT - 20, WIDTH - 20], (7, 2))
    speeds = rng.normal(0, 1.6, (7, 2))
    radii = rng.uniform(12, 26, 7)
    tints = rng.uniform(0.25, 1.0, (7, 3))
    waves = rng.uniform(0.15, 0.6, (7, 2))
    images = []
    for t in range(frames):
        image = np.stack([0.18 + 0.10 * np.sin(xx / 31 + c) * np.cos(yy / 23 - c) for c in range(3)], axis=-1)
        for k in range(7):
            cy, cx = centres[k] + t * speeds[k]
            inside = np.hypot(yy - cy, xx - cx) < radii[k] * (1 + 0.04 * np.sin(0.7 * t + k))
            texture = 0.75 + 0.25 * np.sin(waves[k, 0] * (xx - cx)) * np.cos(waves[k, 1] * (yy - cy))
            image[inside] = texture[inside][:, None] * tints[k]
        image = image + rng.normal(0, 0.02, image.shape)
        images.append(np.round(np.clip(image * 255, 0, 255)).astype(np.uint8))
    return np.stack(images)


def with_what_happens_meanwhile(run, event, happen):
    """Answers of a run, and those of other events that happen behind so many of its frames ("meanwhile")."""
    after, others = event.get("meanwhile", (0, []))
    answers = []
    for answer in run:
        answers.append(answer)
        if len(answers) == after:
            answers += [one for other in others for one in happen(other)]
    return answers
