"""The lineages of objects as a forest: who comes from whom, generations, and the order in which a tree is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Forest:
    """Objects by lineage. Generations begin with 0; a parent that is not among the objects is none.

    Attributes
    ----------
    order
        All objects, each mother before her daughters, and all that come of one daughter before the next one.
    parent
        Object -> parent, of those that have one.
    daughters
        Object -> those that come from it, in their order; only of those that have some.
    generation
        Object -> how many divisions lie before it.
    lineage
        Object -> the first of its ancestors, or itself.
    """

    order: tuple[int, ...]
    parent: Mapping[int, int]
    daughters: Mapping[int, tuple[int, ...]]
    generation: Mapping[int, int]
    lineage: Mapping[int, int]

    @classmethod
    def of(cls, parents: Mapping[int, int | None]) -> Forest:
        """Return the forest of objects in the order in which they are given; sisters and lineages keep that order.

        Nobody may come from itself: a `Document` sees to that.
        """
        parent = {one: before for one, before in parents.items() if before is not None and before in parents}
        daughters: dict[int, list[int]] = {}
        for one, before in parent.items():
            daughters.setdefault(before, []).append(one)
        generation: dict[int, int] = {}
        lineage: dict[int, int] = {}
        for one in _down(daughters, (one for one in parents if one not in parent)):
            generation[one] = generation[parent[one]] + 1 if one in parent else 0
            lineage[one] = lineage[parent[one]] if one in parent else one
        families = {one: tuple(found) for one, found in daughters.items()}
        return cls(tuple(generation), parent, families, generation, lineage)

    def descendants(self, object_id: int) -> tuple[int, ...]:
        """Return all that come of an object, in order, without itself."""
        return tuple(_down(self.daughters, self.daughters.get(object_id, ())))

    def without_below(self, collapsed: Iterable[int]) -> tuple[int, ...]:
        """Return the order without what comes of some objects."""
        hidden: set[int] = set()
        for one in collapsed:
            hidden.update(self.descendants(one))
        return tuple(one for one in self.order if one not in hidden)


def _down(daughters: Mapping[int, Iterable[int]], first: Iterable[int]) -> Iterator[int]:
    """Yield objects, each followed by all that come of it."""
    waiting = [*first][::-1]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += [*daughters.get(one, ())][::-1]
