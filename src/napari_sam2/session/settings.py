"""What a person sets for a session, declared once: panel, command line, preferences, saved file and documentation.

Title, description, default, range and the values offered (with a word for each, as `json_schema_extra`) stand with the
field. A panel makes its form of them, the command line its options, and tests compare what has to be written down again
(`napari.yaml`, docs/sessions.md).
Settings are values and replaced whole. `invalidated` says by comparison whether the masks still hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from numbers import Real
from typing import Any, NamedTuple, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator

from napari_sam2.engine.view import ViewChoice
from napari_sam2.masks.overlaps import Overlaps
from sam2_core.checkpoints.registry import BUNDLED_NAME
from sam2_core.config import LEAST_INPUT, MOST_INPUT
from sam2_core.errors import StackError

SHOWN_ONLY = frozenset({"overlaps"})
"""Fields that change what is shown, and no mask."""
OF_THE_MOVIE = frozenset({"track_axis", "fixed"})
"""Fields that make another movie; they are settled before the first prompt."""
SAME_ANSWER = frozenset({"device", "feature_cache", "estimated_diameter_px", "overlaps"})
"""Fields in which a run that was stopped and the one that goes on with it may differ."""


class FeatureCache(StrEnum):
    """Whether what the model makes of each frame is kept on disk; auto for large models on a CPU."""

    auto = "auto"
    on = "on"
    off = "off"

    @property
    def option(self) -> bool | None:
        """The same as an option of the video predictor."""
        return None if self is FeatureCache.auto else self is FeatureCache.on


class SessionSettings(BaseModel):
    """Settings of one session; one that cannot be is a `StackError` that names it, wherever it comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(
        BUNDLED_NAME,
        title="Model",
        description="Name of a model (Models panel, or napari-sam2 models), or path of a checkpoint.",
    )
    device: str = Field(
        "auto",
        title="Device",
        description="Where the model runs: auto, cpu, cuda, cuda:1, mps.",
        json_schema_extra={
            "auto": "Automatic",
            "cpu": "Processor (cpu)",
            "cuda": "NVIDIA (cuda)",
            "mps": "Apple (mps)",
        },
    )
    track_axis: str | None = Field(
        None, title="Tracked axis", description="T or Z; T by default, Z where there is no time.", pattern="^[TZ]$"
    )
    fixed: dict[str, int] = Field(
        default_factory=dict, title="Other axes", description="Index at which every other axis is held."
    )
    channels: tuple[int | str, ...] | None = Field(
        None,
        title="Channels",
        description="Up to three channels, by number or name, that the model sees; all by default.",
        min_length=1,
        max_length=3,
    )
    contrast_limits: tuple[tuple[FiniteFloat, FiniteFloat], ...] | None = Field(
        None,
        title="Contrast",
        description="Stored values shown as black and white, one pair or one a channel; percentiles by default.",
        min_length=1,
    )
    even_out: bool = Field(
        False,
        title="Even out brightness",
        description="Scale every frame to the same brightness, against bleaching and flicker.",
    )
    view: ViewChoice = Field(
        ViewChoice.auto,
        title="View",
        description="The model looks at whole frames, or at windows that follow the objects; auto goes by their size.",
        json_schema_extra={"auto": "Automatic", "full": "Whole frames", "windows": "Following windows"},
    )
    object_diameter_px: float | None = Field(
        None,
        title="Object size",
        description="Diameter of a typical object in pixels; by default taken from the first boxes and masks.",
        ge=1,
        le=9999,
    )
    estimated_diameter_px: float | None = Field(
        None,
        title="Estimated diameter",
        description="Taken from the prompts by the first propagation and kept, so that the view stays.",
        ge=1,
    )
    feature_cache: FeatureCache = Field(
        FeatureCache.auto,
        title="Keep image features",
        description="Keep what the model makes of each frame on disk, so that corrections and later sessions need not "
        "wait for it; auto: of large models on a CPU. See napari-sam2 embed.",
        json_schema_extra={"auto": "Automatic", "on": "On", "off": "Off"},
    )
    overlaps: Overlaps = Field(
        Overlaps.logits,
        title="Overlaps",
        description="Where masks overlap: the stronger mask wins, the earlier object keeps its pixels, or both stay.",
        json_schema_extra={"logits": "Stronger mask wins", "keep": "Earlier mask stays", "allowed": "Allowed"},
    )
    image_size: int | None = Field(
        None,
        title="Model input",
        description="Side of the square model input in pixels, a multiple of 32; that of the model by default.",
        ge=LEAST_INPUT,
        le=MOST_INPUT,
        multiple_of=32,
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _in_words(error) from error

    @classmethod
    def model_validate(cls, obj: Any, **kwargs: Any) -> Self:
        """Return the settings in a mapping of fields.

        Raises
        ------
        StackError
            If one of them is not known or cannot be.
        """
        try:
            return super().model_validate(obj, **kwargs)
        except ValidationError as error:
            raise _in_words(error) from error

    @field_validator("contrast_limits", mode="before")
    @classmethod
    def _of_each(cls, value: object) -> object:
        """One pair is that of all channels; `_plain`, which stands below, has been at it before."""
        is_pair = isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(one, Real) for one in value)
        return (value,) if is_pair else value

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        """Scripts give what they have: numbers, texts and arrays of numpy."""
        if isinstance(value, Mapping):
            return {str(key): cls._plain(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return tuple(cls._plain(one) for one in value)
        return value.tolist() if isinstance(value, np.ndarray | np.generic) else value

    @field_validator("feature_cache", mode="before")
    @classmethod
    def _on_or_off(cls, value: object) -> object:
        """Sessions that were saved before there was `auto` say true or false."""
        return {True: FeatureCache.on, False: FeatureCache.off}[value] if isinstance(value, bool) else value

    @field_validator("contrast_limits")
    @classmethod
    def _ordered(cls, value: tuple[tuple[float, float], ...] | None) -> tuple[tuple[float, float], ...] | None:
        for low, high in value or ():
            if not low < high:
                raise ValueError(f"contrast limits {low:g} to {high:g}: the first must be below the second")
        return value


def _in_words(error: ValidationError) -> StackError:
    """Return the first thing that pydantic found as a sentence that names setting and value."""
    fault = error.errors(include_url=False)[0]
    name, message = str(next(iter(fault["loc"]), "")), fault["msg"].removeprefix("Value error, ")
    if not name:  # said in words already, by `__init__`
        return StackError(message)
    return StackError(f"the setting {name} cannot be {fault['input']!r}: {message}.")


class Setting(NamedTuple):
    """What a field says about itself: for people, its default, the values offered with words for them, its range."""

    title: str
    description: str
    default: Any
    words: Mapping[str, str]
    least: float | None
    most: float | None


@cache
def setting(name: str) -> Setting:
    """Return what a field of `SessionSettings` says about itself."""
    told = SessionSettings.model_fields[name]
    kinds: list[dict[str, Any]] = SessionSettings.model_json_schema()["properties"][name].get("anyOf", [])
    number = next((kind for kind in kinds if "minimum" in kind), {})
    extra = told.json_schema_extra if isinstance(told.json_schema_extra, dict) else {}
    words = {value: str(word) for value, word in extra.items()}
    return Setting(
        told.title or name, told.description or "", told.default, words, number.get("minimum"), number.get("maximum")
    )


def changed_fields(old: SessionSettings, new: SessionSettings) -> frozenset[str]:
    """Return the names of the fields in which two settings differ."""
    before = old.model_dump()
    return frozenset(name for name, value in new.model_dump().items() if value != before[name])


def described(old: SessionSettings, new: SessionSettings) -> str:
    """Return what is set otherwise than before, in words for people: "model sam2.1_hiera_t", "view whole frames"."""
    values = new.model_dump(mode="json")
    return ", ".join(
        f"{told.title.lower()} {_word(told, values[name])}"
        for name in SessionSettings.model_fields
        if name in changed_fields(old, new)
        for told in (setting(name),)
    )


def _word(told: Setting, value: Any) -> str:
    """Return a value of a setting in words."""
    if value is None:
        return "by default"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(" to ".join(map(_number, one)) if isinstance(one, list) else str(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {index}" for key, index in value.items())
    return told.words.get(str(value), _number(value) if isinstance(value, float) else str(value))


def _number(value: float) -> str:
    return f"{value:g}"


def invalidated(old: SessionSettings, new: SessionSettings) -> bool:
    """Return whether masks made with the old settings say nothing about the new ones."""
    return bool(changed_fields(old, new) - SHOWN_ONLY)
