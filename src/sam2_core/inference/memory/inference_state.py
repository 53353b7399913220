"""All that is known of one stack while it is tracked: frames, image features, and of each object its prompts and its
memory.

A state belongs to one predictor and is handed to each of its calls, as in the official interface. It holds no weights
and computes nothing. Prompts are the truth in it; everything else can be made again from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch

from sam2_core.errors import PromptError, TooEarlyError
from sam2_core.inference.features import FeatureStore
from sam2_core.inference.frames.opened_frames import OpenedFrames
from sam2_core.inference.memory.memory_bank import MemoryBank, MemoryEntry
from sam2_core.inference.memory.selection import Selected
from sam2_core.inference.prompt_inputs import MaskPrompt, PointPrompt
from sam2_core.whole_numbers import plain_id, whole_number

Shift = Callable[[int, int], tuple[float, float]]
"""By which shares of height and width what one frame shows is moved to lie where it is expected on another."""


@dataclass(frozen=True, slots=True)
class PendingEntry:
    """The answer to a prompt, its memory not encoded yet, and whether it will condition."""

    entry: MemoryEntry
    conditions: bool


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """What a run left on a frame: the entry that a first prompt there refines, and whether the run went backward."""

    bank: MemoryBank
    entry: MemoryEntry
    reverse: bool


@dataclass(slots=True)
class TrackedObject:
    """One object: what a person said of it, what the model answered since the last propagation, and what it remembers.

    Attributes
    ----------
    prompts
        By frame index.
    pending
        Answers that no propagation has taken up yet, by frame and whether they will condition. Officially there are
        both where a run passed a frame between two prompts on it.
    outdated
        (frame, whether backward): masks behind the frame in that direction are from before its prompts were changed.
    """

    bank: MemoryBank
    prompts: dict[int, PointPrompt | MaskPrompt] = field(default_factory=dict)
    pending: dict[tuple[int, bool], MemoryEntry] = field(default_factory=dict)
    outdated: set[tuple[int, bool]] = field(default_factory=set)

    def prompts_changed(self, frame: int) -> None:
        """Note that masks behind a frame are outdated, in both directions."""
        self.outdated |= {(frame, False), (frame, True)}

    def seen(self, frame: int, conditions: bool | None = None) -> MemoryEntry | None:
        """Return the newest entry of a frame; ``conditions`` restricts which pending answers count (official)."""
        kinds = (False, True) if conditions is None else (conditions,)
        waiting = (self.pending.get((frame, kind)) for kind in kinds)
        return next((entry for entry in waiting if entry is not None), None) or self.bank.entry(frame)

    def drop_pending(self, frame: int) -> None:
        """Forget what was answered on a frame since the last propagation."""
        for conditions in (False, True):
            self.pending.pop((frame, conditions), None)

    def score(self, frame: int) -> float | None:
        """Return the object score logit on a frame, above 0 where the object is there; None where nothing is known."""
        entry = self.seen(frame)
        return None if entry is None else float(entry.object_score_logits)

    def visit(self, frame: int) -> Visit | None:
        """Return what a run left on a frame, None where no run came by or the frame conditions."""
        entry = self.bank.tracked.get(frame)
        return None if entry is None else Visit(self.bank, entry, self.bank.direction.get(frame, False))

    def forget_visit(self, frame: int) -> None:
        """Let a prompt on a frame mean what it means before any run came by: no memory of other frames goes into it."""
        self.bank.direction.pop(frame, None)

    @contextmanager
    def remembering(self, holds: Callable[[int], bool]) -> Iterator[None]:
        """Remember, in the body, only tracked frames that hold, and prompted ones by frame, however they were made.

        So a run depends on its own direction only. What was hidden comes back behind it, unless the frame was tracked
        or prompted anew.
        """
        bank = self.bank
        bank.sort_prompted()
        hidden = {frame: bank.tracked.pop(frame) for frame in list(bank.tracked) if not holds(frame)}
        try:
            yield
        finally:
            for frame, entry in hidden.items():
                if frame not in bank.conditioning:
                    bank.tracked.setdefault(frame, entry)


class InferenceState(Mapping[str, Any]):
    """One stack and its objects; as a mapping, what official scripts read of it (`__getitem__`).

    `copy.deepcopy` gives a state of its own: what is known of objects is copied, frames and image features are shared.

    Attributes
    ----------
    objects
        By object id, in the order in which they were added.
    storage_device
        Where memories and masks are kept.
    shift
        How far memories are moved before they are looked at; None where all frames show the same place.
    """

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __init__(
        self, frames: OpenedFrames, features: FeatureStore, storage_device: torch.device, shift: Shift | None = None
    ) -> None:
        self.frames = frames
        self.features = features
        self.storage_device = storage_device
        self.shift = shift
        self.objects: MutableMapping[int, TrackedObject] = {}

    def select(self, object_ids: Iterable[int]) -> InferenceState:
        """Return a state that sees only these objects: the same ones, over the same frames and image features.

        Prompts and propagations on it touch and return only them. An object that is new is also new in this state; one
        that is removed there is removed here. Ids that have no object yet are allowed.
        """
        part = InferenceState(self.frames, self.features, self.storage_device, self.shift)
        part.objects = Selected(self.objects, object_ids)
        return part

    @property
    def num_frames(self) -> int:
        """Length of the stack."""
        return len(self.frames)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of a frame."""
        return self.frames.height, self.frames.width

    @property
    def obj_ids(self) -> list[int]:
        """Object ids in the order in which they were added; a new list each time."""
        return list(self.objects)

    def __getitem__(self, key: str) -> Any:
        """Return what official scripts read: sizes, the frames as they are stored (``images``), and of the objects ids,
        their places, and which frames were passed; a value of this moment.

        Raises
        ------
        KeyError
            Any other key; the message lists those there are.
        """
        if key not in _OFFICIAL:
            raise KeyError(f"{key!r} is not kept here; an inference state answers {', '.join(_OFFICIAL)}")
        return _OFFICIAL[key](self)

    def __iter__(self) -> Iterator[str]:
        return iter(_OFFICIAL)

    def __len__(self) -> int:
        return len(_OFFICIAL)

    def __deepcopy__(self, memo: dict[int, Any]) -> InferenceState:
        other = InferenceState(self.frames, self.features, self.storage_device, self.shift)
        other.objects = deepcopy(self.objects, memo)
        return other

    def check_frame(self, frame: int) -> int:
        """Return the frame index as a plain integer.

        Raises
        ------
        PromptError
            There is no such frame.
        """
        return checked_frame(frame, self.num_frames)

    def find_object(self, object_id: int) -> TrackedObject:
        """Return an object.

        Raises
        ------
        PromptError
            There is no object of that id; the message lists those there are.
        """
        if object_id not in self.objects:
            raise TooEarlyError(
                f"object {object_id} does not exist; there are {self.obj_ids or 'none yet'}: add a prompt for it first"
            )
        return self.objects[object_id]

    def rename_object(self, object_id: int, new_id: int) -> None:
        """Give an object another id; it goes behind all others."""
        self.objects[new_id] = self.objects.pop(object_id)

    def memory_of(self, object_id: int) -> TrackedObject | None:
        """Return an object, None where there is none of that id."""
        return self.objects.get(object_id)

    def put_back(self, object_id: int, frame: int, visit: Visit | None) -> None:
        """Let a frame whose prompts were taken back be tracked as a run had left it, if one had, in the same memory."""
        tracked = self.memory_of(object_id)
        if tracked is not None and visit is not None and tracked.bank is visit.bank:
            visit.bank.tracked[frame] = visit.entry
            visit.bank.direction[frame] = visit.reverse

    def sort_objects(self) -> None:
        """Have the objects by ascending id; in that order they go through the model, whoever came first."""
        ordered = sorted(self.objects.items())
        if list(self.objects) != [object_id for object_id, _ in ordered]:
            self.objects.clear()
            self.objects.update(ordered)

    def clear(self) -> None:
        """Forget all objects and prompts; frames and image features stay."""
        self.objects.clear()


def checked_frame(frame: object, num_frames: int) -> int:
    """Return the index of a frame as a plain integer.

    Raises
    ------
    PromptError
        A stack of that many frames has no such frame.
    """
    number = whole_number(frame, "frame")
    if not 0 <= number < num_frames:
        raise PromptError(f"frame {number} does not exist: the stack has frames 0 to {num_frames - 1}")
    return number


def checked_place(frame: object, object_id: object, num_frames: int) -> tuple[int, int]:
    """Return frame and object id of a call as plain integers; see `checked_frame`."""
    return checked_frame(frame, num_frames), plain_id(object_id)


def _passed(tracked: TrackedObject) -> dict[int, dict[str, bool]]:
    return {frame: {"reverse": reverse} for frame, reverse in tracked.bank.direction.items()}


_OFFICIAL: dict[str, Callable[[InferenceState], Any]] = {
    "num_frames": lambda state: state.num_frames,
    "images": lambda state: state.frames,
    "video_height": lambda state: state.frames.height,
    "video_width": lambda state: state.frames.width,
    "storage_device": lambda state: state.storage_device,
    "obj_ids": lambda state: state.obj_ids,
    "obj_id_to_idx": lambda state: {object_id: index for index, object_id in enumerate(state.objects)},
    "obj_idx_to_id": lambda state: dict(enumerate(state.objects)),
    "frames_tracked_per_obj": lambda state: dict(enumerate(map(_passed, state.objects.values()))),
}
