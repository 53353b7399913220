"""One frame, many objects: attend, decode, choose, encode memory.

The model side of the video predictor. A `FrameStep` knows the model and the rules, and is handed everything else: the
frame's features, the objects' banks, their prompts. Objects whose memories have the same layout go through the
network as one batch; the result does not depend on which other objects are there. It neither reads frames nor records
entries.

Source: ``_run_single_frame_inference`` in ``sam2/sam2_video_predictor.py`` and ``track_step`` in
``sam2/modeling/sam2_base.py`` (facebookresearch/sam2, 2b90b9f), there one object at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sam2_core.inference.memory_bank import MemoryBank, MemoryEntry, Selection, SelectionRule, select_memories
from sam2_core.inference.postprocess import fill_holes
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.mask_decoder import upscale_masks
from sam2_core.modeling.memory_attention import MemoryTokens
from sam2_core.modeling.prompt_encoder import PromptBatch
from sam2_core.modeling.sam2 import MaskPrediction, Sam2Model

FeaturesOf = Callable[[int], ImageFeatures]
"""Image features of a frame index."""


@dataclass(frozen=True, slots=True)
class StepRules:
    """What stays the same for all frames of a state.

    Attributes
    ----------
    selection
        Which memories a frame looks at.
    pointer_span
        What distances of pointers are divided by.
    fill_hole_area
        Holes of up to so many low-resolution pixels are filled; 0 for none.
    binarize_prompted
        Remember thresholded masks on prompted frames.
    memory_dtype
        Precision in which memories are kept.
    storage_device
        Where entries are kept.
    objects_per_batch
        Objects that go through the network at once.
    fast_attention
        Read memories the fast way, not the plain one.
    """

    selection: SelectionRule
    pointer_span: int
    fill_hole_area: int
    binarize_prompted: bool
    memory_dtype: torch.dtype
    storage_device: torch.device
    objects_per_batch: int = 16
    fast_attention: bool = True


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame as a propagation meets it: its index, the direction, the features of any frame, and how far memories are
    moved between frames that show different places (`inference_state.Shift`).
    """

    frame: int
    reverse: bool
    features_of: FeaturesOf
    shift: Callable[[int, int], tuple[float, float]] | None = None

    @property
    def features(self) -> ImageFeatures:
        """Of this frame."""
        return self.features_of(self.frame)


Remembering = tuple[Moment, MemoryBank]
"""An object that looks at a frame of its stack, and what it remembers."""


class FrameStep:
    """The network and the rules of one state."""

    def __init__(self, model: Sam2Model, rules: StepRules) -> None:
        self.model = model
        self.rules = rules

    def track(self, remembering: Sequence[Remembering]) -> list[MemoryEntry]:
        """Return the entry of each object on a frame that nobody prompted, memories included.

        The objects may belong to different stacks; those of one stack share one `Moment`.
        """
        entries: dict[int, MemoryEntry] = {}
        selections = [self._select(bank, moment) for moment, bank in remembering]
        for group in self._batches(selections):
            some = [remembering[i] for i in group]
            memory = self._memory(some, [selections[i] for i in group])
            features = _side_by_side([moment for moment, _ in some])
            for index, entry in zip(group, self._track_batch(features, memory), strict=True):
                entries[index] = entry
        return [entries[index] for index in range(len(remembering))]

    def prompt(
        self, moment: Moment, prompts: PromptBatch, bank: MemoryBank | None = None, without: int | None = None
    ) -> MemoryEntry:
        """Return the entry of one prompted object, its memory not encoded yet.

        Parameters
        ----------
        moment
            The frame, and the direction in which it was tracked.
        prompts
            Points in model pixels, and the previous logits.
        bank
            What the object remembers where the frame was tracked before; None for a first prompt.
        without
            A frame whose memory must not be looked at.
        """
        model, features = self.model, moment.features
        selection = None if bank is None else self._select(bank, moment, without)
        if bank is None or selection is None or not selection.spatial:
            conditioned = model.condition_without_memory(features)
        else:
            conditioned = self._recall(features, self._memory([(moment, bank)], [selection]))
        multimask = prompts.point_labels.shape[1] <= 1
        prediction = model.predict_masks(conditioned, features, prompts, multimask)
        return self._entries(prediction)[0]

    def prompt_mask(self, moment: Moment, mask: Tensor) -> MemoryEntry:
        """Return the entry of one object whose mask (1, 1, S, S) a person gave, its memory not encoded yet."""
        return self._entries(self.model.predict_from_mask(moment.features, mask))[0]

    def remember(self, moment: Moment, entry: MemoryEntry, prompted: bool) -> MemoryEntry:
        """Return the entry with its memory, encoded from the mask that it keeps."""
        if entry.memory_features is not None:
            return entry
        logits = entry.low_res_logits[None].to(self.model.device)
        size = (self.model.image_size, self.model.image_size)
        score = entry.object_score_logits[None].to(self.model.device)
        binarize = prompted and self.rules.binarize_prompted
        memory = self.model.encode_memory(moment.features, upscale_masks(logits, size), score, binarize)
        return entry.with_memory(self._stored(memory[0]))

    def _track_batch(self, features: ImageFeatures, memory: MemoryTokens) -> list[MemoryEntry]:
        model = self.model
        conditioned = self._recall(features, memory)
        nothing = PromptBatch.empty(conditioned.shape[0], conditioned.device)
        prediction = model.predict_masks(conditioned, features, nothing, multimask=True)
        high_res = upscale_masks(prediction.low_res_masks, (model.image_size, model.image_size))
        memories = model.encode_memory(features, high_res, prediction.object_score_logits)
        pairs = zip(self._entries(prediction), memories, strict=True)
        return [entry.with_memory(self._stored(features)) for entry, features in pairs]

    def _recall(self, features: ImageFeatures, memory: MemoryTokens) -> Tensor:
        return self.model.condition_on_memory(features, memory, self.rules.fast_attention)

    def _select(self, bank: MemoryBank, moment: Moment, without: int | None = None) -> Selection:
        conditioning = [frame for frame in bank.conditioning if frame != without]
        tracked = bank.tracked.keys() - {without}
        return select_memories(conditioning, tracked, moment.frame, moment.reverse, self.rules.selection)

    def _batches(self, selections: Sequence[Selection]) -> list[list[int]]:
        """Return indices of objects whose memories have the same layout, at most so many at once."""
        layouts: dict[tuple[object, ...], list[int]] = {}
        for index, selection in enumerate(selections):
            layout = (tuple(slot for _, slot in selection.spatial), len(selection.pointers))
            layouts.setdefault(layout, []).append(index)
        size = self.rules.objects_per_batch
        return [group[i : i + size] for group in layouts.values() for i in range(0, len(group), size)]

    def _memory(self, remembering: Sequence[Remembering], selections: Sequence[Selection]) -> MemoryTokens:
        """Return the memories of objects with the same layout as one batch."""
        device = self.model.device
        spatial = []
        for column in zip(*(selection.spatial for selection in selections), strict=True):
            features = [
                self._features(bank, frame, moment)
                for (moment, bank), (frame, _) in zip(remembering, column, strict=True)
            ]
            spatial.append((torch.stack(features).to(device), column[0][1]))
        pointers = []
        for column in zip(*(selection.pointers for selection in selections), strict=True):
            known = [
                _known(bank, frame).object_pointer for (_, bank), (frame, _) in zip(remembering, column, strict=True)
            ]
            distances = torch.tensor([float(distance) for _, distance in column], device=device)
            pointers.append((torch.stack(known).to(device), distances))
        return self.model.memory_tokens(spatial, pointers, self.rules.pointer_span)

    def _features(self, bank: MemoryBank, frame: int, moment: Moment) -> Tensor:
        """Return an entry's memory; a packed one is encoded again, and only while it is needed."""
        entry = _known(bank, frame)
        if entry.memory_features is None:
            there = Moment(frame, moment.reverse, moment.features_of)
            entry = self.remember(there, entry, prompted=frame in bank.conditioning)
        assert entry.memory_features is not None
        if moment.shift is None:
            return entry.memory_features
        return shifted(entry.memory_features, *moment.shift(frame, moment.frame))

    def _entries(self, prediction: MaskPrediction) -> list[MemoryEntry]:
        masks = fill_holes(prediction.low_res_masks, self.rules.fill_hole_area).to(self.rules.storage_device)
        columns = zip(masks, prediction.object_pointer, prediction.object_score_logits, strict=True)
        return [MemoryEntry(mask, pointer, score) for mask, pointer, score in columns]

    def _stored(self, memory: Tensor) -> Tensor:
        return memory.to(self.rules.storage_device, self.rules.memory_dtype)


def _side_by_side(moments: Sequence[Moment]) -> ImageFeatures:
    """Return the features that each object looks at: batch 1 where all look at the same ones, else one per object."""
    if all(moment is moments[0] for moment in moments):
        return moments[0].features
    return ImageFeatures.joined([moment.features for moment in moments])


def shifted(memory: Tensor, down: float, right: float) -> Tensor:
    """Return a memory (C, h, w) moved by shares of its height and width, in whole cells; what comes in is its mean."""
    channels, height, width = memory.shape
    rows, columns = round(down * height), round(right * width)
    if rows == columns == 0:
        return memory
    moved = memory.mean(dim=(1, 2), keepdim=True).expand(channels, height, width).clone()
    kept = memory[:, _kept(-rows, height), _kept(-columns, width)]
    moved[:, _kept(rows, height), _kept(columns, width)] = kept
    return moved


def _kept(start: int, length: int) -> slice:
    """Return the positions of a line that are still on it after it was moved by `-start`."""
    return slice(min(max(start, 0), length), max(length + min(start, 0), 0))


def _known(bank: MemoryBank, frame: int) -> MemoryEntry:
    entry = bank.entry(frame)
    if entry is None:
        raise LookupError(f"frame {frame} was selected but is not in the bank")
    return entry
