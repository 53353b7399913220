"""What a session holds, as one value: document, masks and settings; two of them say where they differ.

`between` is for what was cut off in the middle: there each prompt and each mask is one of those that it was meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_sam2.document.difference import difference
from napari_sam2.document.document import Document
from napari_sam2.masks.stored_masks import MaskKey, MaskStatus, StoredMask
from napari_sam2.session.session import Session

ESTIMATED = "estimated_diameter_px"
"""Settled by the first run and no edit."""


@dataclass(frozen=True, eq=False)
class Picture:
    document: Document
    masks: tuple[tuple[MaskKey, StoredMask], ...]
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, session: Session) -> Picture:
        return cls(session.document, tuple(session.masks.items()), session.settings.model_dump(mode="json"))

    @property
    def painted(self) -> dict[MaskKey, StoredMask]:
        return {key: mask for key, mask in self.masks if mask.status is MaskStatus.edited}

    def of_object(self, object_id: int) -> tuple[dict[int, Any], dict[int, StoredMask]]:
        masks = {key[1]: mask for key, mask in self.masks if key[0] == object_id}
        return self.document.prompts_of(object_id), masks


def unlike(wanted: Picture, found: Picture) -> str:
    """Say in words by what two pictures differ; empty where they do not."""
    said = said_otherwise(wanted, found)
    return "; ".join([*said, *settings_otherwise(wanted, found), *masks_otherwise(wanted, found)])


def masks_otherwise(wanted: Picture, found: Picture) -> list[str]:
    """Say by which masks two pictures differ, to the last bit."""
    masks, others = dict(wanted.masks), dict(found.masks)
    return [
        f"mask {key}: {_word(masks.get(key))} became {_word(others.get(key))}"
        for key in sorted(masks.keys() | others.keys())
        if masks.get(key) != others.get(key)
    ]


def decided_otherwise(wanted: Picture, found: Picture) -> list[str]:
    """Say where one picture has a mask that holds and the other has none: it is missing or stale there."""
    first, second = ({key for key, mask in one.masks if mask.status is not MaskStatus.stale} for one in (wanted, found))
    return [f"mask {key} holds in one of them alone" for key in sorted(first ^ second)]


def said_otherwise(wanted: Picture, found: Picture) -> list[str]:
    """Say by what the documents differ, the order of objects included."""
    said = [] if difference(wanted.document, found.document).is_empty else [_difference(wanted, found)]
    if list(wanted.document.objects) != list(found.document.objects):
        said.append(f"objects {list(wanted.document.objects)} became {list(found.document.objects)}")
    return said


def settings_otherwise(wanted: Picture, found: Picture, without: Iterable[str] = ()) -> list[str]:
    """Say by what the settings differ, some fields left out."""
    return [
        f"setting {name}: {value!r} became {found.settings[name]!r}"
        for name, value in wanted.settings.items()
        if found.settings[name] != value and name not in set(without)
    ]


def between(pictures: Sequence[Picture], found: Picture) -> str:
    """Say what is there that was in none of the pictures, and what is gone that was in all of them."""
    return "; ".join(
        [
            *_foreign("object", [one.document.objects for one in pictures], found.document.objects, str),
            *_foreign("prompt", [one.document.prompts for one in pictures], found.document.prompts, str),
            *_foreign("proposal", [one.document.proposals for one in pictures], found.document.proposals, str),
            *_foreign("mask", [dict(one.masks) for one in pictures], dict(found.masks), _word),
            *_foreign("setting", [one.settings for one in pictures], found.settings, str),
        ]
    )


def _foreign(
    what: str, wanted: Sequence[Mapping[Any, Any]], found: Mapping[Any, Any], word: Callable[[Any], str]
) -> list[str]:
    keys = {key for one in (*wanted, found) for key in one}
    return [
        f"{what} {key}: {word(found.get(key))} was none of {sorted({word(one.get(key)) for one in wanted})}"
        for key in sorted(keys, key=str)
        if not any(one.get(key) == found.get(key) for one in wanted)
    ]


def labels(session: Session) -> list[np.ndarray[Any, Any]]:
    """What is shown on every frame: by the order of the objects too, which overlaps go by."""
    return [session.labels(frame) for frame in range(session.frame_count)]


def _difference(wanted: Picture, found: Picture) -> str:
    return f"document: {difference(wanted.document, found.document)}"


def _word(mask: StoredMask | None) -> str:
    return (
        "none"
        if mask is None
        else f"{mask.status.value} {mask.leg} {mask.score} {mask.box_yx} {hash(mask.packed) % 9973}"
    )
