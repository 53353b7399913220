"""Where a run goes: its direction, and the range of frames that it is asked for; `span_plan` makes spans of them."""

from __future__ import annotations

from typing import Literal

from sam2_core.errors import StackError

Direction = Literal["forward", "backward", "both"]


def checked_range(frame_count: int, start: int | None, stop: int | None) -> range:
    """Return the frames `start` to `stop` - 1 of a movie.

    Raises
    ------
    StackError
        If the range is empty or leaves the movie.
    """
    chosen = range(0 if start is None else start, frame_count if stop is None else stop)
    if len(chosen) == 0 or chosen.start < 0 or chosen.stop > frame_count:
        raise StackError(
            f"Frames {chosen.start} to {chosen.stop} (the last one not included) cannot be tracked; the stack has "
            f"{frame_count} frames, so --start may be 0 to {frame_count - 1} and --stop up to {frame_count}."
        )
    return chosen
