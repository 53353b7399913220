"""Neighbours that hold the same pixels, and strong proposals that became no object, frame by frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from napari_sam2.document.prompt_parts import Mask
from napari_sam2.document.proposals import Proposal
from napari_sam2.document.reviews import At, Place, ReviewKind
from napari_sam2.masks.stored_masks import StoredMask
from napari_sam2.review.items import Doubt
from napari_sam2.review.views import View, common

SHARED = 0.2
"""Share of the smaller of two masks that the other holds too, above which they are in conflict."""
STRONG = 0.5
"""Score from which a proposal that was left out is worth a look."""

OnFrame = Mapping[int, StoredMask]
"""Object id -> mask that holds a pixel."""


def shared_with(object_id: int, here: OnFrame) -> Iterator[tuple[int, float]]:
    """Yield the objects on a frame that hold pixels of an object, and which share of the smaller one they share."""
    mask = here[object_id]
    y0, x0, y1, x1 = mask.box_yx
    view: View | None = None
    for other, theirs in here.items():
        if other == object_id or theirs.y0 >= y1 or theirs.x0 >= x1:
            continue
        if theirs.y0 + theirs.shape[0] <= y0 or theirs.x0 + theirs.shape[1] <= x0:
            continue
        view = view or View(mask)
        second = View(theirs)
        share = common(view, second) / min(view.area, second.area)
        if share > SHARED:
            yield other, share


def all_shared(here: OnFrame, size: tuple[int, int]) -> Iterator[tuple[int, int, float]]:
    """Yield all pairs of objects on a frame (H, W) that are in conflict, and their shares; every mask is read once."""
    count = np.zeros(size, np.uint8)
    views = {object_id: View(mask) for object_id, mask in here.items()}
    for view in views.values():
        count[view.mask.rows, view.mask.columns] += view.inside
    if count.max(initial=0) < 2:
        return
    shared = {one for one, view in views.items() if count[view.mask.rows, view.mask.columns][view.inside].max() > 1}
    crowded = {one: mask for one, mask in here.items() if one in shared}
    for object_id in crowded:
        yield from ((object_id, other, share) for other, share in shared_with(object_id, crowded) if other > object_id)


def conflict_doubts(pair: tuple[int, int], shares: Mapping[int, float]) -> Iterator[Doubt]:
    """Yield a doubt for each run of frames on which two objects are in conflict."""
    run: list[int] = []
    for frame in [*sorted(shares), -1]:
        if run and frame != run[-1] + 1:
            worst = max(shares[one] for one in run)
            place = Place(At.overlap, pair[0], run[0], pair[1])
            reason = f"objects {pair[0]} and {pair[1]} share {worst:.0%} of the smaller one"
            yield Doubt(place, ReviewKind.in_conflict, min(0.9, worst), reason, len(run))
            run = []
        run.append(frame)


def left_out(proposals: Iterable[tuple[int, Proposal]], here: OnFrame) -> Iterator[Doubt]:
    """Yield the strong proposals of a frame that lie on no object."""
    for number, one in proposals:
        if one.is_open and one.score >= STRONG and not _is_taken(one.mask, here):
            reason = f"found with a score of {one.score:.2f}, and no object"
            yield Doubt(Place(At.proposal, number, one.frame), ReviewKind.left_out, one.score / 2, reason)


def _is_taken(mask: Mask, here: OnFrame) -> bool:
    view = View(StoredMask.of_drawn(mask))
    y0, x0, y1, x1 = view.mask.box_yx
    held = 0
    for theirs in here.values():
        if theirs.y0 < y1 and theirs.x0 < x1 and theirs.rows.stop > y0 and theirs.columns.stop > x0:
            held += common(view, View(theirs))
    return 2 * held > view.area
