"""One frame, many objects: attend, decode, choose, encode memory.

The model side of the video predictor. A `FrameStep` knows the model and the options, and is handed everything else: the
frame's features, the objects' banks, their prompts. Objects whose memories have the same layout go through the
network as one batch, cut to chunks that fit into memory (`chunks`); the result does not depend on which other objects
are there. It neither reads frames nor records entries. Nothing waits for the device object by object: on a graphics
card the host runs ahead of it.

Source: ``_run_single_frame_inference`` in ``sam2/sam2_video_predictor.py`` and ``track_step`` in
``sam2/modeling/sam2_base.py`` (facebookresearch/sam2, 2b90b9f), there one object at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from sam2_core.inference.memory.memory_bank import MemoryBank, MemoryEntry, Selection, SelectionRule, select_memories
from sam2_core.inference.network.runtime import Runtime, gathered
from sam2_core.inference.postprocess import fill_holes, remove_small_pieces
from sam2_core.inference.tracking_options import TrackingOptions
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.mask_decoder import upscale_masks
from sam2_core.modeling.memory_attention import MemoryTokens
from sam2_core.modeling.prompt_encoder import PromptBatch
from sam2_core.modeling.sam2 import MaskPrediction

FeaturesOf = Callable[[int], ImageFeatures]
"""Image features of a frame index."""


@dataclass(frozen=True, slots=True)
class MetFrame:
    """A frame as a propagation meets it: its index, the direction, the features of any frame, how far memories are
    moved between frames that show different places (`inference_state.Shift`), and features that know all views of a
    frame that the model looks at where it remembers nothing.
    """

    frame: int
    reverse: bool
    features_of: FeaturesOf
    shift: Callable[[int, int], tuple[float, float]] | None = None
    views_of: FeaturesOf | None = None

    @property
    def features(self) -> ImageFeatures:
        """Of this frame."""
        return self.features_of(self.frame)

    @property
    def views(self) -> ImageFeatures:
        """Of this frame, in all views of the model."""
        return (self.views_of or self.features_of)(self.frame)


Remembering = tuple[MetFrame, MemoryBank]
"""An object that looks at a frame of its stack, and what it remembers."""


class Looking(NamedTuple):
    """An object that looks at a frame, with what it looks back at."""

    here: MetFrame
    bank: MemoryBank
    selection: Selection


class FrameStep:
    """The network as it runs, its options, which memories a frame looks at, and where entries are kept."""

    def __init__(
        self, runtime: Runtime, options: TrackingOptions, rule: SelectionRule, storage_device: torch.device
    ) -> None:
        self.model = runtime.model
        self.runtime = runtime
        self.options = options
        self.rule = rule
        self.storage_device = storage_device
        self._is_fast = options.attention == "fast"

    def track(self, remembering: Sequence[Remembering]) -> list[MemoryEntry]:
        """Return the entry of each object on a frame that nobody prompted, memories included.

        The objects may belong to different stacks; those of one stack share one `MetFrame`.
        """
        if not remembering:
            return []
        looking = [Looking(here, bank, self._select(bank, here)) for here, bank in remembering]
        seen: dict[int, MemoryEntry] = {}
        for group in _same_layout(looking):
            some = [looking[index] for index in group]
            seen.update(zip(group, self.runtime.chunks.run(some, self._track_chunk, self.model.device), strict=True))
        in_order = [seen[index] for index in range(len(looking))]
        masks = self._repaired(torch.stack([entry.low_res_logits for entry in in_order]))
        return [replace(entry, mask=mask) for entry, mask in zip(in_order, masks, strict=True)]

    def prompt(
        self, here: MetFrame, prompts: PromptBatch, bank: MemoryBank | None = None, without: int | None = None
    ) -> MemoryEntry:
        """Return the entry of one prompted object, its memory not encoded yet.

        Where the frame was tracked before, the object looks into its bank, `without` the memory of that frame.
        """
        model = self.model
        selection = None if bank is None else self._select(bank, here, without)
        multimask = model.config.mask_decoder.takes_best(prompts.point_labels.shape[1], remembers=bank is not None)
        if bank is None or selection is None or not selection.spatial:
            prediction = model.predict_without_memory(here.views, prompts, multimask)
        else:
            features = here.features
            conditioned = model.condition_on_memory(
                features, self._memory([Looking(here, bank, selection)]), self._is_fast
            )
            prediction = model.predict_masks(conditioned, features, prompts, multimask)
        return self._entries(prediction)[0]

    def prompt_mask(self, here: MetFrame, mask: Tensor) -> MemoryEntry:
        """Return the entry of one object whose mask (1, 1, S, S) a person gave, its memory not encoded yet."""
        return self._entries(self.model.predict_from_mask(here.features, mask), smallest_piece=0.0)[0]

    def remember(self, here: MetFrame, entry: MemoryEntry, prompted: bool) -> MemoryEntry:
        """Return the entry with its memory, encoded from the mask that it keeps."""
        if entry.memory_features is not None:
            return entry
        logits = entry.low_res_logits[None].to(self.model.device)
        size = (self.model.image_size, self.model.image_size)
        score = entry.object_score_logits[None].to(self.model.device)
        binarize = prompted and self.options.binarize_prompted_masks
        memory = self.model.encode_memory(here.features, upscale_masks(logits, size), score, binarize)
        return replace(entry, memory_features=self._stored(memory[0]))

    def _track_chunk(self, looking: Sequence[Looking]) -> list[MemoryEntry]:
        """Return what the network makes of objects with the same layout; the last is repeated up to a fixed size."""
        is_full = looking[0].selection.is_full(self.rule)
        size = self.runtime.batch_size(len(looking), is_full)
        padded = [*looking, *[looking[-1]] * (size - len(looking))]
        features = _side_by_side([each.here for each in padded])
        found = self.runtime.track(features, self._memory(padded), self._is_fast, is_full)
        columns = zip(
            found.low_res_masks, found.object_pointers, found.object_score_logits, found.memories, strict=True
        )
        rows = itertools.islice(columns, len(looking))
        return [MemoryEntry(mask, pointer, score, self._stored(memory)) for mask, pointer, score, memory in rows]

    def _select(self, bank: MemoryBank, here: MetFrame, without: int | None = None) -> Selection:
        conditioning = [frame for frame in bank.conditioning if frame != without]
        tracked = bank.tracked.keys() - {without}
        return select_memories(conditioning, tracked, here.frame, here.reverse, self.rule)

    def _memory(self, looking: Sequence[Looking]) -> MemoryTokens:
        """Return the memories of objects with the same layout as one batch."""
        device = self.model.device
        spatial = []
        for place, (_, slot) in enumerate(looking[0].selection.spatial):
            seen = [self._features(each.bank, each.selection.spatial[place][0], each.here) for each in looking]
            spatial.append((gathered(seen, device), slot))
        ages = [[float(age) for _, age in each.selection.pointers] for each in looking]
        table = torch.tensor(ages, pin_memory=device.type == "cuda")  # (O, P); pageable memory may make the host wait
        distances = table.to(device, non_blocking=True)
        pointers = []
        for place in range(len(ages[0])):
            known = [_known(each.bank, each.selection.pointers[place][0]).object_pointer for each in looking]
            pointers.append((gathered(known, device), distances[:, place]))
        return self.model.memory_tokens(spatial, pointers, max(1, self.rule.max_pointers - 1))

    def _features(self, bank: MemoryBank, frame: int, here: MetFrame) -> Tensor:
        """Return an entry's memory; a packed one is encoded again, and only while it is needed."""
        entry = _known(bank, frame)
        if entry.memory_features is None:
            there = MetFrame(frame, here.reverse, here.features_of)
            entry = self.remember(there, entry, prompted=frame in bank.conditioning)
        assert entry.memory_features is not None
        if here.shift is None:
            return entry.memory_features
        return shifted(entry.memory_features, *here.shift(frame, here.frame))

    def _entries(self, prediction: MaskPrediction, smallest_piece: float | None = None) -> list[MemoryEntry]:
        masks = self._repaired(prediction.low_res_masks, smallest_piece)
        columns = zip(masks, prediction.object_pointer, prediction.object_score_logits, strict=True)
        return [MemoryEntry(mask, pointer, score) for mask, pointer, score in columns]

    def _repaired(self, masks: Tensor, smallest_piece: float | None = None) -> list[Tensor]:
        """Return masks (O, 1, h, w) one by one, holes filled and small pieces (by the model where None) removed.

        Each has storage of its own: one may be kept longer.
        """
        share = self.model.config.smallest_piece if smallest_piece is None else smallest_piece
        whole = remove_small_pieces(fill_holes(masks, self.options.fill_hole_area), share)
        return [mask.clone() for mask in whole.to(self.storage_device)]

    def _stored(self, memory: Tensor) -> Tensor:
        return memory.to(self.storage_device, self.options.memory_dtype, copy=True)


def _same_layout(looking: Sequence[Looking]) -> Iterable[list[int]]:
    """Return indices of objects whose memories have the same layout."""
    layouts: dict[tuple[object, ...], list[int]] = {}
    for index, each in enumerate(looking):
        layouts.setdefault(each.selection.layout, []).append(index)
    return layouts.values()


def _side_by_side(frames: Sequence[MetFrame]) -> ImageFeatures:
    """Return the features that each object looks at: batch 1 where all look at the same ones, else one per object."""
    if all(here is frames[0] for here in frames):
        return frames[0].features
    return ImageFeatures.joined([here.features for here in frames])


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
