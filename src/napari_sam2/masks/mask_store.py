"""All masks of a session, by object and by frame: the only place where masks live between the model and the viewer.

Masks come in by `put`, labels of a frame go out by `labels`, statuses by `statuses`. What merges, swaps or ages masks
returns the changes it made. `held` is all masks of an object as they are at a moment, `hold` puts them back: that is
how an edit is taken back. The main thread owns it; nothing here computes a mask.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from types import MappingProxyType

import numpy as np

from napari_sam2.masks.overlaps import Layered, Overlaps, PixelBox, label_dtype, painted
from napari_sam2.masks.stored_masks import Array, MaskChange, MaskKey, MaskStatus, StoredMask, frames_of
from sam2_core.errors import PromptError, StackError

__all__ = ["MaskChange", "MaskKey", "MaskStatus", "MaskStore", "Overlaps", "StoredMask", "frames_of"]

Change = tuple[MaskChange, ...]


class HeldMasks:
    """All masks of a store as they were at a moment, by key; iterated in any thread, as often as is wanted."""

    def __init__(self, by_object: Mapping[int, Mapping[int, StoredMask]]) -> None:
        self._by_object = by_object

    def __iter__(self) -> Iterator[tuple[MaskKey, StoredMask]]:
        for object_id, frames in self._by_object.items():
            for frame, mask in frames.items():
                yield (object_id, frame), mask

    def __len__(self) -> int:
        return sum(map(len, self._by_object.values()))


class MaskStore:
    """Masks of objects on the frames of one movie, whose `size` is (height, width)."""

    def __init__(self, size: tuple[int, int], frame_count: int) -> None:
        self.size = size
        self.frame_count = frame_count
        self._by_object: dict[int, dict[int, StoredMask]] = {}
        self._by_frame: dict[int, dict[int, StoredMask]] = {}
        self._codes: dict[int, Array] = {}
        self._revisions: dict[int, int] = {}
        self._shared: set[int] = set()  # objects whose masks by frame are held elsewhere too: copied before a change

    @classmethod
    def of(cls, size: tuple[int, int], frame_count: int, masks: Iterable[tuple[MaskKey, StoredMask]]) -> MaskStore:
        """Return the store of masks by key; the last one counts of those of a key.

        Raises
        ------
        StackError
            See `put`.
        """
        store = cls(size, frame_count)
        by_object, by_frame = store._by_object, store._by_frame
        for (object_id, frame), mask in masks:
            store._check(object_id, frame, mask)
            if object_id not in by_object:
                by_object[object_id] = {}
            if frame not in by_frame:
                by_frame[frame] = {}
            by_object[object_id][frame] = by_frame[frame][object_id] = mask
        for object_id, frames in by_object.items():
            codes = store._codes[object_id] = np.zeros(frame_count, dtype=np.uint8)
            codes[list(frames)] = [mask.status.code for mask in frames.values()]
            store._revisions[object_id] = len(frames)
        return store

    def __len__(self) -> int:
        return sum(map(len, self._by_object.values()))

    def get(self, key: MaskKey) -> StoredMask | None:
        """Return the mask of (object_id, frame), or None."""
        return self._by_object.get(key[0], {}).get(key[1])

    def mask(self, object_id: int, frame: int) -> Array | None:
        """Return a mask in its frame, (H, W) bool, whether other objects lie over it or not; None if there is none."""
        found = self.get((object_id, frame))
        return None if found is None else found.placed(self.size)

    def items(self) -> Iterator[tuple[MaskKey, StoredMask]]:
        """Yield key and mask, object by object in the order in which these came."""
        for object_id, frames in self._by_object.items():
            yield from (((object_id, frame), mask) for frame, mask in frames.items())

    def object_ids(self) -> tuple[int, ...]:
        """Return the ids of the objects that have a mask anywhere, ascending."""
        return tuple(sorted(object_id for object_id, frames in self._by_object.items() if frames))

    def held(self, object_id: int) -> Mapping[int, StoredMask]:
        """Return the masks of an object by frame, as they are now; later changes leave what is returned alone."""
        self._shared.add(object_id)
        return MappingProxyType(self._by_object.get(object_id, {}))

    def held_all(self) -> HeldMasks:
        """Return all masks as they are now, at next to no cost; later changes leave them alone."""
        return HeldMasks({object_id: self.held(object_id) for object_id in self._by_object})

    def drafted(self, object_ids: Iterable[int]) -> MaskStore:
        """Return a store of its own with the masks that some objects have now; `take_over` brings them back."""
        held = HeldMasks({object_id: self.held(object_id) for object_id in object_ids})
        return MaskStore.of(self.size, self.frame_count, held)

    def take_over(self, object_ids: Iterable[int], drafted: MaskStore) -> Change:
        """Let objects have the masks that they have in a drafted store; return the changes."""
        return tuple(change for one in object_ids for change in self.hold(one, drafted.held(one)))

    def hold(self, object_id: int, frames: Mapping[int, StoredMask]) -> Change:
        """Put masks that were `held` in the place of all masks of an object; return the changes."""
        now = self._by_object.get(object_id, {})
        differing = [frame for frame in {**now, **frames} if now.get(frame) is not frames.get(frame)]
        return tuple(self._set((object_id, frame), frames.get(frame)) for frame in sorted(differing))

    def revision(self, object_id: int) -> int:
        """Return how often the masks of an object were changed; as long as it is the same, so are they."""
        return self._revisions.get(object_id, 0)

    def frames(self, object_id: int) -> dict[int, StoredMask]:
        """Return the masks of an object by frame, ascending; a new dict."""
        return dict(sorted(self._by_object.get(object_id, {}).items()))

    def there(self, object_id: int) -> dict[int, StoredMask]:
        """Return the masks of an object that hold a pixel, by frame, ascending; a new dict."""
        return {frame: mask for frame, mask in self.frames(object_id).items() if not mask.is_empty}

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
        box: PixelBox | None = None,
    ) -> Array:
        """Return the labels of a frame, (H, W) uint16, or uint32 where the store has an id that needs it.

        Parameters
        ----------
        objects
            Ids of those that take part, in the order that `Overlaps.keep` goes by; the others neither show nor take
            pixels. Where None, all in the order in which they came.
        overlaps
            Who gets a pixel that several masks hold.
        locked
            Ids of locked objects, which win over all others; painted masks win over the rest.
        box
            Of which part (h, w) of the frame; of all where None.
        """
        here = self._by_frame.get(frame, {})
        chosen = [object_id for object_id in (self._by_object if objects is None else objects) if object_id in here]
        layers = [
            Layered(object_id, here[object_id], place, object_id in locked) for place, object_id in enumerate(chosen)
        ]
        dtype = label_dtype(one for one, held in self._by_object.items() if held)
        return painted(layers, box or (0, 0, *self.size), overlaps, dtype)

    def put(self, key: MaskKey, mask: StoredMask) -> MaskChange:
        """Keep a mask, in place of an earlier one; return the change.

        Raises
        ------
        StackError
            If there is no such frame, or the mask reaches out of it.
        """
        self._check(*key, mask)
        return self._set(key, mask)

    def _check(self, object_id: int, frame: int, mask: StoredMask) -> None:
        """Return nothing if a mask has a place in the movie."""
        if not 0 <= frame < self.frame_count:
            raise StackError(f"object {object_id}, frame {frame}: the movie has frames 0 to {self.frame_count - 1}.")
        y0, x0, (height, width) = mask.y0, mask.x0, mask.shape
        if y0 < 0 or x0 < 0 or y0 + height > self.size[0] or x0 + width > self.size[1]:
            raise StackError(
                f"object {object_id}, frame {frame}: the mask's box {mask.box_yx} (y0, x0, y1, x1) reaches out of the "
                f"frame, which is {self.size[0]} high and {self.size[1]} wide."
            )

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

    def _set(self, key: MaskKey, mask: StoredMask | None) -> MaskChange:
        object_id, frame = key
        before = self.get(key)
        self._revisions[object_id] = self._revisions.get(object_id, 0) + 1
        if mask is not None:
            self._own(object_id)[frame] = mask
            self._by_frame.setdefault(frame, {})[object_id] = mask
        elif before is not None:
            del self._own(object_id)[frame]
            del self._by_frame[frame][object_id]
        codes = self._codes.get(object_id)
        if codes is None:
            codes = self._codes[object_id] = np.zeros(self.frame_count, dtype=np.uint8)
        codes[frame] = 0 if mask is None else mask.status.code
        return MaskChange(key, before, mask)

    def _own(self, object_id: int) -> dict[int, StoredMask]:
        """Return the masks of an object by frame, to be changed; an object that lost all its masks keeps its place."""
        frames = self._by_object.get(object_id, {})
        if object_id in self._shared or object_id not in self._by_object:
            frames = self._by_object[object_id] = dict(frames)
            self._shared.discard(object_id)
        return frames


def _check_two(first: int, second: int) -> None:
    if first == second:
        raise PromptError(f"object {first} was given twice; choose two different ones.")
