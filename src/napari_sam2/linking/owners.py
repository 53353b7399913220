"""Detections whose object is known: what may hold between them, and links that would mix objects up.

A search goes from frame to frame and looks at links one by one; what two known objects far apart have in common, all of
the links between them have, is seen once it is through. Then links go, the least sure where it may be any of a few.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from napari_sam2.linking.choice import Hypotheses
from napari_sam2.linking.detections import Node
from napari_sam2.linking.hypotheses import Movie
from napari_sam2.linking.linked import Link


def nodes_of(owners: Mapping[Node, int]) -> dict[int, list[Node]]:
    """Return the nodes of each owner, ascending."""
    found: dict[int, list[Node]] = defaultdict(list)
    for node, owner in sorted(owners.items()):
        found[owner].append(node)
    return dict(sorted(found.items()))


class Owners:
    """Says which hypotheses agree with what is known of who a detection is."""

    def __init__(self, movie: Movie, owners: Mapping[Node, int]) -> None:
        many = int(movie.starts[-1])
        self._owner = np.zeros(many + 1, np.int64)  # the last is that of the second target of a link, -1
        self._is_last, self._is_first = np.ones(many + 1, bool), np.ones(many + 1, bool)
        for owner, nodes in nodes_of(owners).items():
            numbers = [movie.number(node) for node in nodes]
            self._owner[numbers] = owner
            self._is_last[numbers[:-1]] = self._is_first[numbers[1:]] = False

    def agrees(self, hypotheses: Hypotheses) -> npt.NDArray[np.bool_]:
        """Return (K,) which of them do: no link from one owner to another, no division amid what is one object.

        Nor is there one of known objects alone: nothing found speaks of it.
        """
        source, targets = hypotheses.source, hypotheses.targets
        before, after = self._owner[source], self._owner[targets]
        is_mixed = (before > 0) & (after[:, 0] > 0) & (before != after[:, 0])
        is_known = (before > 0) & (after > 0).all(axis=1)
        is_amid = ~self._is_last[source] | ~self._is_first[targets].all(axis=1)
        agrees: npt.NDArray[np.bool_] = ~np.where(hypotheses.is_fork, is_known | is_amid, is_mixed)
        return agrees


def parted(links: Iterable[Link], owners: Mapping[Node, int]) -> tuple[list[Link], list[Link]]:
    """Return the links after which no track is of two owners and each owner is one object; and those that went.

    Between two detections of an owner is one way without a division, or nothing is linked to them there. Where one way
    leads from an owner to another, its least sure link goes.
    """
    ways = _Ways(links)
    for nodes in nodes_of(owners).values():
        for first, second in pairwise(nodes):
            ways.make_one(first, second, owners)
    for node in sorted(owners):
        ways.part(node, owners)
    return ways.left()


class _Ways:
    """Links as ways through detections; what is dropped of them is kept aside."""

    def __init__(self, links: Iterable[Link]) -> None:
        self._before = {link.after: link for link in links}
        self._after: dict[Node, list[Link]] = defaultdict(list)
        self._dropped: list[Link] = []
        for link in self._before.values():
            self._after[link.before].append(link)

    def left(self) -> tuple[list[Link], list[Link]]:
        """Return the links that are left, and those that were dropped."""
        order = sorted(self._before.values(), key=lambda each: (each.before, each.after))
        return order, sorted(self._dropped, key=lambda each: (each.before, each.after))

    def make_one(self, first: Node, second: Node, owners: Mapping[Node, int]) -> None:
        """Let the way between two detections of an object be one without a division; cut both off where it is none."""
        way = list(self._back(second, owners))
        if way and way[-1].before == first:
            beside = [other for link in way for other in self._after[link.before] if other is not link]
        else:
            beside = [*self._after[first], *way[:1]]
        self._drop(beside)

    def part(self, node: Node, owners: Mapping[Node, int]) -> None:
        """Cut the way to a detection from the one of another object that it leads back to, unless that one divides."""
        way = list(self._back(node, owners))
        before = owners.get(way[-1].before) if way else None
        if before in (None, owners[node]) or any(len(self._after[link.before]) > 1 for link in way):
            return
        self._drop([min(way, key=lambda link: (link.confidence, link.before))])

    def _back(self, node: Node, owners: Mapping[Node, int]) -> Iterator[Link]:
        """Yield the links that lead to a detection, the last first, as far as the next one whose object is known."""
        while (link := self._before.get(node)) is not None:
            yield link
            node = link.before
            if node in owners:
                return

    def _drop(self, links: Iterable[Link]) -> None:
        for link in links:
            del self._before[link.after]
            self._after[link.before].remove(link)
            self._dropped.append(link)
