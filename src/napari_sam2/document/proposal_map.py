"""Proposals by number, immutable, and which are on a frame: an edit of one frame leaves the others alone.

So what is proposed on one more frame costs as much in a movie of 1000 frames as in one of 10 (see `shared_map`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from napari_sam2.document.proposals import Proposal
from napari_sam2.document.shared_map import SharedMap


class ProposalMap(Mapping[int, Proposal]):
    """Number -> proposal, ascending.

    Parameters
    ----------
    by_number
        All of them.
    on_frames
        Frame -> numbers of those on it, ascending; no frame without any.
    """

    __slots__ = ("_by_number", "_on_frames")

    def __init__(self, by_number: SharedMap[Proposal], on_frames: SharedMap[tuple[int, ...]]) -> None:
        self._by_number = by_number
        self._on_frames = on_frames

    @classmethod
    def of(cls, proposals: Mapping[int, Proposal]) -> ProposalMap:
        """Return the map of proposals by number, in any order."""
        return proposals if isinstance(proposals, cls) else cls(SharedMap({}, 0), SharedMap({}, 0)).changed(proposals)

    def __getitem__(self, number: int) -> Proposal:
        return self._by_number[number]

    def get(self, number: int, default: Any = None) -> Any:
        """Return the proposal of a number, without the exception that `Mapping` raises for a missing one."""
        return self._by_number.get(number, default)

    def __contains__(self, number: object) -> bool:
        return number in self._by_number

    def __iter__(self) -> Iterator[int]:
        return iter(self._by_number)

    def __len__(self) -> int:
        return len(self._by_number)

    def on_frame(self, frame: int) -> dict[int, Proposal]:
        """Return the proposals of a frame by number, ascending; empty without any."""
        return {number: self._by_number[number] for number in self._on_frames.get(frame, ())}

    def frames(self) -> list[int]:
        """Return the frames that have proposals, ascending."""
        return list(self._on_frames)

    def changed(self, changes: Mapping[int, Proposal | None]) -> ProposalMap:
        """Return the map after changes; None takes a proposal away, if it is there."""
        touched: dict[int, set[int]] = {}

        def on(frame: int) -> set[int]:
            return touched.setdefault(frame, set(self._on_frames.get(frame, ())))

        for number, one in changes.items():
            before = self._by_number.get(number)
            if before is not None:
                on(before.frame).discard(number)
            if one is not None:
                on(one.frame).add(number)
        frames = {frame: tuple(sorted(numbers)) or None for frame, numbers in touched.items()}
        return ProposalMap(self._by_number.changed(changes), self._on_frames.changed(frames))

    def differing(self, other: ProposalMap) -> list[int]:
        """Return the numbers, ascending, whose proposals are here and are other ones there, or none."""
        return self._by_number.differing(other._by_number)

    def last(self) -> int:
        """Return the highest number, 0 without proposals."""
        return self._by_number.last() or 0
