"""One mask as it is kept: its box, its logits in a byte per pixel, compressed, and where it comes from.

A 60 px cell takes a few hundred bytes to a few kB, so 100 objects on 1000 frames stay in memory. What is kept of the
logits is what overlaps are decided by: quarters, up to 31.75, above 0 only. The mask itself is kept exactly.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from napari_sam2.document.prompt_parts import Mask
from sam2_core.errors import PromptError

MaskKey = tuple[int, int]
"""(object_id, frame)."""
Array = np.ndarray[Any, Any]
"""Labels, masks, logits or codes, as the words around it say."""

STEPS_PER_LOGIT = 4.0
LARGEST_CODE = 127
DRAWN_LOGIT = 10.0
"""Logit of a mask that came without any, and its score: what the model itself makes of a drawn mask."""


class MaskStatus(StrEnum):
    """Where a mask comes from, and whether it still holds."""

    prompted = "prompted"
    tracked = "tracked"
    edited = "edited"
    stale = "stale"
    absent = "absent"
    imported = "imported"
    found = "found"
    """Seen on this frame alone, without a prompt, and linked to those of other frames."""

    @property
    def is_evidence(self) -> bool:
        """Whether it stands without a prompt: no run made it, so none can make it again, and none replaces it."""
        return self in (MaskStatus.imported, MaskStatus.found)

    @property
    def is_said(self) -> bool:
        """Whether a person said it: by a prompt, or painted it."""
        return self in (MaskStatus.prompted, MaskStatus.edited)

    @property
    def is_made_by_run(self) -> bool:
        """Whether a run carried it here from another frame."""
        return self in (MaskStatus.tracked, MaskStatus.stale, MaskStatus.absent)

    @property
    def code(self) -> int:
        """Number for timelines, 1 or more; 0 means that there is no mask."""
        return _CODES[self]


_CODES = {status: code for code, status in enumerate(MaskStatus, start=1)}


@dataclass(frozen=True, slots=True)
class StoredMask:
    """The mask of one object on one frame; masks of equal content are equal.

    Attributes
    ----------
    y0, x0
        Upper left corner of the mask's box in the frame.
    shape
        (h, w) of the box; (0, 0) where the object is absent.
    packed
        zlib of (h, w) uint8: 4 * logit clipped to 1..127 in the mask, 0 outside.
    score
        Object score logit, > 0 where the model is sure that the object is there; `DRAWN_LOGIT`, or its negative, stands
        in where the model said none.
    leg
        "prompt", "forward" or "backward": what it was computed in.
    """

    y0: int
    x0: int
    shape: tuple[int, int]
    packed: bytes
    status: MaskStatus
    score: float
    leg: str

    @classmethod
    def of_logits(
        cls,
        y0: int,
        x0: int,
        logits: Array,
        status: MaskStatus = MaskStatus.tracked,
        score: float = DRAWN_LOGIT,
        leg: str = "prompt",
    ) -> StoredMask:
        """Return the mask of logits (h, w), > 0 inside, whose upper left pixel is (y0, x0) of the frame.

        Without a logit above 0 the object is absent, unless a person said so (status edited).
        """
        return cls._of_codes(y0, x0, encoded(logits), (status, score, leg))

    @classmethod
    def of_mask(cls, mask: Array, status: MaskStatus = MaskStatus.edited, leg: str = "prompt") -> StoredMask:
        """Return the mask of a whole frame (H, W) that came without logits."""
        codes = np.asarray(mask, dtype=bool) * np.uint8(DRAWN_LOGIT * STEPS_PER_LOGIT)
        return cls._of_codes(0, 0, codes, (status, DRAWN_LOGIT, leg))

    @classmethod
    def of_drawn(cls, mask: Mask, status: MaskStatus = MaskStatus.edited) -> StoredMask:
        """Return the mask that a prompt says."""
        if mask.is_empty:
            return cls.empty(status if status is MaskStatus.edited else MaskStatus.absent, DRAWN_LOGIT)
        codes = mask.inside * np.uint8(DRAWN_LOGIT * STEPS_PER_LOGIT)  # its box is as tight as ours
        packed = zlib.compress(codes.tobytes(), level=1)
        return cls(mask.y0, mask.x0, mask.shape, packed, status, DRAWN_LOGIT, "prompt")

    @classmethod
    def empty(
        cls, status: MaskStatus = MaskStatus.absent, score: float = -DRAWN_LOGIT, leg: str = "prompt"
    ) -> StoredMask:
        """Return what is kept for a frame that was looked at and does not show the object."""
        return cls(0, 0, (0, 0), b"", status, score, leg)

    @classmethod
    def united(cls, first: StoredMask, second: StoredMask) -> StoredMask:
        """Return the mask of both, with the higher logit at each pixel; what a person painted stays edited."""
        status = min(first.status, second.status, key=_STANDING.index)
        about = (status, max(first.score, second.score), first.leg)
        filled = [mask for mask in (first, second) if not mask.is_empty]
        if not filled:
            return cls.empty(*about)
        y0, x0 = min(mask.y0 for mask in filled), min(mask.x0 for mask in filled)
        y1, x1 = max(mask.y0 + mask.shape[0] for mask in filled), max(mask.x0 + mask.shape[1] for mask in filled)
        codes = np.zeros((y1 - y0, x1 - x0), dtype=np.uint8)
        for mask in filled:
            part = codes[mask.y0 - y0 : mask.y0 - y0 + mask.shape[0], mask.x0 - x0 : mask.x0 - x0 + mask.shape[1]]
            np.maximum(part, mask.codes(), out=part)
        return cls._of_codes(y0, x0, codes, about)

    @classmethod
    def _of_codes(cls, y0: int, x0: int, codes: Array, about: tuple[MaskStatus, float, str]) -> StoredMask:
        """Return the mask of codes (h, w), cropped to where they are above 0."""
        rows, columns = _extent(np.any(codes, axis=1)), _extent(np.any(codes, axis=0))
        if rows is None or columns is None:
            status, score, leg = about
            return cls.empty(status if status is MaskStatus.edited else MaskStatus.absent, score, leg)
        cropped = codes[rows, columns]
        packed = zlib.compress(cropped.tobytes(), level=1)
        return cls(y0 + rows.start, x0 + columns.start, cropped.shape, packed, *about)

    @property
    def is_empty(self) -> bool:
        """Whether it holds no pixel."""
        return not self.packed

    @property
    def model_score(self) -> float | None:
        """The score where the model said it: None of what was drawn, found or imported."""
        return None if abs(self.score) == DRAWN_LOGIT else self.score

    @property
    def rows(self) -> slice:
        """Rows of the frame that its box covers."""
        return slice(self.y0, self.y0 + self.shape[0])

    @property
    def columns(self) -> slice:
        """Columns of the frame that its box covers."""
        return slice(self.x0, self.x0 + self.shape[1])

    @property
    def box_yx(self) -> tuple[int, int, int, int]:
        """(y0, x0, y1, x1) of its box in the frame, ends not included."""
        return self.y0, self.x0, self.rows.stop, self.columns.stop

    def codes(self) -> Array:
        """Return the kept bytes, (h, w) uint8: `STEPS_PER_LOGIT` times the logits, 0 outside the mask; read-only."""
        if self.is_empty:
            return np.zeros(self.shape, dtype=np.uint8)
        return np.frombuffer(zlib.decompress(self.packed), dtype=np.uint8).reshape(self.shape)  # (h, w)

    def mask(self) -> Array:
        """Return the mask in its box, (h, w) bool."""
        return self.codes() > 0

    def placed(self, size: tuple[int, int]) -> Array:
        """Return the mask in its frame, (H, W) bool."""
        frame = np.zeros(size, dtype=bool)
        frame[self.rows, self.columns] = self.mask()
        return frame

    def drawn(self, size: tuple[int, int]) -> Mask:
        """Return the mask as a prompt says it, in a frame of a size (H, W)."""
        return Mask.in_box(size, self.y0, self.x0, self.mask())

    def with_status(self, status: MaskStatus) -> StoredMask:
        """Return the same mask with another status."""
        return replace(self, status=status)


_STANDING = (
    MaskStatus.edited,
    MaskStatus.prompted,
    MaskStatus.imported,
    MaskStatus.found,
    MaskStatus.stale,
    MaskStatus.tracked,
    MaskStatus.absent,
)


@dataclass(frozen=True, slots=True)
class MaskChange:
    """What happened to one mask of the store; None where there is none."""

    key: MaskKey
    before: StoredMask | None
    after: StoredMask | None


def are_other_masks(changes: Iterable[MaskChange]) -> bool:
    """Return whether some mask is another one behind changes than it was before the first of them."""
    before, after = dict[MaskKey, StoredMask | None](), dict[MaskKey, StoredMask | None]()
    for change in changes:
        before.setdefault(change.key, change.before)
        after[change.key] = change.after
    return before != after


def encoded(logits: Array) -> Array:
    """Return logits as they are kept, (h, w) uint8: 1..127 where they are above 0, else 0.

    Raises
    ------
    PromptError
        The logits are not a plane.
    """
    if logits.ndim != 2:
        raise PromptError(f"logits of a mask have shape {logits.shape}; give one plane (h, w).")
    codes = np.clip(logits * np.float32(STEPS_PER_LOGIT), 1, LARGEST_CODE)
    return np.where(logits > 0, codes, 0).astype(np.uint8)  # (h, w)


def frames_of(changes: Sequence[MaskChange]) -> dict[int, tuple[int, ...]]:
    """Return the frames that changes touch, each with its object ids, ascending."""
    touched: dict[int, set[int]] = {}
    for change in changes:
        object_id, frame = change.key
        touched.setdefault(frame, set()).add(object_id)
    return {frame: tuple(sorted(touched[frame])) for frame in sorted(touched)}


def _extent(used: Array) -> slice | None:
    """Return from the first to the last place that is used, or None."""
    places = np.flatnonzero(used)
    return slice(int(places[0]), int(places[-1]) + 1) if places.size else None
