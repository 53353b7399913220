"""Mothers and daughters of an object that holds a whole lineage.

Some programs give mother and daughters one value. Each frame is then cut into pieces that do not touch; a piece goes
on from the one of before that it covers best, and where several go on from one, that one ends and they begin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from napari_sam2.document.document import Document
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.io.mask_pieces import LONG, imported_mask, pieces_of
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stored_masks import Array


def split_lineages(document: Document, masks: MaskStore) -> tuple[Document, MaskStore]:
    """Return objects and masks where each piece that stays apart is an object, the daughter of what it came from.

    The mother keeps her id and daughters get free ones. Pieces that join again within `LONG - 1` frames stay one.
    """
    width, free = masks.size[1], count(max(masks.object_ids(), default=0) + 1)
    infos, made = dict(document.objects), MaskStore(masks.size, masks.frame_count)
    for object_id in masks.object_ids():
        pieces = {frame: pieces_of(mask, width) for frame, mask in sorted(masks.frames(object_id).items())}
        spare = object_id
        for branch, mother in _walked(_grown(pieces, width)):
            branch.object_id, spare = spare or next(free), 0
            if branch.object_id != object_id:
                infos[branch.object_id] = ObjectInfo(branch.object_id, parent=mother.object_id or None)
            for frame, pixels in branch.frames.items():
                made.put((branch.object_id, frame), imported_mask(*np.divmod(pixels, width)))
    return Document.of([], list(infos.values())), made


@dataclass(eq=False, slots=True)
class _Branch:
    """Pixels, as places in the frame, over time; the first one of an object has no frames where it begins in pieces."""

    frames: dict[int, Array] = field(default_factory=dict)
    daughters: list[_Branch] = field(default_factory=list)
    object_id: int = 0

    def likeness(self, piece: Array, width: int) -> tuple[float, float]:
        """Return the larger the better a piece goes on from here: IoU, and how near it is."""
        last = next(reversed(self.frames.values()), piece)
        shared = np.intersect1d(last, piece, assume_unique=True).size
        here, there = (np.mean(np.divmod(one, width), axis=1) for one in (last, piece))
        return shared / (last.size + piece.size - shared), -float(np.hypot(*(here - there)))

    def take(self, other: _Branch) -> None:
        """Go on as another one does, which is none of its own."""
        for frame, pixels in other.frames.items():
            self.frames[frame] = np.union1d(self.frames.get(frame, pixels), pixels)
        self.daughters += other.daughters


def _likest(ends: Sequence[_Branch], piece: Array, width: int) -> _Branch:
    """Return the branch that goes on as a piece."""
    return max(ends, key=lambda end: end.likeness(piece, width))


def _grown(pieces: Mapping[int, list[Array]], width: int) -> _Branch:
    """Return the branch that all others come from."""
    first = _Branch()
    mothers, ends, before = {first: first}, [first], 0
    for frame, here in pieces.items():
        chosen = [_likest(ends, piece, width) for piece in here]
        short = [end for end in ends if before in end.frames and len(end.frames) < LONG]
        for gone in [end for end in short if end not in chosen]:
            near = max(range(len(here)), key=lambda one: gone.likeness(here[one], width)[0])
            heir, mother = chosen[near], mothers[gone]
            if gone.likeness(here[near], width)[0] > 0 and mothers[heir] is mother is not heir:
                heir.take(gone)
                mother.daughters.remove(gone)
                ends.remove(gone)
                if mother.daughters == [heir]:
                    mother.daughters = []
                    mother.take(heir)
                    ends[ends.index(heir)] = mother
                    chosen = [mother if one is heir else one for one in chosen]
        before = frame
        for end in dict.fromkeys(chosen):
            own = [piece for piece, one in zip(here, chosen, strict=True) if one is end]
            if len(own) == 1:
                end.frames[frame] = own[0]
                continue
            end.daughters = [_Branch({frame: piece}) for piece in own]
            mothers |= dict.fromkeys(end.daughters, end)
            ends = [one for one in ends if one is not end] + end.daughters
    return first


def _walked(first: _Branch) -> Iterator[tuple[_Branch, _Branch]]:
    """Yield all branches that have frames, mothers before daughters, each with what it comes from."""
    left = [(first, _Branch())]
    while left:
        branch, mother = left.pop(0)
        if branch.frames:
            yield branch, mother
        left += [(one, branch) for one in branch.daughters]
