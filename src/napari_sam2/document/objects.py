"""What is known about an object besides its prompts: name, visibility, lock, parent, and what found it, as a value.

An object's id is its label value and never changes; its colour follows from the label and is not kept here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from napari_sam2.document.plain_values import whole_number
from napari_sam2.document.prompt import LARGEST_ID
from sam2_core.errors import PromptError


class LinkStatus(StrEnum):
    """Who says that an object is the same on all of its frames, and comes from its parent."""

    made = "made"
    linked = "linked"
    looked_at = "looked at"


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object of a session.

    Attributes
    ----------
    object_id
        Label value, 1 or more.
    locked
        Whether its masks are kept as they are: no run changes them, and they win where masks overlap.
    parent
        Object id that it came from by division, or None.
    source
        What found it, for example the name of a model; empty where a person did.
    score
        How sure that was; larger is surer. None where nothing says.
    links
        made by a person, linked by a program (a claim), or looked at since by a person, who found it right.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    object_id: int
    name: str = ""
    visible: bool = True
    locked: bool = False
    parent: int | None = None
    source: str = ""
    score: float | None = None
    links: LinkStatus = LinkStatus.made

    def __post_init__(self) -> None:
        parent = None if self.parent is None else whole_number(self.parent, "parent")
        object.__setattr__(self, "object_id", whole_number(self.object_id, "object id"))
        object.__setattr__(self, "parent", parent)
        object.__setattr__(self, "name", _writable(self.name))
        object.__setattr__(self, "source", _writable(self.source))
        object.__setattr__(self, "score", None if self.score is None else float(self.score))
        object.__setattr__(self, "visible", bool(self.visible))
        object.__setattr__(self, "locked", bool(self.locked))
        object.__setattr__(self, "links", LinkStatus(self.links))
        if not 1 <= self.object_id <= LARGEST_ID:
            raise PromptError(f"object id {self.object_id} cannot be a label; use 1 to {LARGEST_ID}.")
        if self.score is not None and not math.isfinite(self.score):
            raise PromptError(f"object {self.object_id} has the score {self.score}; give a finite number or None.")
        if self.parent == self.object_id:
            raise PromptError(f"object {self.object_id} cannot be its own parent; choose another one or None.")


def _writable(text: str) -> str:
    """Return a text that files can hold: a command line may give half characters."""
    return str(text).encode("utf-8", "replace").decode("utf-8")
