"""What is in doubt, as values: one reason to look at a place, and the item of a queue that several of them make."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from napari_sam2.document.reviews import Place, ReviewKind, ReviewState


@dataclass(frozen=True, slots=True)
class Doubt:
    """One reason to look at a place.

    Attributes
    ----------
    degree
        0 to 1, how likely something is wrong there.
    reason
        For people.
    spoils
        Frames of objects that are wrong if it is.
    """

    place: Place
    kind: ReviewKind
    degree: float
    reason: str
    spoils: int = 1


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A place to look at, with all that is in doubt there.

    Attributes
    ----------
    kind
        Of the strongest reason.
    degree
        0 to 1, how likely something is wrong, as if each reason were a chance of its own.
    reasons
        For people, the strongest first.
    spoils
        Frames of objects that are wrong if it is.
    state
        What a person made of it; open again where its ground has changed since.
    """

    place: Place
    kind: ReviewKind
    degree: float
    reasons: tuple[str, ...]
    spoils: int
    state: ReviewState = ReviewState.open

    @property
    def gain(self) -> float:
        """Frames that a look is expected to save: how likely it is wrong, times what that spoils."""
        return self.degree * self.spoils

    @property
    def rank(self) -> tuple[float, Place]:
        """What items are in order of: the highest gain first, then by place."""
        return -self.gain, self.place


@dataclass(frozen=True, slots=True)
class Progress:
    """How many places are in which state; those that are in doubt no more since they were corrected among them."""

    open: int = 0
    accepted: int = 0
    corrected: int = 0
    dismissed: int = 0

    @property
    def done(self) -> int:
        """How many a person decided about."""
        return self.accepted + self.corrected + self.dismissed


def joined(doubts: Iterable[Doubt]) -> list[ReviewItem]:
    """Return an item for each place."""
    by_place: dict[Place, list[Doubt]] = {}
    for doubt in doubts:
        by_place.setdefault(doubt.place, []).append(doubt)
    items = []
    for place, here in by_place.items():
        here.sort(key=lambda one: -one.degree)
        degree = 1 - prod(1 - one.degree for one in here)
        reasons = tuple(one.reason for one in here)
        items.append(ReviewItem(place, here[0].kind, degree, reasons, max(one.spoils for one in here)))
    return items
