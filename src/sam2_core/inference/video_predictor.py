"""The video predictor: the official calls over a state, on any kind of stack.

``init_state`` opens a stack; prompts are added with ``add_new_points_or_box`` and ``add_new_mask``;
``propagate_in_video`` is a generator that carries them through the frames. Each call enters inference mode and its
precision for itself, and leaves them before it returns or yields. What happens inside is the business of `tracker`.

Source of signatures and return values: ``sam2/sam2_video_predictor.py`` (facebookresearch/sam2, 2b90b9f); the parity
tests hold the official reading to the recorded answers.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from sam2_core.assembly import predictor_parts
from sam2_core.checkpoints.load import open_model
from sam2_core.errors import StackError
from sam2_core.inference.disk_features import FeatureStores
from sam2_core.inference.frames.drift import Drift
from sam2_core.inference.frames.opened_frames import open_frames
from sam2_core.inference.memory.inference_state import InferenceState, TrackedObject, checked_place
from sam2_core.inference.memory.snapshots import Snapshot
from sam2_core.inference.memory.state_snapshots import restore_snapshot, take_snapshot
from sam2_core.inference.network.precision import PRECISIONS, pick_precision, running
from sam2_core.inference.official_attributes import OfficialAttributes
from sam2_core.inference.prompt_inputs import MaskPrompt, PointPrompt, mask_prompt, merge, point_prompt
from sam2_core.inference.run import Run
from sam2_core.inference.tracker import Tracker
from sam2_core.inference.tracking_options import TrackingOptions
from sam2_core.modeling.sam2 import Sam2Model
from sam2_core.whole_numbers import plain_id

if TYPE_CHECKING:
    from sam2_core.inference.feature_folder import FeatureFolder

Answer = tuple[int, list[int], Tensor]
"""Frame index, object ids, and their logits at the stack's resolution (O, 1, H, W)."""


class SAM2VideoPredictor(OfficialAttributes):
    """Tracks objects through a stack from prompts.

    The model is not changed; ``**options`` are the fields of `TrackingOptions`.

    Examples
    --------
    >>> state = predictor.init_state("movie_folder")
    >>> predictor.add_new_points_or_box(state, frame_idx=0, obj_id=1, points=[[210, 350]], labels=[1])
    >>> for frame_idx, obj_ids, logits in predictor.propagate_in_video(state):
    ...     masks = logits > 0  # (O, 1, H, W)
    """

    def __init__(self, model: Sam2Model, **options: Any) -> None:
        self.model = model
        self.options = TrackingOptions(**options)
        self._tracker = Tracker(model, self.options)
        self._dtype = self._picked()
        self._stores = FeatureStores(self.options.feature_cache, self.options.cached_frames)

    @classmethod
    def from_pretrained(cls, model_id: str, **kwargs: Any) -> Self:
        """Return a predictor for a Hugging Face id or a registered name; see `build_sam2_video_predictor_hf`."""
        opened = open_model(model_id)
        model, options = predictor_parts(opened.config, opened, **kwargs)
        return cls(model, **options)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.device

    @property
    def image_size(self) -> int:
        """Side of the square model input in pixels."""
        return self.model.image_size

    @property
    def precision(self) -> str:
        """In what it computes here: ``float32``, ``bfloat16`` or ``float16``."""
        return next(name for name, dtype in PRECISIONS.items() if dtype is self._dtype)

    @property
    def weights_path(self) -> Path | None:
        """The file that the weights were loaded from, None where they came from elsewhere."""
        return self.model.weights_path

    @property
    def feature_folder(self) -> FeatureFolder | None:
        """Where image features are kept on disk, if they are."""
        return self._stores.folder(self.model)

    def to(self, device: torch.device | str) -> Self:
        """Move the model; states made before stay where they are."""
        self.model.to(device)
        self._dtype = self._picked()
        self._tracker = Tracker(self.model, self.options)
        return self

    def init_state(
        self,
        video_path: object,
        offload_video_to_cpu: bool = False,
        offload_state_to_cpu: bool = False,
        async_loading_frames: bool = False,
        contrast_limits: object = None,
    ) -> InferenceState:
        """Return a fresh state over a stack; nothing is computed yet.

        Parameters
        ----------
        video_path
            A folder of images, a video or TIFF file, a list of images, an array (T, H, W) or (T, H, W, C), or any
            object with ``len`` and ``[i]``; see `sam2_core.inference.frames.opened_frames.open_frames`.
        offload_video_to_cpu, async_loading_frames
            Accepted for official scripts; frames are always read when needed, and never all held.
        offload_state_to_cpu
            Keep memories and masks on the CPU.
        contrast_limits
            (low, high), or one pair a channel, for stacks that are not uint8; else percentiles of a few frames.

        Raises
        ------
        StackError
            The stack is empty, unreadable, or not of a usable shape.
        """
        storage = torch.device("cpu") if offload_state_to_cpu else self.device
        frames = open_frames(video_path, contrast_limits=contrast_limits)
        shift = Drift(frames).shift if self.options.follow_drift else None
        return InferenceState(frames, self._stores.open(frames, self.model, self._dtype), storage, shift)

    def add_new_points_or_box(  # noqa: PLR0913 - the official signature
        self,
        inference_state: InferenceState,
        frame_idx: int,
        obj_id: int,
        points: object = None,
        labels: object = None,
        clear_old_points: bool = True,
        normalize_coords: bool = True,
        box: object = None,
        need_output: bool = True,
    ) -> Answer | None:
        """Return the frame's masks after points or a box for one object; the object is made if it is new.

        Parameters
        ----------
        frame_idx
            0-based frame.
        points, labels
            (N, 2) x, y and (N,) labels: 1 inside, 0 outside; also -1 for padding, 2 and 3 for the corners of a box.
        clear_old_points
            Replace the points that the object has on this frame, or add to them. The mask that it has there is
            refined either way.
        normalize_coords
            Coordinates are pixels of the stack; else fractions of its width and height.
        box
            (x0, y0, x1, y1), only together with ``clear_old_points``.
        need_output
            Also read out the masks of all objects; without, prompting N objects takes N times as long as one.

        Returns
        -------
        tuple
            ``frame_idx``, all object ids, and their logits (O, 1, H, W): -1024 where an object has no mask on the
            frame. None without ``need_output``.

        Raises
        ------
        PromptError
            The prompt cannot be used as it was given.
        """
        state, (frame, obj_id) = inference_state, checked_place(frame_idx, obj_id, inference_state.num_frames)
        strict = self.options.semantics != "official"
        prompt = point_prompt(points, labels, box, state.size, normalized=not normalize_coords, strict=strict)
        tracked = state.objects.get(obj_id) or self._tracker.new_object()
        if not clear_old_points:
            old = tracked.prompts.get(frame)
            prompt = merge(old if isinstance(old, PointPrompt) else None, prompt)
        return self._take_prompt(state, frame, (obj_id, tracked), prompt, need_output)

    def add_new_points(self, *args: Any, **kwargs: Any) -> Answer | None:
        """Return the frame's masks after points; the official older name of `add_new_points_or_box`."""
        return self.add_new_points_or_box(*args, **kwargs)

    def add_new_mask(
        self, inference_state: InferenceState, frame_idx: int, obj_id: int, mask: object, need_output: bool = True
    ) -> Answer | None:
        """Return the frame's masks after a person drew one object's mask (H, W), which replaces its other prompts
        there; None without ``need_output``.

        Raises
        ------
        PromptError
            The mask has another shape than the frames.
        """
        state, (frame, obj_id) = inference_state, checked_place(frame_idx, obj_id, inference_state.num_frames)
        tracked = state.objects.get(obj_id) or self._tracker.new_object()
        prompt = mask_prompt(mask, state.size, keeps_values=self.options.semantics == "official")
        return self._take_prompt(state, frame, (obj_id, tracked), prompt, need_output)

    def propagate_in_video(
        self,
        inference_state: InferenceState,
        start_frame_idx: int | None = None,
        max_frame_num_to_track: int | None = None,
        reverse: bool = False,
    ) -> Generator[Answer, None, None]:
        """Yield frame by frame the masks of all objects; it may be closed between any two frames and started again.

        Objects that are added meanwhile join the next propagation; those that are removed are left out, and where none
        is left it ends.

        Parameters
        ----------
        start_frame_idx
            Where to start; the earliest conditioning frame where None.
        max_frame_num_to_track
            How many frames; all where None. (The official reading yields one more.)
        reverse
            Towards frame 0.

        Raises
        ------
        PromptError
            No object has a prompt (in the official reading: some object has none).
        """
        begun = inference_state.select(inference_state.obj_ids)
        for frame, (logits,) in self.propagate_together([begun], start_frame_idx, max_frame_num_to_track, reverse):
            yield frame, begun.obj_ids, logits

    def propagate_together(
        self,
        inference_states: Sequence[InferenceState],
        start_frame_idx: int | None = None,
        max_frame_num_to_track: int | None = None,
        reverse: bool = False,
    ) -> Generator[tuple[int, list[Tensor]], None, None]:
        """Yield frame by frame the masks of several states (O, 1, H, W) each: one `propagate_in_video` for all.

        Objects of different states go through the network as one batch. That is faster than one state after another
        when there are many with few objects each, and gives the same within rounding; small images are encoded as one
        batch too.

        Parameters
        ----------
        inference_states
            At least one, over stacks of the same length, each with a prompt. Frames may differ in size.
        start_frame_idx, max_frame_num_to_track, reverse
            As in `propagate_in_video`; the start is the earliest conditioning frame of all where None.

        Raises
        ------
        PromptError
            A state has no prompt.
        StackError
            The stacks differ in length.
        """
        states = list(inference_states)
        lengths = sorted({state.num_frames for state in states})
        if len(lengths) != 1:
            raise StackError(f"stacks of {lengths} frames cannot be run together; run those of the same length")
        with running(self.device, self._dtype):
            for state in states:
                self._tracker.settle(state)
        frames = self._tracker.frames_to_visit(states, start_frame_idx, max_frame_num_to_track, reverse)
        with self._tracker.images(frames) as images, Run(self._tracker, states, reverse, images) as run:
            for frame in run.while_any(frames):
                with running(self.device, self._dtype):
                    run.visit(frame)
                    logits = [self._tracker.read_tracked(state, frame) for state in states]
                yield frame, logits

    def encode_frames(
        self,
        inference_state: InferenceState,
        frame_indices: Iterable[int] | None = None,
        in_all_views: bool = False,
    ) -> Iterator[tuple[int, bool]]:
        """Yield frame by frame (all where None) its index, and whether the encoder ran: not where features were kept.

        With a ``feature_cache`` they are found whenever it tracks; prompts want them `in_all_views` of the model. It
        may be closed between any two frames; another call goes on where this one stopped.
        """
        for frame in range(inference_state.num_frames) if frame_indices is None else frame_indices:
            with running(self.device, self._dtype):
                is_new = self._tracker.look(inference_state, inference_state.check_frame(frame), in_all_views)
            yield frame, is_new

    def clear_all_prompts_in_frame(
        self, inference_state: InferenceState, frame_idx: int, obj_id: int, need_output: bool = True
    ) -> Answer | None:
        """Take back all prompts of an object on a frame, and return the frame's masks if they are needed.

        Raises
        ------
        PromptError
            No such frame or object.
        """
        state, (frame, obj_id) = inference_state, checked_place(frame_idx, obj_id, inference_state.num_frames)
        self._tracker.clear_prompts(state.find_object(obj_id), frame)
        state.find_object(obj_id).prompts_changed(frame)
        if not need_output:
            return None
        with running(self.device, self._dtype):
            return frame, state.obj_ids, self._tracker.read_with_pending(state, frame)

    def remove_object(
        self, inference_state: InferenceState, obj_id: int, strict: bool = False, need_output: bool = True
    ) -> tuple[list[int], list[tuple[int, Tensor]]]:
        """Remove an object with its prompts and memory.

        Parameters
        ----------
        strict
            Whether an unknown object is an error.
        need_output
            Also return the masks of the frames on which it had prompts.

        Returns
        -------
        tuple
            The ids that are left, and (frame, logits (O, 1, H, W)) of those frames.

        Raises
        ------
        PromptError
            ``strict`` and no such object.
        """
        state, obj_id = inference_state, plain_id(obj_id)
        if obj_id not in state.objects and not strict:
            return state.obj_ids, []
        prompted = sorted(state.find_object(obj_id).prompts)
        del state.objects[obj_id]
        if not need_output or not state.objects:
            return state.obj_ids, []
        with running(self.device, self._dtype):
            return state.obj_ids, [(frame, self._tracker.read_with_pending(state, frame)) for frame in prompted]

    def reset_state(self, inference_state: InferenceState) -> None:
        """Remove all objects and prompts; the stack and its image features stay."""
        inference_state.clear()

    def snapshot(self, inference_state: InferenceState, whole_frames: int | None = None) -> Snapshot:
        """Return what a state knows as arrays and a few words, for `restore` on this or another machine.

        Parameters
        ----------
        whole_frames
            How many tracked frames of each object are kept in full, the newest; the others are packed. None keeps what
            the state does, and what is done next is the same to the last bit; ``num_maskmem`` (7 officially) or more
            do so for a run that goes on where it stopped.
        """
        return take_snapshot(self.model, self.options.semantics, inference_state, whole_frames)

    def restore(self, video_path: object, snapshot: Snapshot, **options: Any) -> InferenceState:
        """Return a state over the same stack that knows what a snapshot says.

        Parameters
        ----------
        video_path, **options
            As for `init_state`, when the state was made that the snapshot was taken of.
        snapshot
            Of a predictor with the same model and reading of the calls.

        Raises
        ------
        CheckpointError
            It was taken with another model or another reading, or is incomplete.
        StackError
            It was taken of frames of another number or size, or the stack cannot be read.
        """
        state = self.init_state(video_path, **options)
        restore_snapshot(self.model, self.options.semantics, state, snapshot, self._tracker.new_object)
        return state

    def _picked(self) -> torch.dtype | None:
        return pick_precision(self.options.precision, self.device, exact=self.options.semantics == "official")

    def _take_prompt(
        self,
        state: InferenceState,
        frame: int,
        whose: tuple[int, TrackedObject],
        prompt: PointPrompt | MaskPrompt,
        need_output: bool,
    ) -> Answer | None:
        """Answer a prompt, and only then record it: an error on the way leaves the state as it was."""
        obj_id, tracked = whose
        with running(self.device, self._dtype):
            pending = self._tracker.predict_prompt(state, frame, tracked, prompt)
            state.objects.setdefault(obj_id, tracked)
            self._tracker.take_prompt(tracked, frame, prompt, pending)
            if not need_output:
                return None
            return frame, state.obj_ids, self._tracker.read_with_pending(state, frame, pending.conditions)
