"""Objects that are there before proposals are linked, as the linker sees them: detections whose object is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from napari_sam2.document.prompt_parts import Mask
from napari_sam2.linking import Kept, Node
from napari_sam2.masks.stored_masks import MaskKey, StoredMask


@dataclass(frozen=True, slots=True)
class Way:
    """Where an object is, and where nothing may be added to it.

    Attributes
    ----------
    masks
        By frame, ascending, those near to the frames on which objects were sought; none of them is empty.
    joined
        Frames whose mask is linked to the one before, whatever was found between the two.
    is_begun, is_ended
        Whether it begins with the first of these masks, or ends with the last, whatever was found before or behind.
    """

    masks: Mapping[int, StoredMask]
    joined: frozenset[int]
    is_begun: bool
    is_ended: bool


class KnownObjects:
    """Detections of objects that are there already; on each frame they stand behind those of proposals.

    Parameters
    ----------
    ways
        By object id, ascending.
    counts
        How many proposals are linked on each frame.
    size
        (H, W) of a frame.

    Attributes
    ----------
    on_frames
        Keys of the masks of each frame, in the order of their detections.
    owners
        Detection -> id of its object.
    kept
        What linking keeps of them.
    """

    def __init__(self, ways: Mapping[int, Way], counts: Sequence[int], size: tuple[int, int]) -> None:
        self.ways = ways
        self._size = size
        self.on_frames: list[list[MaskKey]] = [[] for _ in counts]
        nodes: dict[MaskKey, Node] = {}
        for one, way in ways.items():
            for frame in way.masks:
                nodes[one, frame] = frame, counts[frame] + len(self.on_frames[frame])
                self.on_frames[frame].append((one, frame))
        self.owners = {node: one for (one, _), node in nodes.items()}
        self.kept = Kept.of(
            links=(
                (nodes[one, before], nodes[one, frame])
                for one, way in ways.items()
                for before, frame in pairwise(way.masks)
                if frame in way.joined
            ),
            begins=(nodes[one, min(way.masks)] for one, way in ways.items() if way.is_begun),
            ends=(nodes[one, max(way.masks)] for one, way in ways.items() if way.is_ended),
            owners=self.owners,
        )

    def mask(self, node: Node) -> StoredMask:
        """Return the mask of a detection."""
        return self.ways[self.owners[node]].masks[node[0]]

    def drawn(self, node: Node) -> Mask:
        """Return the mask of a detection as a prompt says it."""
        return self.mask(node).drawn(self._size)
