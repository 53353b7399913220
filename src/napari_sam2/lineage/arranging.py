"""Which objects a table shows, and in which order: by lineage or flat, filtered, searched, with branches folded."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from napari_sam2.lineage.forest import Forest


class Order(StrEnum):
    """What rows are sorted by."""

    lineage = "lineage"
    number = "id"
    name = "name"
    begin = "begin"
    length = "length"
    generation = "generation"


class Life(Protocol):
    """What is known of an object; begin and end are None where it is nowhere."""

    @property
    def object_id(self) -> int:
        """Its label value."""
        ...

    @property
    def name(self) -> str:
        """As a person named it, or empty."""
        ...

    @property
    def begin(self) -> int | None:
        """First frame on which it is there."""
        ...

    @property
    def frames(self) -> int:
        """On how many it is there."""
        ...

    @property
    def is_touched(self) -> bool:
        """Whether a person prompted, painted, locked or looked at it."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a table; by default all objects, by lineage.

    Attributes
    ----------
    text
        Ids with spaces or commas between them, ranges as 3-7, or a part of titles. By lineage all relatives of those
        are shown too.
    generation
        Of this one only; None for all.
    shortest
        On so many frames at least.
    complete
        Only those that came from a division and divided.
    touched
        Only those that a person had a hand in (True), or had not (False).
    folded
        Objects below which nothing is shown, by lineage.
    """

    order: Order = Order.lineage
    text: str = ""
    generation: int | None = None
    shortest: int = 0
    complete: bool = False
    touched: bool | None = None
    folded: frozenset[int] = frozenset()


Lives: TypeAlias = Mapping[int, Life]
_RANGE = re.compile(r"(\d)\s*-\s*(\d)")


def title_of(life: Life) -> str:
    """Return what an object is called in words: its name, or its number where it has none."""
    return life.name or f"object {life.object_id}"


def found_by(text: str, lives: Lives) -> tuple[int, ...]:
    """Return the objects that a text names, in the order of `lives`; all for an empty one, see `Wanted.text`."""
    words = _RANGE.sub(r"\1-\2", text.replace(",", " ")).split()
    spans = [_span(word) for word in words]
    if words and all(span is not None for span in spans):
        return tuple(one for one in lives if any(span is not None and one in span for span in spans))
    sought = text.strip().casefold()
    return tuple(one for one, life in lives.items() if sought in title_of(life).casefold())


def arranged(lives: Lives, forest: Forest, wanted: Wanted) -> tuple[int, ...]:
    """Return the objects that are shown, from top to bottom."""
    seen = _seen(lives, forest, wanted)
    if wanted.order is Order.lineage:
        return tuple(one for one in forest.without_below(wanted.folded) if one in seen)
    return tuple(sorted((one for one in lives if one in seen), key=_key(lives, forest, wanted.order)))


def _seen(lives: Lives, forest: Forest, wanted: Wanted) -> Container[int]:
    seen = set(found_by(wanted.text, lives))
    if wanted.text.strip() and wanted.order is Order.lineage:
        families = {forest.lineage[one] for one in seen}
        seen = {one for one in lives if forest.lineage[one] in families}
    if wanted.generation is not None:
        seen = {one for one in seen if forest.generation[one] == wanted.generation}
    if wanted.complete:
        seen = {one for one in seen if one in forest.parent and one in forest.daughters}
    if wanted.touched is not None:
        seen = {one for one in seen if lives[one].is_touched is wanted.touched}
    return {one for one in seen if lives[one].frames >= wanted.shortest}


def _key(lives: Lives, forest: Forest, order: Order) -> Callable[[int], tuple[float | str, int]]:
    """Return what objects are sorted by; the longest first, what is nowhere last, ids where two are equal."""
    keys: dict[Order, Callable[[int], float | str]] = {
        Order.number: float,
        Order.name: lambda one: lives[one].name.casefold() or "\uffff",
        Order.begin: lambda one: float("inf") if (begin := lives[one].begin) is None else begin,
        Order.length: lambda one: -lives[one].frames,
        Order.generation: lambda one: forest.generation[one],
    }
    value = keys[order]
    return lambda one: (value(one), one)


def _span(word: str) -> range | None:
    """Return the ids of "7" or "3-7", None where a word is none of these."""
    first, dash, last = word.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        return None
    return range(int(first), int(last if dash else first) + 1)
