"""A tiny model and a small pack of drawn discs, so that training rooms are tested in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sam2_core.config import HieraConfig, MaskDecoderConfig, MemoryAttentionConfig, ModelConfig, PromptEncoderConfig
from sam2_core.modeling.sam2 import Sam2Model
from sam2_core.training.pack import TrainingPack, pack_record


@pytest.fixture
def one_thread() -> Iterator[None]:
    """What is trained is the same however many cores the machine has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def tiny_config() -> ModelConfig:
    return ModelConfig(
        name="tiny",
        image_size=64,
        d_model=32,
        mem_dim=8,
        dense_widths=(8, 8, 8),
        trunk=HieraConfig(
            embed_dim=16,
            stages=(1, 1, 1, 1),
            global_att_blocks=(2,),
            window_spec=(4, 4, 4, 2),
            window_pos_embed_bkg_spatial_size=(4, 4),
        ),
        prompt_encoder=PromptEncoderConfig(click_map=True),
        mask_decoder=MaskDecoderConfig(num_heads=2, mlp_dim=64),
        memory_attention=MemoryAttentionConfig(num_layers=1, feedforward_dim=64, dropout=0.0),
    )


@pytest.fixture
def tiny_model(tiny_config: ModelConfig) -> Callable[[], Sam2Model]:
    def build() -> Sam2Model:
        torch.manual_seed(0)
        return Sam2Model(tiny_config)

    return build


def drawn_discs(seed: int, side: int = 96) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """An image of bright discs on a dark ground, and its labels."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    labels = np.zeros((side, side), dtype=np.uint16)
    for identity, (y, x) in enumerate(((28, 28), (30, 68), (68, 30), (70, 70)), start=1):
        y, x = y + rng.integers(-4, 5), x + rng.integers(-4, 5)
        labels[np.hypot(rows - y, columns - x) < rng.uniform(9, 13)] = identity
    image = np.where(labels > 0, 170, 40) + rng.normal(0, 6, labels.shape)
    return np.clip(image, 0, 255).astype(np.uint8), labels


@pytest.fixture
def disc_pack() -> TrainingPack:
    records = [pack_record("discs", f"seed{seed}", *drawn_discs(seed)) for seed in range(3)]
    frames = [drawn_discs(seed) for seed in range(4)]
    movie = pack_record("movies", "movie", np.stack([f[0] for f in frames]), np.stack([f[1] for f in frames]))
    return TrainingPack([record for record in [*records, movie] if record is not None])
