"""Objects found on frames of a movie without a prompt, on the lane: `sam2_core.finding` at work on a session's frames.

A frame is looked at as tracking sees it: its channels, its contrast. Where a tile is one that tracking looks through
too, or both look at the whole frame, the encoder looks once. A predictor that is no `SAM2VideoPredictor` finds objects
by itself (`Finds`), or does not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from napari_sam2.document.prompt_parts import Mask
from napari_sam2.engine.jobs import CancelToken, FindJob, FindRequest
from napari_sam2.engine.updates import Found, FoundUpdate
from napari_sam2.stacks import ModelMovie
from sam2_core.errors import StackError
from sam2_core.inference.video_calls import TrackingState, WholeFramePredictor

if TYPE_CHECKING:
    from torch import Tensor

    from sam2_core.finding import FoundObjects
    from sam2_core.finding.finder import Encode
    from sam2_core.finding.steps import Steps
    from sam2_core.inference.video_predictor import SAM2VideoPredictor
    from sam2_core.modeling.image_encoder import ImageFeatures
    from sam2_core.windowed.window import Window

FINE = 100
"""Parts of a frame in which progress is told."""
SIZED = (0.0, 0.5, 1.0)
"""Where the frames lie, from the first that is asked for to the last, that tell how large objects are. The smallest
size counts: a colony looks like one large cell, and cells become smaller as they crowd."""
SPECK = 1 / 3
"""Of the median of these sizes; smaller ones are those of dirt."""
PASS = 0.8
"""Share of what is left that a pass over the frame fills at most: where objects are looked at again, others follow."""
PASSES = 4
"""Passes that are expected over the first frame: two where a look is sure, up to six where it is not."""


@runtime_checkable
class Finds(Protocol):
    """A predictor that finds objects by itself."""

    def find_steps(self, image: NDArray[Any], request: FindRequest) -> Steps[FoundObjects]:
        """Look for objects on a frame, uint8 (H, W) or (H, W, 3)."""


def find(
    predictor: WholeFramePredictor, movie: ModelMovie, state: TrackingState | None, job: FindJob, token: CancelToken
) -> Generator[FoundUpdate, None, None]:
    """Yield how far the search is, and what was found frame by frame, until it is done or cancelled.

    Frames of one movie show objects of one size: what some frames tell of it (`SIZED`) holds for all.

    Parameters
    ----------
    state
        Of the predictor over the movie, whose features are shared; None where there is none yet.

    Raises
    ------
    PromptError
        Something that is asked for cannot be.
    StackError
        The predictor finds nothing by itself, or a frame cannot be read.
    """
    frames, request = job.request.frames, job.request
    sizes = dict[int, float]()
    if request.diameter_px is None and len(frames) > 1:
        sizes = yield from _sizes(predictor, movie, job, token)
        if frames[0] not in sizes:
            request = replace(request, diameter_px=_smallest(sizes.values()))
    passes = 1 if isinstance(predictor, Finds) else PASSES
    for place, frame in enumerate(frames):
        if token.cancelled:
            return
        so_far = SoFar(passes)
        with closing(_steps(predictor, movie[frame], request, state, frame)) as steps:
            found = yield from _looked_at(steps, job, token, so_far, place)
        if found is None:
            return
        passes = so_far.passes
        if request.diameter_px is None and found.diameter_px is not None:  # more exact than what the head says
            found = replace(found, diameter_px=_smallest((sizes | {frame: found.diameter_px}).values()))
        request = replace(request, diameter_px=found.diameter_px)
        yield FoundUpdate(job.revision, frame, (place + 1) * FINE, len(frames) * FINE, _found(found, job.source))


def look(predictor: WholeFramePredictor, image: NDArray[Any], request: FindRequest, source: str) -> Found:
    """Return what is found on one frame, uint8 (H, W) or (H, W, 3), with nothing known of others.

    Raises
    ------
    PromptError, StackError
        See `find`.
    """
    from sam2_core.finding.steps import result_of

    return _found(result_of(_steps(predictor, image, request, None, 0)), source)


def _sizes(
    predictor: WholeFramePredictor, movie: ModelMovie, job: FindJob, token: CancelToken
) -> Generator[FoundUpdate, None, dict[int, float]]:
    """Return how large objects are on some frames of a movie (`SIZED`), those that tell it: frame -> diameter."""
    from sam2_core.finding import find_diameter
    from sam2_core.inference.video_predictor import SAM2VideoPredictor

    frames, sizes = job.request.frames, dict[int, float]()
    if not isinstance(predictor, SAM2VideoPredictor):
        return sizes
    for frame in dict.fromkeys(frames[round(share * (len(frames) - 1))] for share in SIZED):
        yield FoundUpdate(job.revision, frames[0], 0, len(frames) * FINE)
        if token.cancelled:
            break
        with suppress(StackError):  # a frame that cannot be read is met in its turn
            size = find_diameter(predictor.model, movie[frame], region=job.request.region)
            sizes |= {} if size is None else {frame: size}
    return sizes


def _smallest(sizes: Collection[float]) -> float | None:
    """Return the smallest size that is none of dirt; None where there is none."""
    return min((size for size in sizes if size >= SPECK * median(sizes)), default=None)


def _looked_at(
    steps: Steps[FoundObjects], job: FindJob, token: CancelToken, so_far: SoFar, place: int
) -> Generator[FoundUpdate, None, FoundObjects | None]:
    """Yield how far the search on one frame is, and return what was found; None where it was cancelled."""
    frames = job.request.frames
    while not token.cancelled:
        try:
            done, total = next(steps)
        except StopIteration as end:
            result: FoundObjects = end.value
            return result
        part = place * FINE + int(FINE * so_far.at(done, total))
        yield FoundUpdate(job.revision, frames[place], part, len(frames) * FINE)
    return None


class SoFar:
    """How far work of several passes is, of which nobody knows how many there are: more each time, and less than 1.

    Attributes
    ----------
    passes
        How many there were till now.
    """

    def __init__(self, expected: int) -> None:
        self.passes = 1
        self._expected = expected
        self._begun_at = self._reached = 0.0
        self._done = 0

    def at(self, done: int, total: int) -> float:
        """Return how far it is where so much of a pass is done, (0, 0) where that is not known."""
        if 0 < self._done >= done:  # another pass
            self._begun_at = self._reached
            self.passes += 1
        self._done = done
        share = min(PASS, 1 / max(1, self._expected - self.passes + 1))
        self._reached = self._begun_at + (1 - self._begun_at) * share * done / max(1, total)
        return self._reached


def _steps(
    predictor: WholeFramePredictor, image: NDArray[Any], request: FindRequest, state: TrackingState | None, frame: int
) -> Steps[FoundObjects]:
    if isinstance(predictor, Finds):
        return predictor.find_steps(image, request)
    from sam2_core.finding import FindingOptions, find_steps
    from sam2_core.inference.video_predictor import SAM2VideoPredictor

    if not isinstance(predictor, SAM2VideoPredictor):
        raise StackError(
            f"{type(predictor).__name__} cannot find objects by itself; choose one of the models, or bring labels of "
            "another program with session.proposals.from_labels."
        )
    options = FindingOptions(
        diameter_px=request.diameter_px,
        min_diameter_px=request.min_diameter_px,
        max_diameter_px=request.max_diameter_px,
        region=request.region,
        keep_border=request.keep_border,
        least_score=request.min_score,
    )
    return find_steps(
        predictor.model, image, options, encode=_encoder(predictor, state, frame), precision=predictor.precision
    )


def _encoder(predictor: SAM2VideoPredictor, state: TrackingState | None, frame: int) -> Encode:
    """Return what encodes windows of a frame, or finds them encoded in a state, without their other views."""
    import torch

    from sam2_core.inference.memory.inference_state import InferenceState
    from sam2_core.windowed.window import Window
    from sam2_core.windowed.windowed_state import WindowedState

    whole = Window(0, 0, state.frames.width, state.frames.height) if isinstance(state, InferenceState) else None

    def kept(window: Window) -> ImageFeatures | None:
        if isinstance(state, WindowedState):
            return state.features.get((frame, window))
        return state.features.get(frame) if isinstance(state, InferenceState) and window == whole else None

    def encoded(windows: Sequence[Window], shown: Callable[[Window], Tensor]) -> list[ImageFeatures]:
        features = {window: known for window in windows if (known := kept(window)) is not None}
        new = [window for window in windows if window not in features]
        if new:
            made = predictor.model.encode_image(torch.cat([shown(window) for window in new])).apart()
            features |= zip(new, made, strict=True)
        if isinstance(state, InferenceState) and whole in new:
            features[whole] = state.features.put(frame, features[whole])
        return [replace(features[window], views=()) for window in windows]

    return encoded


def _found(objects: FoundObjects, source: str) -> Found:
    """Return what was found, as it goes to the main thread."""
    masks = [Mask.in_box(objects.frame_hw, one.box_xyxy[1], one.box_xyxy[0], one.mask) for one in objects.objects]
    scores = tuple(float(one.score) for one in objects.objects)
    return Found(tuple(masks), scores, source, objects.diameter_px, objects.remark)
