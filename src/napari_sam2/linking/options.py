"""What may be said about linking: how, and what a person already knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from napari_sam2.linking.detections import Node
from sam2_core.errors import PromptError


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkingOptions:
    """How detections are linked.

    Attributes
    ----------
    divisions
        Whether an object may divide; False for the planes of a volume.
    longest_gap
        Frames in a row on which an object may be missed and still be the same; 0 for none.
    drift
        Whether what all objects have in common of their motion is taken out; False where the frames are registered.
    most_distance
        How far from where the drift carries it an object may be found, in diameters of a typical object.
    least_score
        A track of which no detection scores as much, nor one of its mothers and daughters, is none: it is dirt, mostly.
        0 to 1. What is much smaller than a typical object and not cut by the border has to score twice as much. One
        with a link that a person said is a track whatever it scores.
    """

    divisions: bool = True
    longest_gap: int = 1
    drift: bool = True
    most_distance: float = 1.5
    least_score: float = 0.0

    def __post_init__(self) -> None:
        if self.longest_gap < 0:
            raise PromptError(f"longest_gap is {self.longest_gap}; it is a number of frames, 0 or more")
        if not self.most_distance > 0:
            raise PromptError(f"most_distance is {self.most_distance}; it is in diameters, and above 0")
        if not 0 <= self.least_score <= 1:
            raise PromptError(f"least_score is {self.least_score}; scores go from 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a person said of links, and what linking therefore keeps.

    Attributes
    ----------
    links
        Pairs of nodes (earlier, later) that are the same object, or mother and daughter: several from one node are a
        division. They may be far apart, in space and in time.
    apart
        Pairs of nodes (earlier, later) between which there is no link.
    begins, ends
        Nodes with which a track begins or ends: nothing is linked to them from before, or from them to later.
    owners
        Node -> whose it is, 1 or more. Nodes of one owner are one object, which does not divide between them, whether
        what is between is found or not; those of two are never one, but one may divide into others. See `owners`.
    """

    links: frozenset[tuple[Node, Node]] = field(default_factory=frozenset)
    apart: frozenset[tuple[Node, Node]] = field(default_factory=frozenset)
    begins: frozenset[Node] = field(default_factory=frozenset)
    ends: frozenset[Node] = field(default_factory=frozenset)
    owners: Mapping[Node, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        links: Iterable[tuple[Node, Node]] = (),
        apart: Iterable[tuple[Node, Node]] = (),
        begins: Iterable[Node] = (),
        ends: Iterable[Node] = (),
        owners: Mapping[Node, int] = MappingProxyType({}),
    ) -> Kept:
        """Return them from any collections."""
        sets = frozenset(links), frozenset(apart), frozenset(begins), frozenset(ends)
        return cls(links=sets[0], apart=sets[1], begins=sets[2], ends=sets[3], owners=dict(owners))

    def joined(self, other: Kept) -> Kept:
        """Return what both keep."""
        return Kept.of(
            links=self.links | other.links,
            apart=self.apart | other.apart,
            begins=self.begins | other.begins,
            ends=self.ends | other.ends,
            owners={**other.owners, **self.owners},
        )

    def check(self, counts: list[int]) -> None:
        """Refuse what cannot be kept on frames with so many detections each; a PromptError says what."""
        pairs = self.links | self.apart
        nodes = {node for pair in pairs for node in pair} | self.begins | self.ends | self.owners.keys()
        for frame, index in sorted(nodes):
            if not (0 <= frame < len(counts) and 0 <= index < counts[frame]):
                raise PromptError(f"there is no detection {index} on frame {frame} of {len(counts)}")
        for earlier, later in sorted(pairs):
            if earlier[0] >= later[0]:
                raise PromptError(f"a link goes to a later frame, and {earlier} to {later} does not")
        for node, count in sorted(Counter(later for _, later in self.links).items()):
            if count > 1:
                raise PromptError(f"the detection {node} is linked to {count} earlier ones; keep one")
        for earlier, later in sorted(self.links):
            if (earlier, later) in self.apart or earlier in self.ends or later in self.begins:
                raise PromptError(f"the link from {earlier} to {later} is kept and excluded at once; say one of them")
