"""The model at work, on the lane only: a predictor's state is brought to a document, then run along.

Order of a job: the predictor is loaded at the first one; the state is brought to the job's document (`prompted_state`);
then the passes of the job run frame by frame, and a span begins where the memory that it needs is whole (`remembered`).
Masks, undo and locks are not known here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_sam2.document.document import Document, PromptKey
from napari_sam2.document.prompt import typical_diameter
from napari_sam2.document.prompt_parts import PointYX
from napari_sam2.engine.clicked_sizes import ClickedSizes
from napari_sam2.engine.finding import find
from napari_sam2.engine.foreign_predictor import weights_of
from napari_sam2.engine.found_apart import can_be_sent, find_apart
from napari_sam2.engine.jobs import CancelToken, FindJob, Job, Json, PropagateJob
from napari_sam2.engine.prompted_state import PromptedState
from napari_sam2.engine.remembered_frames import Remembered
from napari_sam2.engine.span_plan import Pass, passes_of
from napari_sam2.engine.updates import FoundUpdate, FrameUpdate, LegName, MaskPatch
from napari_sam2.engine.view import ChosenView, ViewChoice, ViewRequest, choose_view
from napari_sam2.stacks import ModelMovie
from sam2_core.checkpoints.identity import WeightsId
from sam2_core.errors import CheckpointError, StackError
from sam2_core.inference.memory.snapshots import Snapshot
from sam2_core.inference.video_calls import WholeFramePredictor

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

MUCH_THE_SAME = 1.25
"""A size that differs by no more than this factor from the one that is gone by changes no view."""
IN_WINDOWS = "measured in windows around the first clicks"
"""Source of a size that masks of whole frames do not tell."""
SNAPSHOT_EVERY = 16
"""Frames of a run between two snapshots."""


class KeptSnapshot(Protocol):
    """An engine's memory at one moment, as it was made or as it comes back from a file."""

    @property
    def tensors(self) -> Mapping[str, Tensor | npt.NDArray[np.generic]]:
        """Name -> array or tensor."""

    @property
    def meta(self) -> Mapping[str, Json]:
        """All the rest, as JSON can hold it."""


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """A snapshot to go on from, and the document that the state was brought to before it was taken."""

    snapshot: KeptSnapshot
    document: Document


OnSnapshot = Callable[[Snapshot, str, int], None]
"""Called on the lane with a snapshot, whose `meta` holds the predictor's own under "predictor" and beside that what the
engine knows of it, and the leg and the frame behind which it was taken."""
_log = logging.getLogger(__name__)
WHOLE_FRAMES = ViewRequest(ViewChoice.full, None, "")


class Engine:
    """A predictor, its state over one movie, and the prompts that the state was given.

    Parameters
    ----------
    load_predictor
        Called on the lane, at the first job.
    movie
        Frames as the model sees them.
    look
        A size that is not known is taken from the first masks, of small cells from those in windows around the clicks.
    restored
        Where to go on from, if anywhere.

    Attributes
    ----------
    weights
        Those of the predictor, None before the first job and where it does not know.
    """

    def __init__(
        self,
        load_predictor: Callable[[], WholeFramePredictor],
        movie: ModelMovie,
        look: ViewRequest = WHOLE_FRAMES,
        restored: Restored | None = None,
    ) -> None:
        self.on_snapshot: OnSnapshot | None = None
        self.view_sentence = ""
        self.weights: WeightsId | None = None
        self._load_predictor = load_predictor
        self._movie = movie
        self._look = look
        self._restored = restored
        self._work: PromptedState | None = None

    @cached_property
    def _predictor(self) -> WholeFramePredictor:
        """The predictor as it was loaded; it looks at whole frames."""
        predictor = self._load_predictor()
        self.weights = weights_of(predictor)
        return predictor

    @cached_property
    def _clicked(self) -> ClickedSizes:
        """How large clicked objects are in windows."""
        return ClickedSizes(self._predictor, self._movie)

    def run(self, job: Job, token: CancelToken) -> Iterator[FrameUpdate]:
        """Yield what a job finds, until it is done or cancelled; the next job goes on from there.

        Raises
        ------
        CheckpointError
            The model cannot be had.
        PromptError
            The predictor cannot use a prompt.
        StackError
            A frame cannot be read.
        """
        if token.cancelled:
            return
        work = self._started(job)
        asked = work.take_back(job)
        passes: tuple[Pass, ...] = ()
        if isinstance(job, PropagateJob):
            passes = passes_of(work.remembered.begins(job.spans, job.document))
        is_aside = isinstance(job, PropagateJob) and job.is_aside
        progress = _Progress(job.revision, len(asked) + sum(len(one.frames) for one in passes), is_aside)
        for turn in _turns_aside(asked, passes) if is_aside else [_Turn(asked, passes)]:
            for key in turn.asked:
                if token.cancelled:
                    return
                patch = work.say(job.document.prompts[key], job.known.get(key))
                progress.done += 1
                update = _update(work, "prompt", key[1], {key[0]: patch}, progress)
                yield replace(update, is_anew=key in work.shown_before)
                work.shown_before.discard(key)
            for one in turn.passes:
                yield from self._tracked(work, one, job, progress, token)
            work.forget(turn.over)

    def find(self, job: FindJob, token: CancelToken) -> Iterator[FoundUpdate]:
        """Yield what is found on frames without a prompt, until all are looked at or it is cancelled.

        Raises
        ------
        CheckpointError
            The model cannot be had.
        StackError
            The predictor finds nothing by itself, or a frame cannot be read.
        """
        if token.cancelled:
            return
        if self._work is None and self._restored is None:
            self._look_as_chosen()
        state = None if self._work is None else self._work.state
        predictor = self._predictor
        here = partial(find, predictor, self._movie, state)
        if job.request.processes > 1 and can_be_sent(predictor):
            yield from find_apart(predictor, self._movie, job, token, here)
        else:
            yield from here(job, token)

    def look_at(self, frame: int, place_yx: PointYX) -> Generator[None, None, None]:
        """Have at hand what a first click at a place would be answered from; only once a prompt loaded the model."""
        if self._work is not None:
            yield from self._work.look_at(frame, place_yx)

    @property
    def diameter_px(self) -> float | None:
        """Diameter of a typical object that the view goes by, None as long as nothing tells it."""
        return self._look.diameter_px

    def _started(self, job: Job) -> PromptedState:
        """Return the state to work in; what the model looks at is known as soon as anything tells."""
        restored, self._restored = self._restored, None
        if restored is not None:
            self._work = self._restore(restored)
        work = self._work or self._look_as_chosen()
        if self._look.view is ViewChoice.full:
            return work
        told = job.diameter_px if isinstance(job, PropagateJob) and not job.resumes else None
        is_unknown = self._look.diameter_px is None and work.is_blank
        return self._sized(work, job, told) if is_unknown or told is not None else work

    def _sized(self, work: PromptedState, job: Job, told: float | None) -> PromptedState:
        """Return the state to work in by the size of objects: that of small clicked cells, the one told, or measured.

        Where a first click alone had seemed to be on a small cell, and those that came since are not, what was found in
        windows tells nothing.
        """
        prompts = job.document.prompts.values()
        small = self._clicked.small(prompts)
        if small is not None:
            return self._look_closer(work, small)
        if self._look.source == IN_WINDOWS and typical_diameter(prompts) is None:
            self._look, told = replace(self._look, diameter_px=None), None
            work = self._look_as_chosen()
        if told is not None:
            return self._settle(work, told, "estimated from the first prompts")
        return self._measure(work, job)

    def _look_as_chosen(self) -> PromptedState:
        chosen = self._chosen()
        if self._work is None or chosen.predictor is not self._work.predictor:
            state, before = chosen.predictor.init_state(self._movie), self._work
            self._work = PromptedState(chosen.predictor, state, self._size)
            if before is not None:
                self._work.take_over(before)
        return self._work

    def _chosen(self) -> ChosenView:
        chosen = choose_view(self._look, self._predictor, self._size)
        self.view_sentence = chosen.sentence
        return chosen

    @property
    def _size(self) -> tuple[int, int]:
        return self._movie.height, self._movie.width

    def _settle(self, work: PromptedState, diameter_px: float, source: str) -> PromptedState:
        """Look as a size asks for, unless it is much the same as before: then nothing has to be said again."""
        now = self._look.diameter_px
        if now is not None and 1 / MUCH_THE_SAME <= diameter_px / now <= MUCH_THE_SAME:
            return work
        self._look = replace(self._look, diameter_px=max(1.0, diameter_px), source=source, is_sure=False)
        return self._look_as_chosen()

    def _look_closer(self, work: PromptedState, diameter_px: float) -> PromptedState:
        """Look at small objects through windows, which depend on the prompts alone, whatever was looked at before."""
        if self._look.diameter_px == diameter_px:
            return work
        self._look = replace(self._look, diameter_px=diameter_px, source=IN_WINDOWS, is_sure=False)
        return self._look_as_chosen()

    def _measure(self, work: PromptedState, job: Job) -> PromptedState:
        """Take the size of an object from the mask of the first prompt; before a run from those of all objects."""
        prompts, found = job.document.prompts, dict[int, float]()
        for key in sorted(prompts, key=lambda key: (key[1], key[0])):
            diameter = None if key[0] in found else work.measure(prompts[key], job.known.get(key))
            if diameter is not None:
                found[key[0]] = diameter
            if found and not isinstance(job, PropagateJob):
                break
        if not found:
            return work
        which = "first mask" if len(found) == 1 else "first prompts"
        return self._settle(work, float(np.median(list(found.values()))), f"estimated from the {which}")

    def _tracked(
        self, work: PromptedState, one: Pass, job: Job, progress: _Progress, token: CancelToken
    ) -> Iterator[FrameUpdate]:
        """Yield the frames of one pass, of each object those that its span wants."""
        if token.cancelled or not isinstance(job, PropagateJob):
            return
        with closing(work.run(one)) as run:
            for frame, patches in run:
                progress.done += 1
                shown = {span.object_id for span in job.spans if span.leg == one.leg and frame in span.frames}
                found = {object_id: MaskPatch.of(patch) for object_id, patch in patches.items() if object_id in shown}
                if found:
                    self._take_snapshot(work, one, frame, progress, job.document)
                    yield _update(work, one.leg, frame, found, progress)
                if token.cancelled:
                    return

    def _take_snapshot(
        self, work: PromptedState, one: Pass, frame: int, progress: _Progress, document: Document
    ) -> None:
        """Hand over a snapshot if one is due and somebody wants it; `document` is that of the job."""
        progress.shown += 1
        if self.on_snapshot is None or progress.is_aside or progress.shown % SNAPSHOT_EVERY != 1:
            return
        other = "forward" if one.reverse else "backward"
        snapshot = work.predictor.snapshot(work.state)
        meta = {
            "predictor": dict(snapshot.meta),
            "remembered": work.remembered.to_json({(object_id, other) for object_id in one.object_ids}),
            "unsaid": work.unsaid(document),
            "diameter_px": self._look.diameter_px,
        }
        self.on_snapshot(replace(snapshot, meta=meta), one.leg, frame)

    def _restore(self, restored: Restored) -> PromptedState | None:
        """Return the state of a snapshot; None where it cannot be had, so that all is computed again from prompts."""
        meta, look = restored.snapshot.meta, self._look
        self._chosen()  # what is wrong with the model is no fault of the snapshot
        try:
            diameter = meta["diameter_px"]
            self._look = replace(look, diameter_px=None if diameter is None else float(diameter))
            predictor = self._chosen().predictor
            arrays = {name: np.asarray(tensor) for name, tensor in restored.snapshot.tensors.items()}
            state = predictor.restore(self._movie, Snapshot(arrays, dict(meta["predictor"])))
            remembered = Remembered.from_json(meta["remembered"])
            unsaid = {(int(object_id), int(at)) for object_id, at in meta.get("unsaid", ())}
        except (CheckpointError, StackError):
            raise  # it says what does not fit: the model, or the frames
        except Exception as error:  # noqa: BLE001 - a snapshot may come from anybody, and nothing depends on it
            _log.warning("The snapshot of the run cannot be used (%s); frames are looked at again.", error)
            self._look = look
            return None
        given = {key: prompt for key, prompt in restored.document.prompts.items() if key not in unsaid}
        return PromptedState(predictor, state, self._size, given, remembered)


@dataclass(frozen=True, slots=True)
class _Turn:
    """Prompts that are given, passes that are run then, and the objects that nobody asks for any more."""

    asked: Sequence[PromptKey]
    passes: Sequence[Pass]
    over: Collection[int] = ()


def _turns_aside(asked: Sequence[PromptKey], passes: Sequence[Pass]) -> Iterator[_Turn]:
    """Yield what is done pass by pass in a job whose objects, maybe thousands, are of no use behind it."""
    last = {object_id: one for one in passes for object_id in one.object_ids}
    given = set[int]()
    for one in passes:
        new = {*one.object_ids} - given
        given |= new
        over = [object_id for object_id in one.object_ids if last[object_id] is one]
        yield _Turn([key for key in asked if key[0] in new], [one], over)


@dataclass(slots=True)
class _Progress:
    """How far a job is."""

    revision: int
    total: int
    is_aside: bool
    done: int = 0
    shown: int = 0


def _update(
    work: PromptedState, leg: LegName, frame: int, found: Mapping[int, MaskPatch | None], progress: _Progress
) -> FrameUpdate:
    scores = tuple(work.score(object_id, frame, present=patch is not None) for object_id, patch in found.items())
    return FrameUpdate(
        progress.revision,
        frame,
        leg,
        tuple(found),
        tuple(found.values()),
        scores,
        progress.done,
        progress.total,
        is_aside=progress.is_aside,
    )
