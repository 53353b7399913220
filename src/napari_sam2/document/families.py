"""Who came from whom among objects, and what becomes of it when objects go, join or change places."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.track_events import Division, Names
from sam2_core.errors import PromptError

Objects = Mapping[int, ObjectInfo]


def ancestors(objects: Objects, object_id: int) -> list[int]:
    """Return an object's parent, its parent and so on; empty without a parent.

    Raises
    ------
    PromptError
        If one of them does not exist or comes from itself.
    """
    found: list[int] = []
    parent = objects[object_id].parent
    while parent is not None:
        if parent not in objects:
            raise PromptError(f"object {parent}, the parent of {[object_id, *found][-1]}, does not exist; use None.")
        if parent == object_id or parent in found:
            raise PromptError(f"object {object_id} comes from {[*found, parent]}, a circle; give one another parent.")
        found.append(parent)
        parent = objects[parent].parent
    return found


def left_by(objects: Objects, gone: int, heir: int | None) -> dict[int, ObjectInfo | None]:
    """Return the changes of objects when one goes: its children get `heir` as their parent."""
    children = {
        object_id: replace(info, parent=heir)
        for object_id, info in objects.items()
        if info.parent == gone and object_id != heir
    }
    return {**children, gone: None}


def swapped_children(
    objects: Objects, behind: Sequence[Division], names: Names, born: Collection[int] = ()
) -> dict[int, ObjectInfo]:
    """Return the objects whose parents follow when two exchange those of their divisions that lie behind.

    `born` are children without a division that are there from then on only; they follow what of their parent is there.
    """
    daughters = [one for division in behind for one in division.daughters]
    changed = {daughter: replace(objects[daughter], parent=None) for daughter in daughters}
    for division in behind:
        for daughter in (names.get(one, one) for one in division.daughters):
            info = changed.get(daughter, objects[daughter])
            if info.parent is None:
                changed[daughter] = replace(info, parent=names.get(division.mother, division.mother))
    for child in {*born} - {*names, *changed}:
        parent = objects[child].parent
        if parent is not None and parent in names and child not in ancestors(objects, names[parent]):
            changed[child] = replace(objects[child], parent=names[parent])
    return changed


def merged_parent(objects: Objects, into: int, other: int) -> int | None:
    """Return the parent of an object that another one becomes part of; never one that would come from itself."""
    own = objects[into].parent
    if own is not None and other not in ancestors(objects, into):
        return own
    return None if into in ancestors(objects, other) else objects[other].parent
