"""What a person decided while reviewing: places that were looked at, and answers to a random sample of them.

Which places are in doubt is not said here: that follows from document and masks (`napari_sam2.review`). A decision
carries a fingerprint of the ground it was made on, and holds as long as that is the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar

from napari_sam2.document.plain_values import whole_number
from napari_sam2.document.track_events import Names
from sam2_core.errors import PromptError


class At(StrEnum):
    """What of a track is looked at; one look answers all that is in doubt there.

    `step` is the object on a frame with its link from before, `track` all of it, `overlap` two objects on one frame.
    """

    begin = "begin"
    end = "end"
    step = "step"
    division = "division"
    track = "track"
    overlap = "overlap"
    proposal = "proposal"


class ReviewKind(StrEnum):
    """Why a place is looked at."""

    doubtful_mask = "doubtful mask"
    begins_inside = "begins inside"
    ends_inside = "ends inside"
    division = "division"
    short_track = "short track"
    jump_of_area = "jump of area"
    jump_of_place = "jump of place"
    low_overlap = "low overlap"
    doubtful_link = "doubtful link"
    runs_disagree = "runs disagree"
    in_conflict = "in conflict"
    left_out = "left out"
    """A strong proposal that became no object."""


class ReviewState(StrEnum):
    """What a person made of a place."""

    open = "open"
    accepted = "accepted"
    corrected = "corrected"
    dismissed = "dismissed"


class Sampled(StrEnum):
    """Of what a random sample is drawn: links between frames, masks on frames, divisions."""

    links = "links"
    masks = "masks"
    divisions = "divisions"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a person looks: what of an object, on which frame; of an overlap, `other` is the second object.

    A proposal has its number as `object_id`. A link is where it leads to.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    at: At
    object_id: int
    frame: int
    other: int = 0

    def renamed(self, names: Names, from_frame: int) -> Place:
        """Return the place where objects get other names from a frame on; a proposal is none."""
        if self.at is At.proposal or self.frame < from_frame:
            return self
        object_id, other = names.get(self.object_id, self.object_id), names.get(self.other, self.other)
        if self.at is At.overlap:  # of two in this order
            object_id, other = sorted((object_id, other))
        return replace(self, object_id=object_id, other=other)

    def is_about(self, object_ids: Collection[int]) -> bool:
        """Return whether it is a place of one of these objects."""
        is_overlap = self.at is At.overlap and self.other in object_ids
        return self.at is not At.proposal and (self.object_id in object_ids or is_overlap)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person made of a place that was in doubt for a reason, and the fingerprint of what was there."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    place: Place
    kind: ReviewKind
    state: ReviewState
    ground: str


@dataclass(frozen=True, slots=True)
class Sample:
    """Places drawn at random, and what a person says of them.

    Attributes
    ----------
    among
        How many there were to draw from.
    places
        (object_id, frame) in the order in which they were drawn; a link is where it leads to, a division its mother
        and its frame.
    answers
        Whether each is right; None where nobody said yet.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    of: Sampled
    seed: int
    among: int
    places: tuple[tuple[int, int], ...]
    answers: tuple[bool | None, ...]

    def __post_init__(self) -> None:
        if len(self.places) != len(self.answers) or self.among < len(self.places):
            raise PromptError(
                f"a sample of {len(self.places)} from {self.among} {self.of.value} has {len(self.answers)} answers; "
                "it needs one for each place, None where nobody said yet."
            )

    def answered(self, number: int, is_right: bool | None) -> Sample:
        """Return the sample with an answer to its place of a number, from 0; None takes the answer back.

        Raises
        ------
        PromptError
            If there is no such place.
        """
        number = whole_number(number, "place of a sample")
        if not 0 <= number < len(self.places):
            raise PromptError(f"there is no place {number} in the sample; it has 0 to {len(self.places) - 1}.")
        answer = None if is_right is None else bool(is_right)
        return replace(self, answers=(*self.answers[:number], answer, *self.answers[number + 1 :]))

    def renamed(self, names: Names, from_frame: int) -> Sample:
        """Return the sample of the same places where objects get other names from a frame on."""
        places = ((names.get(one, one) if frame >= from_frame else one, frame) for one, frame in self.places)
        return replace(self, places=tuple(places))

    def without(self, object_ids: Collection[int]) -> Sample:
        """Return the sample without places of objects of which nobody said yet whether they are right."""
        asked = zip(self.places, self.answers, strict=True)
        kept = [(place, answer) for place, answer in asked if answer is not None or place[0] not in object_ids]
        return replace(self, places=tuple(place for place, _ in kept), answers=tuple(answer for _, answer in kept))


@dataclass(frozen=True, eq=False)
class ReviewRecord:
    """All that was decided: by place, and the sample of each kind."""

    decisions: Mapping[Place, Decision] = field(default_factory=dict)
    samples: Mapping[Sampled, Sample] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "decisions", MappingProxyType(dict(self.decisions)))
        object.__setattr__(self, "samples", MappingProxyType(dict(self.samples)))

    def with_decisions(self, changes: Mapping[Place, Decision | None]) -> ReviewRecord:
        """Return the record with these decisions; None takes one back."""
        decided = {**self.decisions, **changes}
        return replace(self, decisions={place: one for place, one in decided.items() if one is not None})

    def with_sample(self, sample: Sample) -> ReviewRecord:
        """Return the record with a sample, in place of the one of its kind."""
        return replace(self, samples={**self.samples, sample.of: sample})

    def renamed(self, names: Names, from_frame: int) -> ReviewRecord:
        """Return the record in which all of it follows objects that get other names from a frame on.

        What was decided about both of two that get one name is what was decided about the one that had it.
        """
        if not names or not (self.decisions or self.samples):
            return self
        followed = {place.renamed(names, from_frame): one for place, one in self.decisions.items()}
        stayed = {place: one for place, one in self.decisions.items() if place.renamed(names, from_frame) == place}
        decisions = {place: replace(one, place=place) for place, one in {**followed, **stayed}.items()}
        samples = {of: one.renamed(names, from_frame) for of, one in self.samples.items()}
        return ReviewRecord({place: one for place, one in decisions.items() if place.object_id != place.other}, samples)

    def without(self, object_ids: Collection[int]) -> ReviewRecord:
        """Return the record without what was decided, or is to be asked, about objects that are gone."""
        if not object_ids or not (self.decisions or self.samples):
            return self
        decisions = {place: one for place, one in self.decisions.items() if not place.is_about(object_ids)}
        return ReviewRecord(decisions, {of: one.without(object_ids) for of, one in self.samples.items()})

    def says(self, other: ReviewRecord) -> bool:
        """Return whether the other says the same."""
        return other is self or (self.decisions == other.decisions and self.samples == other.samples)
