"""What a program claims about the tracks that it linked: how sure each link is, and who else it thought of.

Links are named by where they lead, as in `lineage.tracks.links_of`: to an object on a frame, from where it was before,
or from its mother. What a person made or changed is no claim.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from napari_sam2.document.plain_values import whole_number
from napari_sam2.document.track_events import Names
from sam2_core.errors import PromptError


@dataclass(frozen=True, slots=True)
class Rival:
    """Another origin that an object may have on a frame.

    Attributes
    ----------
    frame
        First frame of the object, or of the part of it, that may come from somebody else.
    object_id
        Who was there before: the same object, or the mother.
    is_mother
        Whether that one would divide; else it goes on as the object.
    confidence
        0 to 1.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    frame: int
    object_id: int
    is_mother: bool
    confidence: float

    def __post_init__(self) -> None:
        _check_confidences([self.confidence])


@dataclass(frozen=True, slots=True)
class LinkClaims:
    """What is claimed about one object.

    Attributes
    ----------
    frames
        To which links lead, ascending; the first frame of a daughter is one of them.
    confidences
        0 to 1 in steps of 0.01, how likely each of these links is right. A division is as sure as the link to its least
        sure daughter.
    rivals
        By frame, the surer ones first: where a link is doubtful, or where the object begins without any.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    object_id: int
    frames: tuple[int, ...] = ()
    confidences: tuple[float, ...] = ()
    rivals: tuple[Rival, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "object_id", whole_number(self.object_id, "object id"))
        object.__setattr__(self, "confidences", tuple(round(float(one), 2) for one in self.confidences))
        _check_confidences(self.confidences)
        if len(self.frames) != len(self.confidences):
            raise PromptError(
                f"the links of object {self.object_id} lead to {len(self.frames)} frames and have "
                f"{len(self.confidences)} confidences; give one for each."
            )

    def confidence(self, frame: int) -> float | None:
        """Return how sure the link is that leads to a frame, 0 to 1; None where none is claimed."""
        return self.confidences[self.frames.index(frame)] if frame in self.frames else None

    def rivals_at(self, frame: int) -> tuple[Rival, ...]:
        """Return who else the object on a frame may come from, the surest first."""
        return tuple(one for one in self.rivals if one.frame == frame)

    def part(self, frames: Iterable[int]) -> LinkClaims:
        """Return what is claimed about links to some frames."""
        wanted = set(frames)
        kept = [pair for pair in zip(self.frames, self.confidences, strict=True) if pair[0] in wanted]
        rivals = tuple(one for one in self.rivals if one.frame in wanted)
        return replace(self, frames=tuple(f for f, _ in kept), confidences=tuple(c for _, c in kept), rivals=rivals)

    def without(self, frames: Container[int]) -> LinkClaims | None:
        """Return what is claimed about links to other frames than some; None where nothing is left."""
        left = {one for one in _frames(self) if one not in frames}
        return self.part(left) if left else None

    def joined(self, other: LinkClaims) -> LinkClaims:
        """Return what is claimed by both; where both say something about a frame, the first."""
        known = dict(zip(other.frames, other.confidences, strict=True))
        known |= dict(zip(self.frames, self.confidences, strict=True))
        mine = {one.frame for one in self.rivals}
        rivals = (*self.rivals, *(one for one in other.rivals if one.frame not in mine))
        return replace(
            self,
            frames=tuple(sorted(known)),
            confidences=tuple(known[frame] for frame in sorted(known)),
            rivals=tuple(sorted(rivals, key=lambda one: (one.frame, -one.confidence))),
        )


def following(
    claims: Mapping[int, LinkClaims], names: Names, from_frame: int, gone: Collection[int] = ()
) -> dict[int, LinkClaims | None]:
    """Return the changes of claims when objects get other names from a frame on; None where nothing is left.

    The links that lead to that frame are then a person's, and no claim any more. Rivals that are gone are none.
    """
    touched = {*names, *names.values(), *gone} & claims.keys()
    made: dict[int, LinkClaims] = {}
    for object_id in sorted(touched, key=lambda one: (one in gone, one)):
        own = claims[object_id]
        before, behind = own.part(range(from_frame)), own.part(one for one in _frames(own) if one > from_frame)
        for name, part in ((object_id, before), (names.get(object_id, object_id), behind)):
            made[name] = made[name].joined(part) if name in made else replace(part, object_id=name)
    changed = {one: None if one in gone else made[one] for one in touched | made.keys()}
    for object_id, said in {**claims, **changed}.items():
        if said is not None and any(one.object_id in names or one.object_id in gone for one in said.rivals):
            changed[object_id] = _renamed(said, names, from_frame, gone)
    return {one: said if said is not None and _frames(said) else None for one, said in changed.items()}


def _renamed(claims: LinkClaims, names: Names, from_frame: int, gone: Collection[int]) -> LinkClaims:
    rivals = [
        replace(one, object_id=names[one.object_id]) if one.object_id in names and one.frame > from_frame else one
        for one in claims.rivals
    ]
    kept = [one for one in rivals if one.object_id not in gone and one.object_id != claims.object_id]
    return replace(claims, rivals=tuple(kept))


def _frames(claims: LinkClaims) -> set[int]:
    return {*claims.frames, *(one.frame for one in claims.rivals)}


def _check_confidences(values: Iterable[float]) -> None:
    for value in values:
        if not 0 <= value <= 1:
            raise PromptError(f"a confidence is {value}; it goes from 0 to 1.")
