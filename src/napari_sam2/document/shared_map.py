"""Mappings from whole numbers that nobody changes: an edit makes a new one, which shares with the old what it leaves.

Entries lie in drawers of neighbouring numbers. An edit copies one drawer and the list of drawers, and telling two maps
apart passes over drawers that are the same in both: an edit among 10,000 entries costs about what one among 100 does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Integral
from typing import Any, Generic, TypeVar

V = TypeVar("V")
DRAWER = 64


class SharedMap(Mapping[int, V], Generic[V]):
    """Number -> value, ascending."""

    __slots__ = ("_drawers", "_length")

    def __init__(self, drawers: Mapping[int, Mapping[int, V]], length: int) -> None:
        self._drawers = drawers
        self._length = length

    @classmethod
    def of(cls, entries: Mapping[int, V]) -> SharedMap[V]:
        """Return the map of entries in any order."""
        return entries if isinstance(entries, cls) else cls({}, 0).changed(entries)

    def __getitem__(self, number: int) -> V:
        return self._drawers[number // DRAWER][number]

    def get(self, number: int, default: Any = None) -> Any:
        """Return the value of a number, without the exception that `Mapping` raises for a missing one."""
        return self._drawers.get(number // DRAWER, {}).get(number, default)

    def __contains__(self, number: object) -> bool:
        if type(number) is not int:  # most are, and asking for their kind takes longer than looking
            return isinstance(number, Integral) and int(number) in self
        return number in self._drawers.get(number // DRAWER, ())

    def __iter__(self) -> Iterator[int]:
        for drawer in sorted(self._drawers):
            yield from sorted(self._drawers[drawer])

    def __len__(self) -> int:
        return self._length

    def changed(self, changes: Mapping[int, V | None]) -> SharedMap[V]:
        """Return the map after changes; None takes an entry away, if it is there."""
        drawers, touched, length = dict(self._drawers), dict[int, dict[int, V]](), self._length
        for number, value in changes.items():
            place = number // DRAWER
            drawer = touched.setdefault(place, dict(drawers.get(place, {})))
            length += (value is not None) - (number in drawer)
            if value is None:
                drawer.pop(number, None)
            else:
                drawer[number] = value
        for place, drawer in touched.items():
            drawers[place] = drawer
            if not drawer:
                del drawers[place]
        return SharedMap(drawers, length)

    def differing(self, other: SharedMap[V]) -> list[int]:
        """Return the numbers, ascending, whose values are here and are other ones there, or none."""
        found: list[int] = []
        for place, drawer in self._drawers.items():
            there = other._drawers.get(place, {})
            if drawer is not there:
                found += [number for number, value in drawer.items() if number not in there or there[number] != value]
        return sorted(found)

    def last(self) -> int | None:
        """Return the highest number; None where there is no entry."""
        return max(self._drawers[max(self._drawers)]) if self._drawers else None
