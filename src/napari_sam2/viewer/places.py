"""The places that a look has found, to be listed and counted quickly: there may be tens of thousands.

Made in the worker that looks; what a person decides meanwhile makes another one at little cost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from napari_sam2.document.reviews import Place, ReviewKind, ReviewState
from napari_sam2.review.items import Progress, ReviewItem

Items = tuple[ReviewItem, ...]


class Order(StrEnum):
    """What places are listed in order of."""

    gain = "gain"
    degree = "doubt"
    kind = "kind"
    object_id = "cell"
    frame = "frame"


_KEYS: Mapping[Order, Callable[[ReviewItem], Any]] = {
    Order.degree: lambda item: -item.degree,
    Order.kind: lambda item: item.kind.value,
    Order.object_id: lambda item: (item.place.object_id, item.place.frame),
    Order.frame: lambda item: (item.place.frame, item.place.object_id),
}
"""Places come ranked, and a sort keeps that order among equals."""


class Places:
    """Places in any state, ranked.

    Attributes
    ----------
    open_kinds
        How many of each kind are open.
    progress
        How many are open, and how many were decided about.
    """

    def __init__(self, items: Items = ()) -> None:
        self.items = items
        self._rows = {item.place: row for row, item in enumerate(items)}
        self._count()

    def get(self, place: Place) -> ReviewItem | None:
        """Return a place as it is now; None where it is not known."""
        row = self._rows.get(place)
        return None if row is None else self.items[row]

    def decided(self, places: Iterable[Place], state: ReviewState) -> Places:
        """Return the places with some of them in another state."""
        made, items = Places.__new__(Places), list(self.items)
        for row in (self._rows[place] for place in places if place in self._rows):
            items[row] = replace(items[row], state=state)
        made.items, made._rows = tuple(items), self._rows
        made._count()
        return made

    def _count(self) -> None:
        counts = Counter((item.kind, item.state) for item in self.items)
        states: Counter[ReviewState] = Counter()
        for (_, state), count in counts.items():
            states[state] += count
        self.open_kinds: Counter[ReviewKind] = Counter(
            {kind: count for (kind, state), count in counts.items() if state is ReviewState.open}
        )
        self.progress = Progress(**{state.value: states[state] for state in ReviewState})


@dataclass(frozen=True, slots=True)
class Listing:
    """Which places are listed, and in which order.

    Attributes
    ----------
    kind
        None for all.
    decided
        Whether those that a person decided about are listed too.
    """

    kind: ReviewKind | None = None
    decided: bool = False
    order: Order = Order.gain

    def of(self, places: Places) -> Items:
        """Return what is listed of all places."""
        listed: Iterable[ReviewItem] = places.items
        if self.kind is not None:
            listed = [one for one in listed if one.kind is self.kind]
        if not self.decided:
            listed = [one for one in listed if one.state is ReviewState.open]
        return tuple(sorted(listed, key=_KEYS[self.order]) if self.order in _KEYS else listed)
