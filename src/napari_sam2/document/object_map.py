"""Objects by id, immutable, in the order in which they were made; see `shared_map`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.shared_map import SharedMap


class ObjectMap(Mapping[int, ObjectInfo]):
    """Object id -> what is known of it; `locked` are the ids of those that are locked."""

    def __init__(self, by_id: SharedMap[tuple[int, ObjectInfo]], made: int, locked: frozenset[int]) -> None:
        self.locked = locked
        self._by_id = by_id
        self._made = made
        self._ordered: tuple[int, ...] | None = None

    @classmethod
    def of(cls, objects: Mapping[int, ObjectInfo]) -> ObjectMap:
        """Return the map of objects in the order in which they are given."""
        return objects if isinstance(objects, cls) else cls(SharedMap({}, 0), 0, frozenset()).changed(objects)

    def __getitem__(self, object_id: int) -> ObjectInfo:
        return self._by_id[object_id][1]

    def get(self, object_id: int, default: Any = None) -> Any:
        """Return what is known of an object, without the exception that `Mapping` raises for a missing one."""
        found = self._by_id.get(object_id)
        return default if found is None else found[1]

    def __contains__(self, object_id: object) -> bool:
        return object_id in self._by_id

    def __iter__(self) -> Iterator[int]:
        if self._ordered is None:
            self._ordered = tuple(sorted(self._by_id, key=lambda object_id: self._by_id[object_id][0]))
        return iter(self._ordered)

    def __len__(self) -> int:
        return len(self._by_id)

    def changed(self, changes: Mapping[int, ObjectInfo | None]) -> ObjectMap:
        """Return the map after changes; a new object comes last, None takes one away."""
        entries: dict[int, tuple[int, ObjectInfo] | None] = {}
        made, locked = self._made, set(self.locked & changes.keys())
        for object_id, info in changes.items():
            if info is None:
                entries[object_id] = None
                continue
            known = self._by_id.get(object_id)
            entries[object_id] = (made if known is None else known[0], info)
            made += known is None
        now_locked = {object_id for object_id, info in changes.items() if info is not None and info.locked}
        same = locked == now_locked
        return ObjectMap(
            self._by_id.changed(entries), made, self.locked if same else (self.locked - locked) | now_locked
        )

    def differing(self, other: ObjectMap) -> list[int]:
        """Return the ids, ascending, of objects that are described otherwise in the other map, or are not there."""
        return [one for one in self._by_id.differing(other._by_id) if other.get(one) != self[one]]

    def last(self) -> int:
        """Return the highest id, 0 without objects."""
        return self._by_id.last() or 0
