"""What happens to a state, in order: a prompt is answered, pending answers are taken up, a frame is visited, masks
are read out.

A `Tracker` joins a model, a reading of the calls (`semantics`) and the options; the state is handed to each of its
verbs. The numbers come from `frame_step`, what is remembered from `memory_bank`; the official interface on top is
`video_predictor`.

Source of the order of events: ``sam2/sam2_video_predictor.py`` (facebookresearch/sam2, 2b90b9f).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from sam2_core.errors import TooEarlyError
from sam2_core.inference.memory.inference_state import InferenceState, PendingEntry, TrackedObject
from sam2_core.inference.memory.memory_bank import MemoryBank, MemoryEntry, SelectionRule, track_together
from sam2_core.inference.network.frame_step import FrameStep, MetFrame
from sam2_core.inference.network.runtime import Runtime, gathered
from sam2_core.inference.obedience import contradictions
from sam2_core.inference.postprocess import resolve_overlaps
from sam2_core.inference.prompt_inputs import MaskPrompt, PointPrompt, to_model_points
from sam2_core.inference.read_ahead import FRAMES_AHEAD, FrameImages, FrameImagesAhead
from sam2_core.inference.semantics import find_semantics
from sam2_core.inference.tracking_options import ALL_FRAMES, TrackingOptions
from sam2_core.inference.transforms import mask_to_model, masks_to_video
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.prompt_encoder import PromptBatch
from sam2_core.modeling.sam2 import NO_OBJECT_LOGIT, Sam2Model
from sam2_core.modeling.views import look
from sam2_core.whole_numbers import whole_number

PIXELS_AT_ONCE = 2**19
"""So many pixels of images of different stacks are encoded at once: 8 of 256 x 256, 2 of 512 x 512."""
PREVIOUS_LOGIT_LIMIT = 32.0
"""Logits that are fed back as a rough mask are cut to this size."""


class Tracker:
    """The model, the reading and the options of a video predictor, applied to its states."""

    def __init__(self, model: Sam2Model, options: TrackingOptions) -> None:
        self.model = model
        self.options = options
        self.semantics = find_semantics(options.semantics)
        self.runtime = Runtime(model, options.objects_per_batch, options.compile)

    def new_object(self) -> TrackedObject:
        """Return an object that nobody has prompted yet; the state does not know it."""
        return TrackedObject(MemoryBank(self.semantics.keep_tracked_frames))

    def predict_prompt(
        self, state: InferenceState, frame: int, tracked: TrackedObject, prompt: PointPrompt | MaskPrompt
    ) -> PendingEntry:
        """Return the answer to one object's prompt on a frame; the state stays as it is."""
        corrects = frame in tracked.bank.direction
        chosen = self.options.corrections_condition
        keeps = self.semantics.corrections_condition if chosen is None else chosen
        conditions = keeps or not corrects
        step = self._step(state)
        here = self._met(state, frame, tracked.bank.direction.get(frame, False))
        if isinstance(prompt, MaskPrompt):
            mask = mask_to_model(prompt.mask, self.model.image_size).to(self.model.device)
            return PendingEntry(step.prompt_mask(here, mask), conditions)
        points, labels = to_model_points(prompt, state.size, self.model.image_size)
        previous = tracked.seen(frame, None if self.semantics.corrections_condition else conditions)
        batch = PromptBatch(points.to(self.model.device), labels.to(self.model.device), self._previous_logits(previous))
        without = frame if keeps and self.semantics.corrections_condition else None  # official: looks at itself, too
        bank = tracked.bank if corrects else None
        entry = step.prompt(here, batch, bank, without)
        if bank is not None and self.semantics.prompts_are_obeyed:
            said, afresh = PromptBatch(points, labels), batch.with_mask(None)
            entry = _most_obedient(entry, said, lambda known: step.prompt(here, afresh, known, without), bank)
        return PendingEntry(entry, conditions)

    def take_prompt(
        self, tracked: TrackedObject, frame: int, prompt: PointPrompt | MaskPrompt, answer: PendingEntry
    ) -> None:
        """Record a prompt of an object on a frame, and its answer for the next propagation."""
        tracked.prompts[frame] = prompt
        tracked.prompts_changed(frame)
        conditions = answer.conditions
        if self.semantics.corrections_condition:  # officially one of each kind may wait, see `settle`
            conditions = conditions or (frame, True) in tracked.pending
            tracked.drop_pending(frame)
        tracked.pending[frame, conditions] = answer.entry

    def settle(self, state: InferenceState) -> None:
        """Encode the memories of pending answers and hand them to the banks."""
        step = self._step(state)
        for object_id, tracked in state.objects.items():
            prompted = {*tracked.bank.conditioning, *(frame for frame, conditions in tracked.pending if conditions)}
            for (frame, conditions), answer in tracked.pending.items():
                if not conditions and frame in prompted:  # official: the first answer conditions, a later one is lost
                    continue
                entry = step.remember(self._met(state, frame, reverse=False), answer, prompted=True)
                (tracked.bank.condition if conditions else tracked.bank.track)(frame, entry)
            tracked.pending.clear()
            if not tracked.bank.conditioning and self.semantics.predicts_before_first_prompt:
                raise TooEarlyError(
                    f"object {object_id} has no prompt; add one with add_new_points_or_box, or remove the object"
                )
        if not any(tracked.bank.conditioning for tracked in state.objects.values()):
            raise TooEarlyError(
                "there is nothing to propagate; add a prompt with add_new_points_or_box or add_new_mask first"
            )

    def frames_to_visit(
        self, states: Sequence[InferenceState], start: int | None, count: int | None, reverse: bool
    ) -> Iterable[int]:
        """Return the frames of a propagation in order; see `SAM2VideoPredictor.propagate_in_video`."""
        if start is None:
            every = (tracked for state in states for tracked in state.objects.values())
            start = min(frame for tracked in every for frame in tracked.bank.conditioning)
        start, length = states[0].check_frame(start), states[0].num_frames
        count = (
            length
            if count is None
            else whole_number(count, "number of frames") - (1 if self.semantics.counts_start_frame else 0)
        )
        if reverse:
            return range(start, max(start - count, 0) - 1, -1) if start > 0 else ()
        return range(start, min(start + count, length - 1) + 1)

    def images(self, order: Iterable[int] = ()) -> FrameImages:
        """Return the images of a run over frames in that order, read ahead where that pays; a context."""
        size, device, count = self.model.image_size, self.model.device, self.options.frames_ahead
        if count is None:
            count = 0 if self.options.feature_cache else FRAMES_AHEAD.get(device.type, 0)
        visited = tuple(order)
        return FrameImagesAhead(size, device, visited, count) if count and visited else FrameImages(size, device)

    def encode(self, state: InferenceState, frame: int, images: FrameImages | None = None) -> ImageFeatures:
        """Return a frame's image features, just made and kept; all else asks the store of the state first."""
        image = (images or self.images()).get(state.frames, frame)
        return state.features.put(frame, self.runtime.encode_image(image))

    def look(self, state: InferenceState, frame: int, in_all_views: bool) -> bool:
        """Have the features of a frame, in all views of the model or as it is; return whether the encoder ran."""
        kept, others = state.features.get(frame), self.model.other_views if in_all_views else ()
        if kept is not None and len(kept.views) >= len(others):
            return False
        (self._views if others else self.encode)(state, frame)
        return True

    def visit(
        self, states: Sequence[InferenceState], frame: int, reverse: bool, images: FrameImages | None = None
    ) -> None:
        """Track on a frame of each stack every object that is not prompted there and that the propagation has met."""
        self._encode_together([state for state in states if self._looks_at(state, frame, reverse)], frame, images)
        met = []
        for state in states:
            here = self._met(state, frame, reverse, images)
            banks = [tracked.bank for tracked in state.objects.values()]
            met += [(here, bank) for bank in banks if self._meets(bank, frame, reverse)]
        remembering = [(here, bank) for here, bank in met if frame not in bank.conditioning]
        entries = self._step(states[0]).track(remembering)
        track_together(frame, zip((bank for _, bank in remembering), entries, strict=True))
        for _, bank in met:  # only now: a frame that cannot be read was not passed
            bank.direction[frame] = reverse

    def _encode_together(self, states: Sequence[InferenceState], frame: int, images: FrameImages | None) -> None:
        """Encode the images of a frame that differ from stack to stack, if they are small, as few batches.

        They go through the network faster so. The batches do not depend on which of them are known already, unless all
        are, so that a run that was stopped and goes on gives the same to the last bit.
        """
        different = list({state.features.key(frame): state for state in states}.values())
        size = PIXELS_AT_ONCE // self.model.image_size**2
        if min(size, len(different)) < 2 or self.options.compile is not None:
            return
        if all(state.features.get(frame) is not None for state in different):
            return
        source = images or self.images()
        for some in (different[start : start + size] for start in range(0, len(different), size)):
            features = self.model.encode_image(torch.cat([source.get(state.frames, frame) for state in some]))
            for state, own in zip(some, features.apart(), strict=True):
                state.features.put(frame, own)

    def _looks_at(self, state: InferenceState, frame: int, reverse: bool) -> bool:
        """Return whether something is tracked on a frame of a stack."""
        banks = (tracked.bank for tracked in state.objects.values())
        return any(frame not in bank.conditioning and self._meets(bank, frame, reverse) for bank in banks)

    def _meets(self, bank: MemoryBank, frame: int, reverse: bool) -> bool:
        return self.semantics.predicts_before_first_prompt or bank.reaches(frame, reverse)

    def clear_prompts(self, tracked: TrackedObject, frame: int) -> None:
        """Take back an object's prompts on a frame, and what they conditioned."""
        tracked.prompts.pop(frame, None)
        tracked.drop_pending(frame)
        entry = tracked.bank.conditioning.get(frame)
        if entry is None:
            return
        tracked.bank.forget(frame)
        if self.semantics.keeps_cleared_masks:
            tracked.bank.track(frame, entry)

    def read_tracked(self, state: InferenceState, frame: int) -> Tensor:
        """Return a frame's logits as the memory has them."""
        return self.read(state, [tracked.bank.entry(frame) for tracked in state.objects.values()])

    def read_with_pending(self, state: InferenceState, frame: int, conditions: bool | None = None) -> Tensor:
        """Return a frame's logits, pending answers included; the official reading sees only those of the same kind."""
        if conditions is None:
            conditions = any((frame, True) in tracked.pending for tracked in state.objects.values())
        kind = None if self.semantics.corrections_condition else conditions
        return self.read(state, [tracked.seen(frame, kind) for tracked in state.objects.values()])

    def read(self, state: InferenceState, entries: list[MemoryEntry | None]) -> Tensor:
        """Return logits at the stack's resolution (O, 1, H, W), -1024 where an object has no entry."""
        if not entries:  # all objects of one of several states were removed during a run
            return torch.empty((0, 1, *state.size), device=self.model.device)
        size = self.model.config.low_res_size
        absent = torch.full((1, size, size), NO_OBJECT_LOGIT, device=state.storage_device)
        logits = [absent if entry is None else entry.low_res_logits for entry in entries]
        masks = masks_to_video(gathered(logits, self.model.device), state.size)
        return resolve_overlaps(masks) if self.options.non_overlap_masks else masks

    def _previous_logits(self, entry: MemoryEntry | None) -> Tensor | None:
        """Return (1, 1, S/4, S/4): what the object's mask on the frame was, to be refined."""
        if entry is None:
            return None
        logits = entry.low_res_logits[None].to(self.model.device)
        return logits.clamp(-PREVIOUS_LOGIT_LIMIT, PREVIOUS_LOGIT_LIMIT)

    def _met(self, state: InferenceState, frame: int, reverse: bool, images: FrameImages | None = None) -> MetFrame:
        return MetFrame(
            frame,
            reverse,
            lambda index: self._features(state, index, images),
            state.shift,
            lambda index: self._views(state, index),
        )

    def _features(self, state: InferenceState, frame: int, images: FrameImages | None) -> ImageFeatures:
        features = state.features.get(frame)
        return self.encode(state, frame, images) if features is None else features

    def _views(self, state: InferenceState, frame: int) -> ImageFeatures:
        """Return a frame's image features in all views of the model."""
        features, views = state.features.get(frame), self.model.other_views
        if features is not None and len(features.views) == len(views):
            return features
        image = self.images().get(state.frames, frame)
        return state.features.put(frame, look(image, views, self.runtime.encode_image, known=features))

    def _step(self, state: InferenceState) -> FrameStep:
        config, semantics, limit = self.model.config, self.semantics, self.options.max_conditioning_frames
        selection = SelectionRule(
            config.num_maskmem,
            semantics.max_pointers(state.num_frames, config.pointers.max_in_memory),
            semantics.max_conditioning_frames if limit is None else None if limit == ALL_FRAMES else limit,
            semantics.keeps_first_conditioning_frame,
            semantics.corrections_supersede,
            config.memory_stride,
        )
        return FrameStep(self.runtime, self.options, selection, state.storage_device)


def _most_obedient(
    entry: MemoryEntry,
    said: PromptBatch,
    asked: Callable[[MemoryBank | None], MemoryEntry],
    bank: MemoryBank,
) -> MemoryEntry:
    """Return the answer to a correction that contradicts it least: the first, or one that holds on to less.

    The mask that was there before is left out first, then what is remembered, unless nothing says what the object is.
    `said` is the correction on the host; `asked` asks again, without the mask, with what is remembered or nothing.
    """
    least = contradictions(entry.low_res_logits, said)
    says_what = bool((said.point_labels > 0).any())
    for known in (bank, None) if says_what else (bank,):
        if least == 0:
            break
        other = asked(known)
        found = contradictions(other.low_res_logits, said)
        entry, least = (other, found) if found < least else (entry, least)
    return entry
