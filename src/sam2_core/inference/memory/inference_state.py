"""All that is known of one stack while it is tracked: frames, image features, and of each object its prompts and its
memory.

A state belongs to one predictor and is handed to each of its calls, as in the official interface. It holds no weights
and computes nothing. Prompts are the truth in it; everything else can be made again from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import torch

from sam2_core.errors import PromptError
from sam2_core.inference.features import FeatureStore
from sam2_core.inference.frames.opened_frames import OpenedFrames
from sam2_core.inference.memory.memory_bank import MemoryBank, MemoryEntry
from sam2_core.inference.memory.selection import Selected
from sam2_core.inference.prompt_inputs import MaskPrompt, PointPrompt

Shift = Callable[[int, int], tuple[float, float]]
"""By which shares of height and width what one frame shows is moved to lie where it is expected on another."""


@dataclass(frozen=True, slots=True)
class PendingEntry:
    """The answer to a prompt that no propagation has taken up yet, and whether it will condition."""

    entry: MemoryEntry
    conditions: bool


@dataclass(slots=True)
class TrackedObject:
    """One object: what a person said of it, what the model answered since the last propagation, and what it remembers.

    Attributes
    ----------
    bank
        The memory.
    prompts, pending
        By frame index.
    outdated
        (frame, whether backward): masks behind the frame in that direction are from before its prompts were changed.
    """

    bank: MemoryBank
    prompts: dict[int, PointPrompt | MaskPrompt] = field(default_factory=dict)
    pending: dict[int, PendingEntry] = field(default_factory=dict)
    outdated: set[tuple[int, bool]] = field(default_factory=set)

    def prompts_changed(self, frame: int) -> None:
        """Note that masks behind a frame are outdated, in both directions."""
        self.outdated |= {(frame, False), (frame, True)}

    def seen(self, frame: int, conditions: bool | None = None) -> MemoryEntry | None:
        """Return the newest entry of a frame; ``conditions`` restricts which pending answers count (official)."""
        pending = self.pending.get(frame)
        if pending is not None and conditions in (None, pending.conditions):
            return pending.entry
        return self.bank.entry(frame)


class InferenceState:
    """One stack and its objects.

    Attributes
    ----------
    frames
        The stack; frames are read when needed.
    features
        Image features of the frames used last.
    objects
        By object id, in the order in which they were added.
    storage_device
        Where memories and masks are kept.
    shift
        How far memories are moved before they are looked at; None where all frames show the same place.
    """

    def __init__(self, frames: OpenedFrames, features: FeatureStore, storage_device: torch.device) -> None:
        self.frames = frames
        self.features = features
        self.storage_device = storage_device
        self.shift: Shift | None = None
        self.objects: MutableMapping[int, TrackedObject] = {}

    def select(self, object_ids: Iterable[int]) -> InferenceState:
        """Return a state that sees only these objects: the same ones, over the same frames and image features.

        Prompts and propagations on it touch and return only them. An object that is new is also new in this state; one
        that is removed there is removed here. Ids that have no object yet are allowed.
        """
        part = InferenceState(self.frames, self.features, self.storage_device)
        part.objects, part.shift = Selected(self.objects, object_ids), self.shift
        return part

    @property
    def num_frames(self) -> int:
        """Length of the stack."""
        return len(self.frames)

    @property
    def video_height(self) -> int:
        """Rows of a frame."""
        return self.frames.height

    @property
    def video_width(self) -> int:
        """Columns of a frame."""
        return self.frames.width

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of a frame."""
        return self.frames.height, self.frames.width

    @property
    def obj_ids(self) -> list[int]:
        """Object ids in the order in which they were added; a new list each time."""
        return list(self.objects)

    def __getitem__(self, key: str) -> Any:
        """Return what official scripts read: ``num_frames``, ``video_height``, ``video_width``, ``obj_ids``.

        Raises
        ------
        KeyError
            Any other key; the message lists those there are.
        """
        known = ("num_frames", "video_height", "video_width", "obj_ids")
        if key not in known:
            raise KeyError(f"{key!r} is not kept here; an inference state answers {', '.join(known)}")
        return getattr(self, key)

    def check_frame(self, frame: int) -> int:
        """Return the frame index as a plain integer.

        Raises
        ------
        PromptError
            There is no such frame.
        """
        if not 0 <= frame < self.num_frames:
            raise PromptError(f"frame {frame} does not exist: the stack has frames 0 to {self.num_frames - 1}")
        return int(frame)

    def find_object(self, object_id: int) -> TrackedObject:
        """Return an object.

        Raises
        ------
        PromptError
            There is no object of that id; the message lists those there are.
        """
        if object_id not in self.objects:
            raise PromptError(
                f"object {object_id} does not exist; there are {self.obj_ids or 'none yet'}: add a prompt for it first"
            )
        return self.objects[object_id]

    def clear(self) -> None:
        """Forget all objects and prompts; frames and image features stay."""
        self.objects.clear()
