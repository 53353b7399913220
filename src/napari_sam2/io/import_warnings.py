"""What is odd about tracks that are brought in, each in one sentence: they come in all the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from napari_sam2.io.mask_pieces import in_pieces
from napari_sam2.io.tracked import TrackedLabels
from napari_sam2.masks.mask_store import MaskStore


def odd_in_table(tracks: TrackedLabels, masks: MaskStore) -> Iterator[str]:
    """Yield where the table beside labels speaks of objects that are not there, or of other frames than their masks."""
    name, spans = tracks.labels.stack.name, tracks.spans
    there = {one: (min(masks.frames(one)), max(masks.frames(one))) for one in masks.object_ids()}
    unseen = sorted({*spans, *tracks.parents} - there.keys())
    if unseen:
        yield f"{name}: the table has rows for objects that no label shows, which are left out: {_some(unseen)}."
    if not spans:
        return
    untold = sorted(there.keys() - spans.keys())
    if untold:
        yield f"{name}: the table has no row for labels that are there: {_some(untold)}; they have no parent."
    other = [one for one, frames in there.items() if spans.get(one, frames) != frames]
    if other:
        said, seen = (f"{first} to {last}" for first, last in (spans[other[0]], there[other[0]]))
        yield (
            f"{name}: {len(other)} tracks are on other frames than the table says, as {other[0]}: frames {said} in the "
            f"table, {seen} in the labels; the labels count."
        )


def odd_pieces(name: str, masks: MaskStore) -> Iterator[str]:
    """Yield where objects are in several pieces for long, as where daughters keep the value of their mother."""
    found: Mapping[int, int] = in_pieces(masks)
    if found:
        object_id, frame = next(iter(found.items()))
        are = "1 object is" if len(found) == 1 else f"{len(found)} objects are"
        yield (
            f"{name}: {are} in several pieces on several frames in a row, as object {object_id} from frame {frame} on; "
            "where daughters keep their mother's value, import with --split-lineages (in Python split_lineages=True, "
            "in napari Split shared values)."
        )


def _some(ids: Iterable[int]) -> str:
    """Return the first ten ids, and how many more there are."""
    ids = list(ids)
    return ", ".join(map(str, ids[:10])) + (f" and {len(ids) - 10} more" if len(ids) > 10 else "")
