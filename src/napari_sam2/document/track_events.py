"""What is known of tracks besides masks: divisions, and where an object enters, leaves, appears, dies or is absent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.plain_values import whole_number, whole_numbers
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

    @property
    def is_begin(self) -> bool:
        """Whether an object begins with it."""
        return self in BEGINS

    @property
    def is_end(self) -> bool:
        """Whether an object ends with it."""
        return self in ENDS

    def is_like(self, other: EventKind) -> bool:
        """Return whether both are beginnings, or both ends, of which an object has one."""
        return (self.is_begin and other.is_begin) or (self.is_end and other.is_end)


BEGINS = (EventKind.enters, EventKind.appears)
ENDS = (EventKind.leaves, EventKind.dies)


@dataclass(frozen=True, slots=True)
class TrackEvent:
    """What happens to an object on a frame; it is absent from `frame` to `last_frame`, both included."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    object_id: int
    frame: int
    kind: EventKind
    last_frame: int | None = None

    def __post_init__(self) -> None:
        last = None if self.last_frame is None else whole_number(self.last_frame, "last frame")
        object.__setattr__(self, "object_id", whole_number(self.object_id, "object id"))
        object.__setattr__(self, "frame", whole_number(self.frame, "frame"))
        object.__setattr__(self, "last_frame", last)
        if (self.last_frame is None) is (self.kind is EventKind.absent):
            raise PromptError(
                f"object {self.object_id} {self.kind.value} from frame {self.frame} to {self.last_frame}; an absence "
                "has a last frame, every other event is on one frame."
            )

    def takes_place_of(self, other: TrackEvent) -> bool:
        """Return whether one of both holds: they begin, or both end, an object, or say that it is absent on a frame."""
        if self.object_id != other.object_id:
            return False
        if self.last_frame is None or other.last_frame is None:
            return self.kind.is_like(other.kind)
        return self.frame <= other.last_frame + 1 and other.frame <= self.last_frame + 1

    def renamed(self, names: Names) -> TrackEvent:
        """Return the event under another name."""
        return replace(self, object_id=names.get(self.object_id, self.object_id))

    def following(self, names: Names, from_frame: int) -> tuple[TrackEvent, ...]:
        """Return the event where objects get other names from a frame on: an absence across that frame is in parts."""
        last = self.last_frame
        if self.frame >= from_frame:
            return (self.renamed(names),)
        if last is None or last < from_frame or self.object_id not in names:
            return (self,)
        return replace(self, last_frame=from_frame - 1), replace(self, frame=from_frame).renamed(names)

    def is_inside(self, first: int, last: int) -> bool:
        """Return whether an object that is there from `first` to `last` is there before this beginning, or behind this
        end.
        """
        return (self.kind.is_begin and self.frame > first) or (self.kind.is_end and self.frame < last)

    def added_to(self, events: Iterable[TrackEvent]) -> list[TrackEvent]:
        """Return events with this one: of beginnings, and of ends, of an object the last that is said holds; absences
        that meet are one.
        """
        kept, made = list[TrackEvent](), self
        for one in events:
            if not self.takes_place_of(one):
                kept.append(one)
            elif made.last_frame is not None and one.last_frame is not None:
                first, last = min(made.frame, one.frame), max(made.last_frame, one.last_frame)
                made = replace(made, frame=first, last_frame=last)
        return [*kept, made]


@dataclass(frozen=True, slots=True)
class Division:
    """A mother that becomes daughters, which are there from `frame` on; they name her as their parent."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    mother: int
    frame: int
    daughters: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "mother", whole_number(self.mother, "mother"))
        object.__setattr__(self, "frame", whole_number(self.frame, "frame"))
        object.__setattr__(self, "daughters", tuple(whole_numbers(self.daughters, "daughter")))
        if not self.daughters or len({self.mother, *self.daughters}) <= len(self.daughters):
            raise PromptError(
                f"object {self.mother} cannot divide into {list(self.daughters)}; give other objects, each once."
            )

    def without(self, object_ids: Collection[int]) -> Division | None:
        """Return the division without some of its daughters; None without any."""
        left = tuple(one for one in self.daughters if one not in object_ids)
        return replace(self, daughters=left) if left else None

    def following(self, names: Names, objects: Mapping[int, ObjectInfo]) -> Division | None:
        """Return the division under other names, with the daughters whose parent is the mother; None without any."""
        mother = names.get(self.mother, self.mother)
        renamed = dict.fromkeys(names.get(one, one) for one in self.daughters)
        daughters = tuple(one for one in renamed if one in objects and objects[one].parent == mother)
        return replace(self, mother=mother, daughters=daughters) if daughters else None


def settled(
    events: Iterable[TrackEvent], there: Mapping[int, Collection[int]], said: Collection[TrackEvent] = ()
) -> list[TrackEvent]:
    """Return what of events holds once objects are there on other frames, which are given.

    Gone is what begins an object where it is there before, or ends it where it is there behind, but for what was
    `said`; of two beginnings or two ends one stays. An absence goes over the frames on which it is not there.
    """
    holding: dict[int, list[TrackEvent]] = defaultdict(list)
    for event in sorted(events, key=lambda one: one in said):
        one = event.object_id
        if one not in there:
            holding[one].append(event)
            continue
        first, last = min(there[one], default=event.frame), max(there[one], default=event.frame)
        for part in _apart(event, there[one]):
            if part in said or not part.is_inside(first, last):
                holding[one] = part.added_to(holding[one])
    return [event for some in holding.values() for event in some]


def joined_absences(events: Iterable[TrackEvent], object_ids: Collection[int]) -> list[TrackEvent]:
    """Return events in which absences of some objects on frames in a row are one."""
    made: list[TrackEvent] = []
    for event in sorted(events, key=lambda one: (one.last_frame is not None, one.object_id, one.frame)):
        before = made[-1] if made else event
        is_next = event.last_frame is not None and before.last_frame == event.frame - 1
        if is_next and before.object_id == event.object_id and event.object_id in object_ids:
            made[-1] = replace(before, last_frame=event.last_frame)
        else:
            made.append(event)
    return made


def _apart(event: TrackEvent, there: Collection[int]) -> list[TrackEvent]:
    """Return an event, or an absence as what is left of it where the object is there on some of its frames."""
    if event.last_frame is None:
        return [event]
    parts: list[TrackEvent] = []
    for frame in range(event.frame, event.last_frame + 1):
        if frame in there:
            continue
        if parts and parts[-1].last_frame == frame - 1:
            parts[-1] = replace(parts[-1], last_frame=frame)
        else:
            parts.append(replace(event, frame=frame, last_frame=frame))
    return parts
