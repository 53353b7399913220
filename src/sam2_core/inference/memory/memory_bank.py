"""What one object remembers, and which of it a frame looks at.

A `MemoryBank` holds entries of two kinds: conditioning frames, which a person prompted, and tracked frames.
`select_memories` decides by frame numbers alone which entries a frame attends to; it knows no tensors. Entries of
tracked frames that lie far back are packed: they keep the mask at one bit a pixel and the object pointer, and can be
made whole again by encoding the frame once more (`frame_step`).

Source of the selection: ``_prepare_memory_conditioned_features`` in ``sam2/modeling/sam2_base.py`` and
``select_closest_cond_frames`` in ``sam2/modeling/sam2_utils.py`` (facebookresearch/sam2, 2b90b9f).
"""

from __future__ import annotations

import dataclasses
import zlib
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

PACKED_LOGIT = 10.0
"""The size of a logit that was packed to one bit."""
_LEVEL = 1  # of zlib: outlines are short, more effort gains little


@dataclass(frozen=True, slots=True)
class PackedMask:
    """A mask of one bit a pixel, deflated: 8 kB of a model at 1024 px become a few hundred bytes."""

    deflated: bytes
    size: tuple[int, int]

    @classmethod
    def of_bits(cls, bits: bytes, size: tuple[int, int]) -> PackedMask:
        """Return the mask whose rows lie behind one another in `bits`."""
        return cls(zlib.compress(bits, _LEVEL), size)

    @property
    def bits(self) -> bytes:
        """Eight pixels a byte, row behind row."""
        return zlib.decompress(self.deflated)

    @classmethod
    def pack(cls, logits: Tensor) -> PackedMask:
        """Return the packed sign of (1, h, w) logits."""
        return cls.pack_all([logits])[0]

    @classmethod
    def pack_all(cls, logits: Sequence[Tensor]) -> list[PackedMask]:
        """Return the packed sign of each (1, h, w) logits; they come from their device in one go."""
        if not logits:
            return []
        inside = torch.cat([plane > 0 for plane in logits]).cpu().numpy()  # (O, h, w)
        return [cls.of_bits(np.packbits(plane).tobytes(), (plane.shape[0], plane.shape[1])) for plane in inside]

    def logits(self) -> Tensor:
        """Return (1, h, w) float32: ``PACKED_LOGIT`` inside, its negative outside."""
        count = self.size[0] * self.size[1]
        inside = np.unpackbits(np.frombuffer(self.bits, dtype=np.uint8), count=count).reshape(1, *self.size)
        return torch.from_numpy(inside.astype(np.float32) * (2 * PACKED_LOGIT) - PACKED_LOGIT)


@dataclass(frozen=True, slots=True)
class MemoryEntry:
    """One object on one frame.

    Attributes
    ----------
    mask
        (1, S/4, S/4) float32 logits, or their packed sign.
    object_pointer
        (C,).
    object_score_logits
        (1,), above 0 where the object is there.
    memory_features
        (mem_dim, S/16, S/16), or None as long as nothing needs them.
    """

    mask: Tensor | PackedMask
    object_pointer: Tensor
    object_score_logits: Tensor
    memory_features: Tensor | None = None

    @property
    def low_res_logits(self) -> Tensor:
        """(1, S/4, S/4) float32."""
        return self.mask.logits() if isinstance(self.mask, PackedMask) else self.mask

    def packed(self) -> MemoryEntry:
        """Return the entry without what can be computed again."""
        return self if isinstance(self.mask, PackedMask) else self.with_packed(PackedMask.pack(self.mask))

    def with_packed(self, mask: PackedMask) -> MemoryEntry:
        """Return the entry with its mask packed, and without what can be computed again."""
        return dataclasses.replace(self, mask=mask, memory_features=None)

    def __deepcopy__(self, memo: object) -> MemoryEntry:
        return self  # nothing changes one


class MemoryBank:
    """The entries of one object.

    Attributes
    ----------
    conditioning, tracked
        Entries by frame index, in the order in which they were made; prompted ones by frame from `sort_prompted` on.
    direction
        For every frame that a propagation passed: whether it went backward.
    recent
        Tracked frames that are kept in full, in the order in which they were recorded; one may be there twice.
    """

    def __init__(self, keep_tracked_frames: int | None = None) -> None:
        self.conditioning: dict[int, MemoryEntry] = {}
        self.tracked: dict[int, MemoryEntry] = {}
        self.direction: dict[int, bool] = {}
        self._keep = keep_tracked_frames
        self._is_sorted = False
        self.recent: deque[int] = deque()

    def entry(self, frame: int) -> MemoryEntry | None:
        """Return what is known of a frame, the conditioning entry first."""
        return self.conditioning.get(frame) or self.tracked.get(frame)

    def condition(self, frame: int, entry: MemoryEntry) -> None:
        """Make a frame a conditioning frame."""
        self.conditioning[frame] = entry
        self.tracked.pop(frame, None)
        if self._is_sorted:
            self.sort_prompted()

    def sort_prompted(self) -> None:
        """Have the conditioning frames by frame from now on, also those that come: sums depend on their order."""
        self._is_sorted = True
        prompted = sorted(self.conditioning.items())
        self.conditioning.clear()
        self.conditioning.update(prompted)

    def track(self, frame: int, entry: MemoryEntry) -> None:
        """Record a tracked frame, and pack the one that was recorded longest ago when there are too many in full."""
        track_together(frame, [(self, entry)])

    def _record(self, frame: int, entry: MemoryEntry) -> list[int]:
        """Record a tracked frame; return those that need no longer be kept in full and are."""
        self.tracked[frame] = entry
        if self._keep is None:
            return []
        self.recent.append(frame)
        passed = [self.recent.popleft() for _ in range(len(self.recent) - self._keep)]
        known = {old: self.tracked[old] for old in passed if old in self.tracked and old not in self.recent}
        return [old for old, entry in known.items() if isinstance(entry.mask, Tensor)]

    def packed_but(self, count: int) -> dict[int, MemoryEntry]:
        """Return the tracked entries, all packed but those of the frames recorded last, `count` of them."""
        newest = list(dict.fromkeys(reversed(self.recent)))[:count]
        return {frame: entry if frame in newest else entry.packed() for frame, entry in self.tracked.items()}

    def forget(self, frame: int) -> None:
        """Drop everything about a frame."""
        self.conditioning.pop(frame, None)
        self.tracked.pop(frame, None)
        self.direction.pop(frame, None)

    def reaches(self, frame: int, reverse: bool) -> bool:
        """Return whether a propagation in that direction has met a prompt of the object by this frame."""
        return any(known >= frame if reverse else known <= frame for known in self.conditioning)


def track_together(frame: int, entries: Iterable[tuple[MemoryBank, MemoryEntry]]) -> None:
    """Record what several objects looked like on a tracked frame; what is packed for it leaves the device in one go."""
    overdue = [(bank, old) for bank, entry in entries for old in bank._record(frame, entry)]
    whole = [bank.tracked[old] for bank, old in overdue]
    masks = PackedMask.pack_all([entry.low_res_logits for entry in whole])
    for (bank, old), entry, mask in zip(overdue, whole, masks, strict=True):
        bank.tracked[old] = entry.with_packed(mask)


@dataclass(frozen=True, slots=True)
class SelectionRule:
    """How much of the past is looked at.

    Attributes
    ----------
    num_maskmem
        1 for the conditioning frames, and the number of tracked frames.
    max_pointers
        Frames that object pointers may span, this one included.
    max_conditioning_frames, keeps_first, corrections_supersede
        See `sam2_core.inference.semantics.Semantics`.
    memory_stride
        See `sam2_core.config.ModelConfig`.
    """

    num_maskmem: int = 7
    max_pointers: int = 16
    max_conditioning_frames: int | None = None
    keeps_first: bool = False
    corrections_supersede: bool = False
    memory_stride: int = 1

    def frame_at(self, age: int, frame: int, reverse: bool) -> int:
        """Return the tracked frame that is looked at as the newest (age 1), the second newest, ..."""
        direction, stride = (1 if reverse else -1), self.memory_stride
        if age == 1:
            return frame + direction
        nearest = -(-(frame + 2) // stride) if reverse else (frame - 2) // stride
        return (nearest + direction * (age - 2)) * stride


@dataclass(frozen=True, slots=True)
class Selection:
    """What a frame attends to.

    Attributes
    ----------
    spatial
        (frame, slot) of each spatial memory; the slot is a row of ``maskmem_tpos_enc``: the last for a conditioning
        frame, 0 for the newest tracked one.
    pointers
        (frame, distance) of each object pointer, positive in the past as the tracking sees it.
    """

    spatial: tuple[tuple[int, int], ...]
    pointers: tuple[tuple[int, int], ...]

    @property
    def layout(self) -> tuple[object, ...]:
        """What the memories of objects that go as one batch have in common."""
        return tuple(slot for _, slot in self.spatial), len(self.pointers)

    def is_full(self, rule: SelectionRule) -> bool:
        """Return whether each tracked frame that could be looked at is there: then sizes depend on prompts alone."""
        prompted = {frame for frame, slot in self.spatial if slot == rule.num_maskmem - 1}
        pointers = sum(frame not in prompted for frame, _ in self.pointers)
        return (len(self.spatial) - len(prompted), pointers) == (rule.num_maskmem - 1, rule.max_pointers - 1)


def select_memories(
    conditioning: Collection[int], tracked: Collection[int], frame: int, reverse: bool, rule: SelectionRule
) -> Selection:
    """Return which of the remembered frames a frame attends to, oldest tracked frame first; in reverse the past lies
    ahead.
    """
    chosen = select_conditioning(conditioning, frame, rule)
    if rule.corrections_supersede:
        tracked = _behind_corrections(conditioning, tracked, frame, reverse)
    rest = {*tracked, *conditioning} - set(chosen)
    step = 1 if reverse else -1
    last = rule.num_maskmem - 1
    spatial = [(known, last) for known in chosen]
    old = ((rule.frame_at(age, frame, reverse), age - 1) for age in range(last, 0, -1))
    spatial += [(known, slot) for known, slot in old if known in rest]
    past = [known for known in chosen if (known >= frame if reverse else known <= frame)]
    pointers = [(known, (frame - known) * -step) for known in past]
    pointers += [(frame + step * age, age) for age in range(1, rule.max_pointers) if frame + step * age in rest]
    return Selection(tuple(spatial), tuple(pointers))


def _behind_corrections(
    conditioning: Collection[int], tracked: Collection[int], frame: int, reverse: bool
) -> Collection[int]:
    """Return the tracked frames that lie behind the last prompt that was passed; all where there is but one prompt."""
    if len(conditioning) < 2:
        return tracked
    if reverse:
        last = min((one for one in conditioning if one >= frame), default=None)
        return tracked if last in (None, max(conditioning)) else [one for one in tracked if one < last]
    last = max((one for one in conditioning if one <= frame), default=None)
    return tracked if last in (None, min(conditioning)) else [one for one in tracked if one > last]


def select_conditioning(conditioning: Collection[int], frame: int, rule: SelectionRule) -> list[int]:
    """Return the conditioning frames that are looked at, in the order in which they were made where all are.

    When there are too many: the nearest before and the nearest after (official), or the first (interactive), then the
    nearest.
    """
    limit = rule.max_conditioning_frames
    known = list(conditioning)
    if limit is None or len(known) <= limit:
        return known
    before = max((other for other in known if other < frame), default=None)
    after = min((other for other in known if other >= frame), default=None)
    chosen = [min(known)] if rule.keeps_first else [other for other in (before, after) if other is not None]
    remaining = sorted((other for other in known if other not in chosen), key=lambda other: abs(other - frame))
    return chosen + remaining[: limit - len(chosen)]
