"""What the lane is asked to do, as values: show the masks of prompts, carry masks along the movie, find, or link.

A job carries the document that it starts with and goes on with it whatever is edited meanwhile. `span_plan` makes the
spans of a job; `engine` runs it. Nothing here touches an image or a model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from napari_sam2.document.document import Document, PromptKey
from napari_sam2.document.plain_values import number, whole_numbers
from napari_sam2.document.proposals import Proposal
from napari_sam2.engine.known_objects import KnownObjects
from napari_sam2.linking import LinkingOptions
from napari_sam2.masks.stored_masks import StoredMask
from sam2_core.errors import PromptError, StackError

Json: TypeAlias = Any
"""What JSON can hold."""
LEAST_SCORE = 0.4
"""Score from which on what is found counts where nobody says: that of `sam2_core.finding`, chosen on known data."""
LEAST_LINKED_SCORE = 0.15
"""The same where all of it is linked: what is missed costs more than what is too much (chosen on T98G)."""
Leg: TypeAlias = Literal["forward", "backward"]
Direction: TypeAlias = Literal["forward", "backward", "both"]


@dataclass(frozen=True, slots=True)
class PropagateRequest:
    """What a person asks for.

    Attributes
    ----------
    direction
        "forward", "backward" or "both" from the prompts.
    frames
        Frames whose masks are wanted, ascending; all where None.
    object_ids
        For whom; all that have prompts where None. Locked ones are left out either way.
    only_stale
        Only what is stale or was never reached; all of it again from scratch where False.
    until_next_prompt
        Each object stops before the first prompted frame that it comes to behind the first of `frames`.
    """

    direction: Direction = "both"
    frames: range | None = None
    object_ids: tuple[int, ...] | None = None
    only_stale: bool = True
    until_next_prompt: bool = False

    def __post_init__(self) -> None:
        ways = get_args(Direction)
        if self.direction not in ways:
            raise PromptError(f"the direction {self.direction!r} cannot be used; choose one of {list(ways)}.")
        frames: object = self.frames  # a script may give a list
        if frames is not None and not (isinstance(frames, range) and frames.step == 1):
            raise PromptError(f"the frames {frames!s:.60} cannot be used; give a range, for example range(0, 10).")


@dataclass(frozen=True, slots=True)
class Span:
    """Frames on which one object is decided in one leg.

    Attributes
    ----------
    anchor
        Prompted frame with which the leg of the object begins.
    frames
        Frames that are wanted, in the order of the leg; consecutive, not empty.
    """

    leg: Leg
    object_id: int
    anchor: int
    frames: range

    def to_json(self) -> list[Json]:
        """Return it as JSON can hold it."""
        frames = self.frames
        return [self.leg, *map(int, (self.object_id, self.anchor, frames.start, frames.stop, frames.step))]

    @classmethod
    def from_json(cls, entry: list[Json]) -> Span:
        """Return what `to_json` wrote; a ValueError or TypeError where that is something else."""
        leg, object_id, anchor, start, stop, step = entry
        if leg not in get_args(Leg):
            raise ValueError(f"there is no leg {leg!r}")
        return cls(leg, int(object_id), int(anchor), range(start, stop, step))


@dataclass(frozen=True, slots=True, eq=False)
class PreviewJob:
    """Bring the masks of prompts to what the document says; `total` of its updates counts those that are asked.

    Attributes
    ----------
    known
        Masks of prompts that only take away, for an engine that does not know what they take away from.
    unshown
        Keys whose masks are wanted, although the engine may know their prompts; others of their objects go with them.
    first
        Objects whose masks are wanted before those of others.
    """

    document: Document
    revision: int
    known: Mapping[PromptKey, StoredMask] = field(default_factory=dict)
    unshown: frozenset[PromptKey] = frozenset()
    first: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class PropagateJob:
    """Bring the prompts' masks up to date, then carry the objects along their spans.

    Attributes
    ----------
    spans
        What the request comes to, given which masks there are.
    resumes
        Whether it goes on with a run that was interrupted, instead of beginning one.
    known, unshown
        See `PreviewJob`.
    diameter_px
        Of a typical object, as far as prompts and their masks tell when the run begins.
    is_aside
        Whether its document is one of its own, made for this job: it is no run of the session that could be resumed.
    """

    document: Document
    revision: int
    request: PropagateRequest
    spans: tuple[Span, ...] = ()
    resumes: bool = False
    known: Mapping[PromptKey, StoredMask] = field(default_factory=dict)
    unshown: frozenset[PromptKey] = frozenset()
    diameter_px: float | None = None
    is_aside: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do: nothing is stale or missing, or all of it is locked."""
        return not self.spans and not self.unshown


Job = PreviewJob | PropagateJob


@dataclass(frozen=True, slots=True, eq=False)
class FindRequest:
    """Which objects a person wants found, without a click.

    Attributes
    ----------
    frames
        On which frames, in this order.
    diameter_px
        Of a typical object, in pixels; None where the program is to find out.
    min_diameter_px, max_diameter_px
        Smaller and larger ones are left out.
    region
        (H, W) bool: only objects there; the whole frame where None.
    keep_border
        Whether objects that touch the border of the frame count.
    min_score
        Less sure ones are left out; 0 to 1, see `LEAST_SCORE`.
    processes
        How many look at frames at once, with a copy of the model each (`found_apart`); what is found is the same.
    """

    frames: tuple[int, ...] = (0,)
    diameter_px: float | None = None
    min_diameter_px: float | None = None
    max_diameter_px: float | None = None
    region: NDArray[np.bool_] | None = None
    keep_border: bool = True
    min_score: float = 0.0
    processes: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "frames", tuple(whole_numbers(self.frames, "frame")))
        for name in ("diameter_px", "min_diameter_px", "max_diameter_px", "min_score"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else number(value, name))


@dataclass(frozen=True, slots=True, eq=False)
class FindJob:
    """Find the objects of some frames; `revision` says for which settings, `source` who finds."""

    revision: int
    request: FindRequest
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class LinkJob:
    """Link proposals of many frames to tracks; no model is needed.

    Attributes
    ----------
    proposals
        Number -> proposal, as they are when it is asked for.
    frames
        Numbers of those that are linked, for each frame of the movie.
    known
        Objects that are there and may be carried on.
    sought
        From the first to the last frame on which objects were sought.
    """

    revision: int
    proposals: Mapping[int, Proposal]
    frames: tuple[tuple[int, ...], ...]
    options: LinkingOptions
    known: KnownObjects
    sought: range


AnyJob = Job | FindJob | LinkJob


class CancelToken:
    """A wish to stop, seen by the job before the next frame or prompt; may be set from any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the job to stop."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether it was asked for."""
        return self._event.is_set()


class OneOfSeveral(CancelToken):
    """The token of one job of several, which all stop when something else says so; the session sets it at its end."""

    def __init__(self, all_stop: Callable[[], bool]) -> None:
        super().__init__()
        self._all_stop = all_stop

    @property
    def cancelled(self) -> bool:
        """Whether this one is to stop, or all."""
        return self._all_stop() or super().cancelled


def checked_range(frame_count: int, start: int | None, stop: int | None) -> range:
    """Return the frames `start` to `stop` - 1 of a movie.

    Raises
    ------
    StackError
        If the range is empty or leaves the movie.
    """
    first, behind = 0 if start is None else start, frame_count if stop is None else stop
    if not 0 <= first < behind <= frame_count:
        raise StackError(
            f"Frames {first} to {behind} (the last one not included) cannot be tracked; the stack has {frame_count} "
            f"frames, so --start may be 0 to {frame_count - 1} and --stop up to {frame_count}."
        )
    return range(first, behind)
