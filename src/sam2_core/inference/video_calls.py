"""What a video predictor answers, as protocols: `SAM2VideoPredictor`, one that looks through windows, or a stand-in.

`VideoPredictor` and `TrackingState` are what it takes to prompt and to run; `WholeFramePredictor` and `WholeFrameState`
add what it takes to stand behind windows. torch is not needed here.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from typing import Self

    from sam2_core.inference.features import FeatureStore
    from sam2_core.inference.mask_logits import MaskLogits
    from sam2_core.inference.memory.inference_state import Shift, TrackedObject, Visit
    from sam2_core.inference.memory.snapshots import Snapshot

Answer: TypeAlias = "tuple[int, list[int], MaskLogits]"
"""Frame index, object ids, and their logits (O, 1, H, W)."""
OwnState: TypeAlias = Any
"""A state that the predictor made itself: it takes no other, which types cannot say."""


class TrackingState(Protocol):
    """All that is known of one stack while it is tracked."""

    @property
    def obj_ids(self) -> list[int]:
        """Object ids; a new list each time."""

    def select(self, object_ids: Iterable[int]) -> Self:
        """Return a state that sees only these objects, the very same ones."""

    def memory_of(self, object_id: int) -> TrackedObject | None:
        """Return what is known of an object as long as it is kept in one place, None where nothing is."""

    def put_back(self, object_id: int, frame: int, visit: Visit | None) -> None:
        """Let a frame whose prompts were taken back be as a run had left it, or as none had come by."""

    def sort_objects(self) -> None:
        """Have the objects by ascending id, in which they go through the model."""


class WholeFrameState(TrackingState, Protocol):
    """A state whose frames may be windows: image features are shared, and memories moved."""

    features: FeatureStore
    shift: Shift | None


class VideoPredictor(Protocol):
    """The official calls, and snapshots; see `SAM2VideoPredictor`."""

    @property
    def image_size(self) -> int:
        """Side of the square model input in pixels."""

    def init_state(self, video_path: object) -> TrackingState:
        """Return the state of a new run over frames."""

    def add_new_points_or_box(  # noqa: PLR0913 - the official signature
        self,
        inference_state: OwnState,
        frame_idx: int,
        obj_id: int,
        *,
        points: object = None,
        labels: object = None,
        clear_old_points: bool = True,
        box: object = None,
        need_output: bool = True,
    ) -> Answer | None:
        """Prompt one object on one frame with points (x, y) or a box."""

    def add_new_mask(
        self, inference_state: OwnState, frame_idx: int, obj_id: int, mask: object, *, need_output: bool = True
    ) -> Answer | None:
        """Prompt one object on one frame with a mask (H, W)."""

    def propagate_in_video(
        self,
        inference_state: OwnState,
        start_frame_idx: int | None = None,
        max_frame_num_to_track: int | None = None,
        reverse: bool = False,
    ) -> Generator[Answer, None, None]:
        """Yield frame by frame the masks of all objects."""

    def clear_all_prompts_in_frame(
        self, inference_state: OwnState, frame_idx: int, obj_id: int, need_output: bool = True
    ) -> Answer | None:
        """Take back all prompts of an object on a frame."""

    def remove_object(
        self, inference_state: OwnState, obj_id: int, *, need_output: bool = True
    ) -> tuple[list[int], Sequence[tuple[int, MaskLogits]]]:
        """Remove an object with its prompts and memory, if it is there."""

    def snapshot(self, inference_state: OwnState, whole_frames: int | None = None) -> Snapshot:
        """Return what a state knows as arrays and a few words."""

    def restore(self, video_path: object, snapshot: Snapshot) -> TrackingState:
        """Return a state over the same frames that knows what a snapshot says."""


@runtime_checkable
class WholeFramePredictor(VideoPredictor, Protocol):
    """A video predictor that can stand behind windows."""

    def init_state(self, video_path: object, *, offload_state_to_cpu: bool = False) -> WholeFrameState:
        """Return the state of a new run over frames."""

    def restore(self, video_path: object, snapshot: Snapshot, *, offload_state_to_cpu: bool = False) -> WholeFrameState:
        """Return a state over the same frames that knows what a snapshot says."""

    def propagate_together(
        self,
        inference_states: Sequence[OwnState],
        start_frame_idx: int | None = None,
        max_frame_num_to_track: int | None = None,
        reverse: bool = False,
    ) -> Generator[tuple[int, Sequence[MaskLogits]], None, None]:
        """Yield frame by frame the masks of several states."""


@runtime_checkable
class RenamesObjects(Protocol):
    """A state in which an object can get another id."""

    def rename_object(self, object_id: int, new_id: int) -> None:
        """Give an object another id."""


@runtime_checkable
class EncodesFrames(Protocol):
    """A video predictor that can be told beforehand what it will be asked about."""

    def encode_frames(
        self, inference_state: OwnState, frame_indices: Iterable[int] | None = None, in_all_views: bool = False
    ) -> Iterator[tuple[int, bool]]:
        """Yield frame by frame its index, once its image features are kept, and whether they were made now."""


@runtime_checkable
class LooksAhead(Protocol):
    """A predictor that looks at places of frames through windows, and can do so before anybody clicks there."""

    def look_at(self, inference_state: OwnState, frame_idx: int, point_xy: tuple[float, float]) -> Iterator[None]:
        """Have at hand what a first click at a place would be answered from; it may be left at each item."""
