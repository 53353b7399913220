"""What an object remembers in a predictor's state, put in such order that a run depends on its own leg only.

A bank keeps what was tracked last on each frame, whichever way the run went. `only` hides from a run what the other
direction or an outdated run left there, and `Base` brings back the tracked mask that a correction refined, when the
correction is taken back. A state that keeps no banks, as that of a stand-in, is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


def tracked_object(state: Any, object_id: int) -> Any | None:
    """Return what the state, or that of the object's window, knows of an object; None where it keeps nothing."""
    views = getattr(state, "views", None)
    if views is not None:
        if object_id not in views:
            return None
        state = views[object_id].state
    return getattr(state, "objects", {}).get(object_id)


def home(state: Any, object_id: int) -> Any | None:
    """Return what stays the same as long as an object's memory is kept in one place: its window, if it has one."""
    views = getattr(state, "views", {})
    return views[object_id].source if object_id in views else None


def leave_window(state: Any, object_id: int, frame: int) -> None:
    """Let the next prompt on a frame place the object's window there anew, if no other object looks through it."""
    views = getattr(state, "views", {})
    if object_id in views and len(getattr(views[object_id].state, "obj_ids", ())) == 1:
        views[object_id].leave(frame)


def forget_visit(state: Any, object_id: int, frame: int) -> None:
    """Let a prompt on a frame mean what it means before any run came by: no memory of other frames goes into it."""
    tracked = tracked_object(state, object_id)
    if tracked is not None:
        tracked.bank.direction.pop(frame, None)


def put_in_order(state: Any) -> None:
    """Have the objects of a state, and of the views of windows, by ascending id, in which they go through the model."""
    views = getattr(state, "views", {})
    for inner in {id(view.state): view.state for view in views.values()}.values() if views else [state]:
        objects = getattr(inner, "objects", {})
        ordered = sorted(objects.items())
        if list(objects) != [object_id for object_id, _ in ordered]:
            objects.clear()
            objects.update(ordered)


def score(state: Any, object_id: int, frame: int, present: bool) -> float:
    """Return the object score logit on a frame; 10 or -10 by `present` where the state does not tell."""
    tracked = tracked_object(state, object_id)
    entry = None if tracked is None else tracked.seen(frame)
    return (10.0 if present else -10.0) if entry is None else float(entry.object_score_logits)


@contextmanager
def only(state: Any, object_ids: Iterable[int], is_valid: Callable[[int, int], bool]) -> Iterator[None]:
    """Let the objects remember only tracked frames for which `is_valid(object_id, frame)`, prompted ones by frame.

    What was hidden comes back behind it, unless the frame was tracked anew.
    """
    hidden: list[tuple[Any, dict[int, Any]]] = []
    for object_id in object_ids:
        tracked = tracked_object(state, object_id)
        if tracked is None:
            continue
        bank = tracked.bank
        ordered = sorted(bank.conditioning.items())
        bank.conditioning.clear()
        bank.conditioning.update(ordered)
        frames = [frame for frame in bank.tracked if not is_valid(object_id, frame)]
        hidden.append((bank, {frame: bank.tracked.pop(frame) for frame in frames}))
    try:
        yield
    finally:
        for bank, entries in hidden:
            for frame, entry in entries.items():
                if frame not in bank.conditioning:
                    bank.tracked.setdefault(frame, entry)


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """The tracked mask that a first prompt on a frame refines."""

    bank: Any
    entry: Any
    reverse: bool

    @classmethod
    def of(cls, state: Any, object_id: int, frame: int) -> Base | None:
        """Return what was tracked on the frame, None where nothing was."""
        tracked = tracked_object(state, object_id)
        entry = None if tracked is None else tracked.bank.tracked.get(frame)
        if tracked is None or entry is None:
            return None
        return cls(tracked.bank, entry, bool(tracked.bank.direction.get(frame, False)))

    def put_back(self, state: Any, object_id: int, frame: int) -> None:
        """Let the frame be tracked as it was, if the object's memory is still the same one."""
        tracked = tracked_object(state, object_id)
        if tracked is not None and tracked.bank is self.bank:
            self.bank.tracked[frame] = self.entry
            self.bank.direction[frame] = self.reverse
