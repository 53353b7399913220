"""What is known of tracks besides masks: divisions, and where an object enters, leaves, appears, dies or is absent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from napari_sam2.document.objects import ObjectInfo
from sam2_core.errors import PromptError

Names = Mapping[int, int]
"""Object id -> the id that takes its place."""


class EventKind(StrEnum):
    """What happens to an object."""

    enters = "enters"
    leaves = "leaves"
    appears = "appears"
    dies = "dies"
    absent = "absent"


@dataclass(frozen=True, slots=True)
class TrackEvent:
    """What happens to an object on a frame; it is absent from `frame` to `last_frame`, both included."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    object_id: int
    frame: int
    kind: EventKind
    last_frame: int | None = None

    def __post_init__(self) -> None:
        if (self.last_frame is None) is (self.kind is EventKind.absent):
            raise PromptError(
                f"object {self.object_id} {self.kind.value} from frame {self.frame} to {self.last_frame}; an absence "
                "has a last frame, every other event is on one frame."
            )

    def renamed(self, names: Names) -> TrackEvent:
        """Return the event under another name."""
        return replace(self, object_id=names.get(self.object_id, self.object_id))


@dataclass(frozen=True, slots=True)
class Division:
    """A mother that becomes daughters, which are there from `frame` on; they name her as their parent."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    mother: int
    frame: int
    daughters: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.daughters or len({self.mother, *self.daughters}) <= len(self.daughters):
            raise PromptError(
                f"object {self.mother} cannot divide into {list(self.daughters)}; give other objects, each once."
            )

    def renamed(self, names: Names) -> Division | None:
        """Return the division under other names; None where no daughter is left besides the mother."""
        mother = names.get(self.mother, self.mother)
        daughters = dict.fromkeys(names.get(one, one) for one in self.daughters)
        return self._with(mother, [one for one in daughters if one != mother])

    def of_children(self, objects: Mapping[int, ObjectInfo]) -> Division | None:
        """Return the division with the daughters that are known as the mother's children; None without any."""
        return self._with(self.mother, [one for one in self.daughters if _parent(objects, one) == self.mother])

    def _with(self, mother: int, daughters: Iterable[int]) -> Division | None:
        kept = tuple(daughters)
        return replace(self, mother=mother, daughters=kept) if kept else None


def _parent(objects: Mapping[int, ObjectInfo], object_id: int) -> int | None:
    return objects[object_id].parent if object_id in objects else None
