"""Tracks made of the links that were chosen, in the order in which the detections were given."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_sam2.linking.choice import Hypotheses
from napari_sam2.linking.detections import Detection, Floats, Node
from napari_sam2.linking.hypotheses import Movie
from napari_sam2.linking.judging import MOST_GAIN
from napari_sam2.linking.linked import Alternative, Begin, End, Link, Linked, LinkedDivision, LinkedTrack
from napari_sam2.linking.options import Kept, LinkingOptions

DOUBTFUL = 0.9
"""Links that are less sure are told with what else may be."""
NEAR_BORDER = 0.75
"""Diameters: a centre that is nearer to the border, or would be a frame on, has come in or is going out."""
SMALL = 0.4
"""Diameters: what is smaller, and not cut by the border, is dirt or a bit of a dead cell unless it is twice as sure."""


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """The detections in an order that does not depend on how they were given.

    Attributes
    ----------
    frames
        Sorted detections, frame by frame.
    given
        Of each frame, the index at which each sorted detection was given.
    """

    frames: tuple[tuple[Detection, ...], ...]
    given: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, frames: Sequence[Sequence[Detection]]) -> Order:
        """Return the order of detections by place, size and score."""
        given = tuple(tuple(sorted(range(len(each)), key=[_place(one) for one in each].__getitem__)) for each in frames)
        return cls(tuple(tuple(frame[i] for i in at) for frame, at in zip(frames, given, strict=True)), given)

    def node(self, node: Node) -> Node:
        """Return a node of this order by its index as it was given."""
        return node[0], self.given[node[0]][node[1]]

    def place_of(self, node: Node) -> Node:
        """Return a node as it was given by its index in this order."""
        return node[0], self.given[node[0]].index(node[1])

    def of_kept(self, kept: Kept) -> Kept:
        """Return what is kept, with the indices of this order."""
        place = [{index: sorted_index for sorted_index, index in enumerate(each)} for each in self.given]

        def moved(node: Node) -> Node:
            return node[0], place[node[0]][node[1]]

        return Kept.of(
            links=((moved(a), moved(b)) for a, b in kept.links),
            apart=((moved(a), moved(b)) for a, b in kept.apart),
            begins=map(moved, kept.begins),
            ends=map(moved, kept.ends),
            owners={moved(node): owner for node, owner in kept.owners.items()},
        )


def _place(each: Detection) -> tuple[object, ...]:
    """Return what detections are sorted by: place, size, score and the mask itself."""
    return each.corner_yx, each.mask.shape, each.area, each.score, np.packbits(each.mask).tobytes()


def links_from(movie: Movie, chosen: Hypotheses, sure: Floats, order: Order, kept: Kept) -> list[Link]:
    """Return the links that were chosen, so sure (K,), and those that a person said; by their nodes as given."""
    found = [Link(*pair, confidence=1.0, is_kept=True) for pair in kept.links]
    for source, targets, confidence in zip(chosen.source, chosen.targets, sure, strict=True):
        before = order.node(movie.node(source))
        found += [Link(before, order.node(movie.node(to)), float(confidence)) for to in targets if to >= 0]
    return sorted(found, key=lambda each: (each.before, each.after))


def alternatives_to(
    links: list[Link], dropped: list[Link], movie: Movie, others: Hypotheses, order: Order
) -> list[Alternative]:
    """Return what else may lead to detections whose link is doubtful, or that have none; by their nodes as given.

    What a link is not sure of is shared among the others, and no link at all, by what speaks for each. Links that were
    dropped are as sure as they were.
    """
    sure = {each.after: each.confidence for each in links}
    found: dict[Node, list[tuple[float, Node, bool]]] = defaultdict(list)
    for source, (target, sister), gain in zip(others.source, others.targets, others.gain, strict=True):
        after = order.node(movie.node(target))
        if sure.get(after, 0.0) < DOUBTFUL:
            found[after].append((float(gain), order.node(movie.node(source)), bool(sister >= 0)))
    made: list[Alternative] = []
    for after, some in sorted(found.items()):
        weights = np.exp(np.clip([gain for gain, _, _ in some], -MOST_GAIN, MOST_GAIN))
        shares = (1 - sure.get(after, 0.0)) * weights / (1 + weights.sum())
        rows = [Alternative(n, after, fork, float(p)) for (_, n, fork), p in zip(some, shares, strict=True)]
        made += rows
    made += [Alternative(each.before, each.after, False, each.confidence) for each in dropped]
    return sorted(made, key=lambda each: (each.after, -each.confidence))


def tracks_from(movie: Movie, links: list[Link], order: Order, frame_hw: tuple[int, int] | None) -> Linked:
    """Return the tracks and divisions that links make, all detections in them."""
    after: dict[Node, list[Link]] = defaultdict(list)
    for each in links:
        after[each.before].append(each)
    before = {each.after: each for each in links}
    nodes = [(frame, index) for frame, given in enumerate(order.given) for index in range(len(given))]
    edge = Edge(movie, order, frame_hw)
    left_out = _unsure(nodes, before, {node: edge.worth(node) for node in nodes}, movie.options)
    out = set(left_out)
    links = [each for each in links if each.after not in out]
    begins = [node for node in nodes if node not in before or len(after[before[node].before]) > 1]
    begins = [node for node in begins if node not in out]
    ids = {node: track_id for track_id, node in enumerate(begins, start=1)}
    ways = {track_id: _way(node, after) for node, track_id in ids.items()}
    owner = {node: track_id for track_id, nodes in ways.items() for node in nodes}
    tracks, divisions = [], []
    for track_id, nodes in ways.items():
        parent = owner[before[nodes[0]].before] if nodes[0] in before else None
        daughters = after.get(nodes[-1], [])
        begin = edge.begin(nodes[0]) if parent is None else Begin.divided
        end = End.divides if daughters else edge.end(nodes[-1])
        tracks.append(LinkedTrack(track_id, tuple(nodes), parent, begin, end))
        if daughters:
            frame = min(each.after[0] for each in daughters)
            least = min(each.confidence for each in daughters)
            divisions.append(LinkedDivision(track_id, frame, tuple(ids[each.after] for each in daughters), least))
    return Linked(tuple(tracks), tuple(links), tuple(divisions), movie.common_drift(), left_out)


def _unsure(
    nodes: list[Node], before: Mapping[Node, Link], worth: Mapping[Node, float], options: LinkingOptions
) -> tuple[Node, ...]:
    """Return the nodes (frame by frame) of families of which none is as sure as one has to be; see `least_score`.

    A family with a link that a person said is sure.
    """
    first, best = dict[Node, Node](), dict[Node, float]()
    for node in nodes:
        link = before.get(node)
        family = first[node] = node if link is None else first[link.before]
        sure = 1.0 if link is not None and link.is_kept else worth[node]
        best[family] = max(sure, best.get(family, 0.0))
    return tuple(node for node in nodes if best[first[node]] < options.least_score)


def _way(node: Node, after: Mapping[Node, list[Link]]) -> list[Node]:
    """Return the nodes from one on until a division or the end."""
    nodes = [node]
    while len(after.get(nodes[-1], ())) == 1:
        nodes.append(after[nodes[-1]][0].after)
    return nodes


class Edge:
    """The border of the frames and the ends of what was looked at: why tracks begin and end there, and what it cuts."""

    def __init__(self, movie: Movie, order: Order, frame_hw: tuple[int, int] | None) -> None:
        self.movie = movie
        self.place = [{index: place for place, index in enumerate(each)} for each in order.given]
        self.drift = movie.common_drift()
        self.size: Floats = np.array(frame_hw or movie.extent(), np.float64)

    def begin(self, node: Node) -> Begin:
        """Return why a track begins without a parent."""
        if node[0] <= self.movie.sought[0]:
            return Begin.first_frame
        return Begin.enters if self._is_near(node, -self.drift[node[0]]) else Begin.appears

    def end(self, node: Node) -> End:
        """Return why a track ends without daughters."""
        if node[0] >= self.movie.sought[-1]:
            return End.last_frame
        return End.leaves if self._is_near(node, self.drift[node[0] + 1]) else End.dies

    def worth(self, node: Node) -> float:
        """Return how sure it is that a detection is an object of its own: its score, half of that where it is small."""
        detection = self._detection(node)
        is_small = detection.diameter < SMALL * self.movie.diameter and not self._touches(detection)
        return detection.score / 2 if is_small else detection.score

    def _is_near(self, node: Node, way: Floats) -> bool:
        """Return whether a detection touches the border, or would nearly on its way."""
        detection = self._detection(node)
        centre = np.array(detection.centroid_yx) + way
        room = NEAR_BORDER * self.movie.diameter
        return self._touches(detection) or bool((centre < room).any() or (centre > self.size - 1 - room).any())

    def _detection(self, node: Node) -> Detection:
        return self.movie.frames[node[0]][self.place[node[0]][node[1]]]

    def _touches(self, detection: Detection) -> bool:
        corner = np.array(detection.corner_yx)
        return bool((corner <= 0).any() or (corner + detection.mask.shape >= self.size).any())
