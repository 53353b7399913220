"""A predictor of one's own, with the few calls that a session cannot do without: `taken_in` is its door.

What else the engine asks for, it gets here: a state of whose memory nothing is known, and runs side by side.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from sam2_core.checkpoints.identity import WeightsId, weights_here
from sam2_core.errors import CheckpointError
from sam2_core.inference.mask_logits import MaskLogits
from sam2_core.inference.memory.snapshots import Snapshot
from sam2_core.inference.video_calls import Answer, OwnState, WholeFramePredictor

if TYPE_CHECKING:
    from sam2_core.inference.features import FeatureStore
    from sam2_core.inference.memory.inference_state import Shift, TrackedObject, Visit


def taken_in(given: object) -> WholeFramePredictor:
    """Return the predictor that is given, or that a given function makes, so that it answers all calls.

    Raises
    ------
    CheckpointError
        It is no predictor.
    """
    if isinstance(given, WholeFramePredictor):
        return given
    if isinstance(given, _FewCalls):
        return _TakenIn(given)
    if callable(given):
        return taken_in(given())
    needed = ", ".join(name for name in vars(_FewCalls) if not name.startswith("_"))
    raise CheckpointError(f"{type(given).__name__} is no video predictor; it must have {needed}")


def weights_of(predictor: object) -> WeightsId | None:
    """Return which weights a predictor works with, None where it does not know, or their file is gone."""
    path = predictor.weights_path if isinstance(predictor, _KnowsItsWeights) else None
    return None if path is None else weights_here(path)


@runtime_checkable
class _KnowsItsWeights(Protocol):
    """What a predictor of a model has besides."""

    @property
    def weights_path(self) -> Path | None: ...


@runtime_checkable
class _FewCalls(Protocol):
    """What must be there; `VideoPredictor` says what the calls mean. Its states have `obj_ids` and `select`."""

    @property
    def image_size(self) -> int: ...
    def init_state(self, video_path: object, /) -> OwnState: ...
    def add_new_points_or_box(self, state: OwnState, /, *given: object, **named: object) -> Answer: ...
    def add_new_mask(self, state: OwnState, /, *given: object, **named: object) -> Answer: ...
    def propagate_in_video(self, state: OwnState, /, *given: object, **named: object) -> Iterator[Answer]: ...
    def clear_all_prompts_in_frame(self, state: OwnState, /, *given: object, **named: object) -> Answer | None: ...
    def remove_object(self, state: OwnState, /, *given: object, **named: object) -> object: ...


@runtime_checkable
class _KeepsSnapshots(Protocol):
    """What may be there besides, so that runs go on after a stop."""

    def snapshot(self, state: OwnState, /) -> Snapshot: ...
    def restore(self, video_path: object, snapshot: Snapshot, /) -> OwnState: ...


class _State:
    """A state of a predictor of one's own."""

    def __init__(self, own: OwnState) -> None:
        from sam2_core.inference.features import LruFeatures

        self.own = own
        self.features: FeatureStore = LruFeatures()
        self.shift: Shift | None = None

    @property
    def obj_ids(self) -> list[int]:
        return list(self.own.obj_ids)

    def select(self, object_ids: Iterable[int]) -> _State:
        return _State(self.own.select(object_ids))

    def memory_of(self, object_id: int) -> TrackedObject | None:
        return None

    def put_back(self, object_id: int, frame: int, visit: Visit | None) -> None:
        """Nothing was taken."""

    def sort_objects(self) -> None:
        """Nothing is known of an order."""


class _TakenIn:
    """All calls of a `WholeFramePredictor`, answered by one that knows a few."""

    def __init__(self, own: _FewCalls) -> None:
        self._own = own

    @property
    def image_size(self) -> int:
        return self._own.image_size

    def init_state(self, video_path: object, *, offload_state_to_cpu: bool = False) -> _State:
        return _State(self._own.init_state(video_path))

    def add_new_points_or_box(self, inference_state: _State, *given: object, **named: object) -> Answer | None:
        return self._own.add_new_points_or_box(inference_state.own, *given, **named)

    def add_new_mask(self, inference_state: _State, *given: object, **named: object) -> Answer | None:
        return self._own.add_new_mask(inference_state.own, *given, **named)

    def propagate_in_video(
        self, inference_state: _State, *given: object, **named: object
    ) -> Generator[Answer, None, None]:
        yield from self._own.propagate_in_video(inference_state.own, *given, **named)

    def propagate_together(
        self, inference_states: Sequence[_State], *given: object, **named: object
    ) -> Generator[tuple[int, Sequence[MaskLogits]], None, None]:
        with ExitStack() as stack:
            runs = [
                stack.enter_context(closing(self.propagate_in_video(one, *given, **named))) for one in inference_states
            ]
            for answers in zip(*runs, strict=True):
                yield answers[0][0], [logits for _, _, logits in answers]

    def clear_all_prompts_in_frame(self, inference_state: _State, *given: object, **named: object) -> Answer | None:
        return self._own.clear_all_prompts_in_frame(inference_state.own, *given, **named)

    def remove_object(
        self, inference_state: _State, *given: object, **named: object
    ) -> tuple[list[int], Sequence[tuple[int, MaskLogits]]]:
        self._own.remove_object(inference_state.own, *given, **named)
        return inference_state.obj_ids, []

    def snapshot(self, inference_state: _State, whole_frames: int | None = None) -> Snapshot:
        if isinstance(self._own, _KeepsSnapshots):
            return self._own.snapshot(inference_state.own)
        return Snapshot.begun({})

    def restore(self, video_path: object, snapshot: Snapshot, *, offload_state_to_cpu: bool = False) -> _State:
        if isinstance(self._own, _KeepsSnapshots):
            return _State(self._own.restore(video_path, snapshot))
        raise CheckpointError("this predictor keeps no snapshots, so a run cannot go on; start it again")
