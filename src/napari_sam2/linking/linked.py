"""What linking gives: tracks with parents, how they begin and end, and how sure every step is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from napari_sam2.linking.detections import Floats, Node


class Begin(StrEnum):
    """How a track begins."""

    first_frame = "first frame"
    enters = "enters"
    appears = "appears"
    divided = "divided"


class End(StrEnum):
    """How a track ends."""

    last_frame = "last frame"
    leaves = "leaves"
    dies = "dies"
    divides = "divides"


@dataclass(frozen=True, slots=True)
class Link:
    """Two detections that are the same object, or mother and daughter.

    Attributes
    ----------
    before, after
        (frame, index) of the earlier and the later detection; frames between them are a gap.
    confidence
        0 to 1, how likely it is right; 1 where a person said so.
    is_kept
        Whether a person said so.
    """

    before: Node
    after: Node
    confidence: float
    is_kept: bool = False

    @property
    def gap(self) -> int:
        """Frames on which the object was missed."""
        return self.after[0] - self.before[0] - 1


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another link that would lead to a detection, instead of the one that was chosen, or where none was.

    Attributes
    ----------
    before, after
        (frame, index) of the earlier and the later detection.
    is_division
        Whether the earlier one would be the mother.
    confidence
        0 to 1, how likely it is right.
    """

    before: Node
    after: Node
    is_division: bool
    confidence: float


@dataclass(frozen=True, slots=True)
class LinkedDivision:
    """A track that becomes others.

    Attributes
    ----------
    mother, daughters
        Track ids.
    frame
        First frame on which a daughter is there.
    confidence
        0 to 1, how likely it is right.
    """

    mother: int
    frame: int
    daughters: tuple[int, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class LinkedTrack:
    """One object from its beginning to its end or its division.

    Attributes
    ----------
    track_id
        From 1, in the order of the first node.
    nodes
        (frame, index) of its detections, ascending; a frame that is left out is a gap.
    parent
        Track id of the mother, None without one.
    """

    track_id: int
    nodes: tuple[Node, ...]
    parent: int | None
    begins: Begin
    ends: End

    @property
    def first_frame(self) -> int:
        """Frame of its first node."""
        return self.nodes[0][0]

    @property
    def last_frame(self) -> int:
        """Frame of its last node."""
        return self.nodes[-1][0]


@dataclass(frozen=True, slots=True, eq=False)
class Linked:
    """All of a movie: every detection is in exactly one track, or left out.

    Attributes
    ----------
    links
        By the earlier node, then the later one; those of divisions included.
    drift
        (T, 2) pixels by which the objects of a frame have moved from the frame before, as a rule; the first row is 0.
    left_out
        Detections that are unsure, and linked to unsure ones at most, see `LinkingOptions.least_score`.
    alternatives
        By the later node, the surest first; at most two where a link is doubtful, or where a track begins without one,
        and the link that was dropped because it would have made one of two known objects.
    """

    tracks: tuple[LinkedTrack, ...]
    links: tuple[Link, ...]
    divisions: tuple[LinkedDivision, ...]
    drift: Floats
    left_out: tuple[Node, ...] = ()
    alternatives: tuple[Alternative, ...] = ()

    def track_ids(self) -> dict[Node, int]:
        """Return the id of the track that each detection is in."""
        return {node: track.track_id for track in self.tracks for node in track.nodes}
