"""All masks of a session, by object and by frame: the only place where masks live between the model and the viewer.

Masks come in by `put`, labels of a frame go out by `labels`, statuses by `statuses`. What merges, swaps or ages masks
returns the changes it made, so that an edit can be taken back (`revert`) and made again (`take`). The main thread owns
it; nothing here computes a mask.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator

import numpy as np

from napari_sam2.masks.overlaps import Layered, Overlaps, label_dtype, painted
from napari_sam2.masks.stored_masks import Array, MaskChange, MaskKey, MaskStatus, StoredMask, frames_of
from sam2_core.errors import PromptError, StackError

__all__ = ["MaskChange", "MaskKey", "MaskStatus", "MaskStore", "Overlaps", "StoredMask", "frames_of"]

Change = tuple[MaskChange, ...]


class MaskStore:
    """Masks of objects on the frames of one movie, whose `size` is (height, width)."""

    def __init__(self, size: tuple[int, int], frame_count: int) -> None:
        self.size = size
        self.frame_count = frame_count
        self._by_object: dict[int, dict[int, StoredMask]] = {}
        self._by_frame: dict[int, dict[int, StoredMask]] = {}
        self._codes: dict[int, Array] = {}
        self._ages: dict[MaskKey, int] = {}

    def __len__(self) -> int:
        return sum(len(frames) for frames in self._by_object.values())

    def get(self, key: MaskKey) -> StoredMask | None:
        """Return the mask of (object_id, frame), or None."""
        return self._by_object.get(key[0], {}).get(key[1])

    def mask(self, object_id: int, frame: int) -> Array | None:
        """Return a mask in its frame, (H, W) bool, whether other objects lie over it or not; None if there is none."""
        found = self.get((object_id, frame))
        return None if found is None else found.placed(self.size)

    def items(self) -> Iterator[tuple[MaskKey, StoredMask]]:
        """Yield key and mask in the order in which they came, the one that `Overlaps.keep` goes by."""
        kept = {(one, frame): mask for one, frames in self._by_object.items() for frame, mask in frames.items()}
        yield from sorted(kept.items(), key=lambda item: self._ages[item[0]])

    def object_ids(self) -> tuple[int, ...]:
        """Return the ids of the objects that have a mask anywhere, ascending."""
        return tuple(sorted(self._by_object))

    def frames(self, object_id: int) -> dict[int, StoredMask]:
        """Return the masks of an object by frame, ascending; a new dict."""
        return dict(sorted(self._by_object.get(object_id, {}).items()))

    def objects_on(self, frame: int) -> tuple[int, ...]:
        """Return the ids of the objects that a mask is kept for on a frame, ascending; absent ones among them."""
        return tuple(sorted(self._by_frame.get(frame, {})))

    def statuses(self, object_id: int) -> Array:
        """Return one code per frame, (T,) uint8: 0 for no mask, else `MaskStatus.code`."""
        codes = self._codes.get(object_id)
        return np.zeros(self.frame_count, dtype=np.uint8) if codes is None else codes.copy()

    def labels(
        self,
        frame: int,
        objects: Iterable[int] | None = None,
        overlaps: Overlaps = Overlaps.logits,
        locked: Container[int] = (),
    ) -> Array:
        """Return the labels of a frame, (H, W) uint16, or uint32 where the store has an id that needs it.

        Parameters
        ----------
        objects
            Ids of those that take part; the others neither show nor take pixels. All where None.
        overlaps
            Who gets a pixel that several masks hold.
        locked
            Ids of locked objects, which win over all others; painted masks win over the rest.
        """
        here = self._by_frame.get(frame, {})
        chosen = here if objects is None else {object_id: here[object_id] for object_id in objects if object_id in here}
        layers = [
            Layered(object_id, mask, self._ages[object_id, frame], object_id in locked)
            for object_id, mask in chosen.items()
        ]
        return painted(layers, self.size, overlaps, label_dtype(self._by_object))

    def put(self, key: MaskKey, mask: StoredMask) -> MaskChange:
        """Keep a mask, in place of an earlier one, whose age it takes over; return the change.

        Raises
        ------
        StackError
            If there is no such frame, or the mask reaches out of it.
        """
        object_id, frame = key
        if not 0 <= frame < self.frame_count:
            raise StackError(f"object {object_id}, frame {frame}: the movie has frames 0 to {self.frame_count - 1}.")
        y0, x0, y1, x1 = mask.box_yx
        if min(y0, x0) < 0 or y1 > self.size[0] or x1 > self.size[1]:
            raise StackError(
                f"object {object_id}, frame {frame}: the mask's box {mask.box_yx} (y0, x0, y1, x1) reaches out of the "
                f"frame, which is {self.size[0]} high and {self.size[1]} wide."
            )
        return self._set(key, mask)

    def remove(self, key: MaskKey) -> MaskChange:
        """Forget a mask, if it is there; return the change."""
        return self._set(key, None)

    def remove_object(self, object_id: int) -> Change:
        """Forget all masks of an object; return the changes."""
        return tuple(self.remove((object_id, frame)) for frame in self.frames(object_id))

    def merge(self, into: int, other: int) -> Change:
        """Give the masks of `other` to `into`, united on frames where both have one; return the changes."""
        _check_two(into, other)
        changes: list[MaskChange] = []
        for frame, mask in self.frames(other).items():
            own = self.get((into, frame))
            changes.append(self._set((into, frame), mask if own is None else StoredMask.united(own, mask)))
            changes.append(self.remove((other, frame)))
        return tuple(changes)

    def swap(self, a: int, b: int, from_frame: int) -> Change:
        """Exchange the masks of two objects on `from_frame` and all later frames; return the changes."""
        _check_two(a, b)
        changes: list[MaskChange] = []
        for frame in sorted(self._by_object.get(a, {}).keys() | self._by_object.get(b, {}).keys()):
            if frame >= from_frame:
                first, second = self.get((a, frame)), self.get((b, frame))
                changes += self._set((a, frame), second), self._set((b, frame), first)
        return tuple(changes)

    def turn_stale(self, object_id: int, is_behind: Callable[[int, StoredMask], bool]) -> Change:
        """Mark as stale the tracked and absent masks of an object for which `is_behind(frame, mask)`.

        They stay visible; what was prompted, painted or is stale already stays as it is. Returns the changes.
        """
        return tuple(
            self._set((object_id, frame), mask.with_status(MaskStatus.stale))
            for frame, mask in self.frames(object_id).items()
            if mask.status in (MaskStatus.tracked, MaskStatus.absent) and is_behind(frame, mask)
        )

    def take(self, changes: Iterable[MaskChange]) -> None:
        """Make changes (again): each key holds its `after`."""
        for change in changes:
            self._set(change.key, change.after)

    def revert(self, changes: Iterable[MaskChange]) -> None:
        """Take changes back, the last first: each key holds its `before`."""
        for change in reversed(tuple(changes)):
            self._set(change.key, change.before)

    def _set(self, key: MaskKey, mask: StoredMask | None) -> MaskChange:
        object_id, frame = key
        before = self.get(key)
        if mask is None:
            self._drop(key)
        else:
            self._by_object.setdefault(object_id, {})[frame] = mask
            self._by_frame.setdefault(frame, {})[object_id] = mask
            self._ages.setdefault(key, len(self._ages))
            codes = self._codes.setdefault(object_id, np.zeros(self.frame_count, dtype=np.uint8))
            codes[frame] = mask.status.code
        return MaskChange(key, before, mask)

    def _drop(self, key: MaskKey) -> None:
        """Forget a mask; its age stays, so that it comes back to its place when the removal is undone."""
        object_id, frame = key
        for index, outer, inner in ((self._by_object, object_id, frame), (self._by_frame, frame, object_id)):
            if inner in index.get(outer, {}):
                del index[outer][inner]
                if not index[outer]:
                    del index[outer]
        if object_id in self._codes:
            self._codes[object_id][frame] = 0


def _check_two(first: int, second: int) -> None:
    if first == second:
        raise PromptError(f"object {first} was given twice; choose two different ones.")
