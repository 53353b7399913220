"""What linking may do to objects that are there: masks are added where there were none, and all else stays."""

from __future__ import annotations

from dataclasses import replace

from torture.pictures import Picture

from napari_sam2.document.document import Document
from napari_sam2.document.track_events import BEGINS, ENDS
from napari_sam2.masks.stored_masks import MaskKey, MaskStatus
from napari_sam2.session.linked import LinkedObjects


def added_to_known(before: Picture, after: Picture, linked: LinkedObjects) -> None:
    """Look at what came of linking."""
    was, now, old = dict(before.masks), dict(after.masks), before.document
    for key, mask in was.items():
        assert now.get(key) == mask or mask.is_empty or mask.status is MaskStatus.stale, f"mask {key} was replaced"
    added = {key for key, mask in now.items() if was.get(key) != mask}
    assert {now[key].status for key in added} <= {MaskStatus.found}
    assert {one for one, _ in added} == {*linked.object_ids, *linked.carried_on}, "not all that changed was told"
    assert not {*linked.object_ids} & old.objects.keys(), "an object that was there is said to be new"
    assert not {*linked.carried_on} & old.locked, "a locked object was carried on"
    said = {*old.prompts} | {key for key, mask in was.items() if mask.status is MaskStatus.edited}
    assert not said & added, "where a person said something, something was added"
    assert dict(after.document.prompts) == dict(old.prompts)
    for one, info in old.objects.items():
        found = after.document.objects[one]
        assert replace(found, parent=info.parent) == info, f"object {one}: {info} became {found}"
        assert info.parent in (None, found.parent), f"object {one} has another parent"
    assert set(old.divisions) <= set(after.document.divisions), "a division is gone"
    _is_valid(after, old, added)


def _is_valid(picture: Picture, old: Document, added: set[MaskKey]) -> None:
    """Say where an object was made longer than divisions and events allow, or new ones are at odds with all of it."""
    document = picture.document
    there: dict[int, list[int]] = {one: [] for one in document.objects}
    for (one, frame), mask in picture.masks:
        if not mask.is_empty:
            there[one].append(frame)
    was = {one: [frame for frame in frames if (one, frame) not in added] for one, frames in there.items()}
    before = {one: [at for at in frames if not was[one] or at < min(was[one])] for one, frames in there.items()}
    behind = {one: [at for at in frames if not was[one] or at > max(was[one])] for one, frames in there.items()}
    for division in document.divisions:
        assert {division.mother, *division.daughters} <= document.objects.keys(), f"{division} of nobody"
        assert {document.objects[one].parent for one in division.daughters} == {division.mother}
        is_old = division in old.divisions
        late = (behind if is_old else there)[division.mother]
        early = [at for one in division.daughters for at in (before if is_old else there)[one]]
        assert all(at < division.frame for at in late), f"{division}: {late}, was {was}"
        assert all(at >= division.frame for at in early), f"{division}: {early}, was {was}"
    for event in document.events:
        one, is_old = event.object_id, event in old.events
        early, late = (before if is_old else there)[one], (behind if is_old else there)[one]
        assert event.kind not in BEGINS or all(at >= event.frame for at in early), f"{event}: {early}, was {was[one]}"
        assert event.kind not in ENDS or all(at <= event.frame for at in late), f"{event}: {late}, was {was[one]}"
        absent = range(event.frame, (event.last_frame or event.frame - 1) + 1)
        assert not any((one, at) in added for at in absent), f"{event}: {added}"
