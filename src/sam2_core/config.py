"""What a model is made of: frozen dataclasses, read from ``configs/<family>/<name>.yaml`` and checked.

A configuration file names only what differs from the defaults below, which are those that all official models share.
The room knows sizes and names, never tensors: nothing here imports torch.

Sources: the eight official configurations (facebookresearch/sam2, commit 2b90b9f, ``sam2/configs``); the four
switches that turn 2.0 into 2.1 are the fields of `PointerConfig` and `ModelConfig.no_obj_embed_spatial`.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast, get_origin, get_type_hints

import yaml

from sam2_core.errors import ConfigError

CONFIG_ROOT = Path(__file__).parent / "configs"
LEAST_INPUT, MOST_INPUT = 64, 4096
"""Sides of the square model input, in pixels, between which it may be chosen."""


@dataclass(frozen=True, slots=True)
class HieraConfig:
    """The trunk of the image encoder (Hiera): four stages of blocks, each at half the resolution of the last."""

    embed_dim: int = 96
    num_heads: int = 1
    stages: tuple[int, ...] = (1, 2, 7, 2)
    global_att_blocks: tuple[int, ...] = (5, 7, 9)
    window_spec: tuple[int, ...] = (8, 4, 14, 7)
    window_pos_embed_bkg_spatial_size: tuple[int, int] = (7, 7)

    def __post_init__(self) -> None:
        if len(self.stages) != 4 or len(self.window_spec) != 4:
            raise ConfigError(f"a trunk has four stages and four windows, not {self.stages} and {self.window_spec}")
        if self.embed_dim % self.num_heads:
            raise ConfigError(f"embed_dim {self.embed_dim} is not a multiple of num_heads {self.num_heads}")

    @property
    def stage_dims(self) -> tuple[int, ...]:
        """Channels of each stage, finest first."""
        return tuple(self.embed_dim * 2**stage for stage in range(len(self.stages)))

    @property
    def stage_ends(self) -> tuple[int, ...]:
        """Index of the last block of each stage."""
        return tuple(sum(self.stages[: stage + 1]) - 1 for stage in range(len(self.stages)))


@dataclass(frozen=True, slots=True)
class PromptEncoderConfig:
    """How prompts become embeddings; ``click_map`` also renders clicks and boxes as maps (our own models only)."""

    mask_in_chans: int = 16
    click_map: bool = False
    click_map_sigma: float = 1.5


@dataclass(frozen=True, slots=True)
class MaskDecoderConfig:
    """The two-way transformer and its heads.

    Attributes
    ----------
    multimask
        Whether a video frame may have three candidates, of which the best is taken.
    multimask_for_tracking
        Whether it may where the object is remembered; else only at its first prompt.
    multimask_least_points, multimask_most_points
        Of how many points it may; a box counts as two, a frame that nobody prompted has none.
    """

    depth: int = 2
    num_heads: int = 8
    mlp_dim: int = 2048
    num_multimask_outputs: int = 3
    head_depth: int = 3
    dynamic_multimask: bool = True
    stability_delta: float = 0.05
    stability_threshold: float = 0.98
    multimask: bool = True
    multimask_for_tracking: bool = True
    multimask_least_points: int = 0
    multimask_most_points: int = 1

    def takes_best(self, points: int, remembers: bool) -> bool:
        """Return whether three candidates are made for an object of so many points, and the best of them is taken."""
        within = self.multimask_least_points <= points <= self.multimask_most_points
        return self.multimask and within and (self.multimask_for_tracking or not remembers)


@dataclass(frozen=True, slots=True)
class MemoryAttentionConfig:
    """The stack that looks from a frame into an object's memory."""

    num_layers: int = 4
    feedforward_dim: int = 2048
    rope_theta: float = 10000.0
    dropout: float = 0.1


@dataclass(frozen=True, slots=True)
class MemoryEncoderConfig:
    """How a frame and its mask become a memory."""

    fuser_layers: int = 2
    sigmoid_scale: float = 20.0
    sigmoid_bias: float = -10.0


@dataclass(frozen=True, slots=True)
class PointerConfig:
    """Object pointers in the memory; ``temporal_encoding`` is what 2.1 has and 2.0 has not."""

    max_in_memory: int = 16
    temporal_encoding: bool = True


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Everything that `sam2_core.build.build_model` needs to know.

    Attributes
    ----------
    name
        The official file name without its ending, e.g. ``sam2.1_hiera_t``.
    image_size
        Side of the square model input in pixels, a multiple of 32.
    d_model, mem_dim
        Channels of image features and of memory features; ``mem_dim`` divides ``d_model``.
    num_maskmem
        Spatial memories of one object: the conditioning ones count as one, and the newest ``num_maskmem - 1`` tracked
        frames.
    memory_stride
        All but the newest of these tracked frames are the newest ones whose index is a multiple of it.
    no_obj_embed_spatial
        Whether an absent object marks its memory (2.1).
    detail_widths
        Channels of the convolutional branch at strides 2, 4, 8, 16 and 32; empty for none (our own models only).
    dense_widths
        Channels of the head that finds objects without a prompt, at strides 16, 8 and 4; empty for none (our own models
        only).
    smallest_piece
        Pieces of a predicted mask below this share of its largest one are removed; 0 keeps all (official models).
    mirrored_view
        What is prompted without a memory is also looked for in the mirrored image, and the mean of both is the answer
        (our own models only).
    """

    name: str
    image_size: int = 1024
    d_model: int = 256
    mem_dim: int = 64
    num_maskmem: int = 7
    memory_stride: int = 1
    no_obj_embed_spatial: bool = True
    detail_widths: tuple[int, ...] = ()
    dense_widths: tuple[int, ...] = ()
    smallest_piece: float = 0.0
    mirrored_view: bool = False
    trunk: HieraConfig = field(default_factory=HieraConfig)
    prompt_encoder: PromptEncoderConfig = field(default_factory=PromptEncoderConfig)
    mask_decoder: MaskDecoderConfig = field(default_factory=MaskDecoderConfig)
    memory_attention: MemoryAttentionConfig = field(default_factory=MemoryAttentionConfig)
    memory_encoder: MemoryEncoderConfig = field(default_factory=MemoryEncoderConfig)
    pointers: PointerConfig = field(default_factory=PointerConfig)

    def __post_init__(self) -> None:
        if self.image_size % 32 or not LEAST_INPUT <= self.image_size <= MOST_INPUT:
            raise ConfigError(
                f"image_size must be a multiple of 32 from {LEAST_INPUT} to {MOST_INPUT}, is {self.image_size}; "
                "try 256, 512 or 1024"
            )
        if self.d_model % self.mem_dim or self.d_model % 8 or self.mem_dim % 4:
            raise ConfigError(
                f"d_model {self.d_model} must be a multiple of 8 and of mem_dim {self.mem_dim}, and that of 4"
            )
        if self.num_maskmem < 1 or self.pointers.max_in_memory < 1:
            raise ConfigError(
                f"a model remembers at least one frame and one pointer, not {self.num_maskmem} and "
                f"{self.pointers.max_in_memory}"
            )
        if self.memory_stride < 1:
            raise ConfigError(f"memory_stride is {self.memory_stride}; 1 takes every frame, 2 every other one")
        if len(self.detail_widths) not in (0, 5):
            raise ConfigError(f"detail_widths takes five numbers or none, is {list(self.detail_widths)}")
        if len(self.dense_widths) not in (0, 3):
            raise ConfigError(f"dense_widths takes three numbers or none, is {list(self.dense_widths)}")

    @property
    def grid_size(self) -> int:
        """Side of the stride-16 feature grid."""
        return self.image_size // 16

    @property
    def low_res_size(self) -> int:
        """Side of the low-resolution masks (stride 4)."""
        return self.image_size // 4

    def replace(self, **changes: Any) -> ModelConfig:
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)


def config_names() -> tuple[str, ...]:
    """Return every shipped configuration in the official spelling, e.g. ``configs/sam2.1/sam2.1_hiera_t.yaml``."""
    return tuple(f"configs/{path.relative_to(CONFIG_ROOT).as_posix()}" for path in sorted(CONFIG_ROOT.glob("*/*.yaml")))


def load_config(name: str | Path, image_size: int | None = None) -> ModelConfig:
    """Return the checked configuration of that name.

    Parameters
    ----------
    name
        An official spelling (``configs/sam2.1/sam2.1_hiera_t.yaml``), the bare name (``sam2.1_hiera_t``,
        ``cells-nano``), or a path.
    image_size
        Side of the model input, where it should differ from the file's.

    Raises
    ------
    FileNotFoundError
        No such configuration; the message lists those that ship.
    ConfigError
        It cannot be read, has an unknown field or a value that cannot be.
    """
    path = find_config(name)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as a configuration ({error}); write it as YAML") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no mapping of fields")
    config = _fill(ModelConfig, {"name": path.stem, **values}, str(path))
    return config if image_size is None else config.replace(image_size=image_size)


def find_config(name: str | Path) -> Path:
    """Return the file of a configuration, by its official spelling, its bare name or its path."""
    text = str(name)
    bare = Path(text).name.removesuffix(".yaml")
    if Path(text).suffix in (".yaml", ".json") and Path(text).is_file():
        return Path(text)
    for path in CONFIG_ROOT.glob("*/*.yaml"):
        if path.stem in (bare, bare.replace("-", "_")):
            return path
    raise FileNotFoundError(
        f"no configuration named {text!r}; there are {', '.join(config_names())}, or give the path of a file"
    )


Section = TypeVar("Section")


def _fill(section: type[Section], values: dict[Any, Any], where: str) -> Section:
    """Return the dataclass filled from a mapping, lists as tuples, nested sections likewise."""
    kinds = get_type_hints(section)
    unknown = sorted(map(str, set(values) - set(kinds)))
    if unknown:
        raise ConfigError(f"{where}: unknown fields {unknown} in {section.__name__}; known are {sorted(kinds)}")
    fields = dataclasses.fields(cast("Any", section))
    least = {field.name: 0 if kinds[field.name] is int and field.default == 0 else 1 for field in fields}
    filled = {key: _converted(kinds[key], value, f"{where}: {key}", least[key]) for key, value in values.items()}
    return section(**filled)


def _converted(kind: Any, value: Any, where: str, least: int) -> Any:
    """Return a value as its field wants it; raise `ConfigError` if it is of another type or no number that can be.

    least: of a whole number; 0 where that is what a field has by itself, else 1.
    """
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise ConfigError(f"{where} is {value!r}; fields of their own are needed there")
        return _fill(cast("type[Any]", kind), value, where)
    if get_origin(kind) is tuple:
        if not isinstance(value, list) or not all(type(entry) is int and entry >= 0 for entry in value):
            raise ConfigError(f"{where} is {value!r}; a list of whole numbers from 0 is needed")
        return tuple(value)
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return value
    if kind is not float and type(value) is kind and (kind is not int or value >= least):
        return value
    needed = {int: f"a whole number from {least}", float: "a finite number", bool: "true or false", str: "text"}[kind]
    raise ConfigError(f"{where} is {value!r}; {needed} is needed")
