"""The model at work, on the lane only: a predictor's state is brought to a document by difference, then run along.

Order of a job: the predictor is loaded at the first one; prompts that differ from those given before are taken back or
given (a click that was added is one more call, anything else is the prompt anew); then the passes of the job run frame
by frame. What an object's memory is worth is kept per leg (`remembered`): a changed prompt makes all behind it invalid,
and a span begins where the memory that it needs is whole. Masks, undo and locks are not known here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from napari_sam2.document.document import Document, PromptKey
from napari_sam2.document.prompt import Prompt
from napari_sam2.engine.jobs import CancelToken, Job, PropagateJob, Span
from napari_sam2.engine.memory import Base, forget_visit, home, leave_window, only, put_in_order, score
from napari_sam2.engine.prompt_replay import extends, give
from napari_sam2.engine.remembered import Remembered
from napari_sam2.engine.span_plan import Pass, passes_of
from napari_sam2.engine.updates import FrameUpdate, LegName, MaskPatch
from napari_sam2.engine.view import ViewChoice, ViewRequest, choose_view
from napari_sam2.masks.stored_masks import StoredMask
from sam2_core.windowed.patches import patches_of

MUCH_THE_SAME = 1.25
"""A size that differs by no more than this factor from the one that is gone by changes no view."""
SNAPSHOT_EVERY = 16
"""Frames of a run between two snapshots."""


class Snapshot(Protocol):
    """An engine's memory at one moment, as it was made or as it comes back from a file."""

    @property
    def tensors(self) -> Mapping[str, Any]:
        """Name -> array or tensor."""

    @property
    def meta(self) -> Mapping[str, Any]:
        """All the rest, as JSON can hold it."""


@dataclass(frozen=True, slots=True, eq=False)
class EngineSnapshot:
    """The predictor's tensors; its own `meta` under "predictor", what the engine knows of it beside that."""

    tensors: Mapping[str, Any]
    meta: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """A snapshot to go on from, and the document that the state was brought to before it was taken."""

    snapshot: Snapshot
    document: Document


OnSnapshot = Callable[[EngineSnapshot, str, int], None]
"""Called on the lane with a snapshot, and the leg and the frame behind which it was taken."""
WHOLE_FRAMES = ViewRequest(ViewChoice.full, None, "")


class Engine:
    """A predictor, its state over one movie, and the prompts that the state was given.

    Parameters
    ----------
    load_predictor
        Makes the predictor; called on the lane, at the first job.
    movie
        Frames as the model sees them.
    look
        What the model is to look at; a size that is not known is taken from the mask of the first prompt.
    restored
        Where to go on from, if anywhere.
    """

    def __init__(
        self,
        load_predictor: Callable[[], Any],
        movie: Any,
        look: ViewRequest = WHOLE_FRAMES,
        restored: Restored | None = None,
    ) -> None:
        self.on_snapshot: OnSnapshot | None = None
        self.view_sentence = ""
        self._load_predictor = load_predictor
        self._movie = movie
        self._look = look
        self._restored = restored
        self._loaded: Any = None  # looks at whole frames
        self._predictor: Any = None  # looks as chosen
        self._state: Any = None
        self._given: dict[PromptKey, Prompt] = {}
        self._bases: dict[PromptKey, Base | None] = {}
        self._remembered = Remembered()

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
        self._start(job)
        asked = self._take_back(job)
        passes: tuple[Pass, ...] = ()
        if isinstance(job, PropagateJob):
            passes = passes_of(self._remembered.begins(job.spans, job.document))
        progress = _Progress(job.revision, len(asked) + sum(len(one.frames) for one in passes))
        for key in asked:
            if token.cancelled:
                return
            yield self._prompted(job.document.prompts[key], job.known.get(key), progress)
        if isinstance(job, PropagateJob):
            for one in passes:
                yield from self._tracked(one, job.spans, progress, token)

    @property
    def diameter_px(self) -> float | None:
        """Diameter of a typical object that the view goes by, None as long as nothing tells it."""
        return self._look.diameter_px

    def _start(self, job: Job) -> None:
        """Have a predictor and a state, and know what the model looks at as soon as anything tells."""
        if self._loaded is None:
            self._loaded = self._load_predictor()
        if self._restored is not None:
            self._restore(self._restored)
            self._restored = None
        if self._state is None:
            self._look_as_chosen()
        if self._look.view is ViewChoice.full:
            return
        if isinstance(job, PropagateJob) and job.diameter_px is not None and not job.resumes:
            self._settle(job.diameter_px, "estimated from the first prompts")
        elif self._look.diameter_px is None and not self._given:
            self._measure(job)

    def _look_as_chosen(self) -> None:
        chosen = choose_view(self._look, self._loaded, (self._movie.height, self._movie.width))
        self.view_sentence = chosen.sentence
        if self._state is None or chosen.predictor is not self._predictor:
            self._predictor = chosen.predictor
            self._state = self._predictor.init_state(self._movie)
            self._given, self._bases, self._remembered = {}, {}, Remembered()

    def _settle(self, diameter_px: float, source: str) -> None:
        """Look as a size asks for, unless it is much the same as before: then nothing has to be said again."""
        now = self._look.diameter_px
        if now is None or not 1 / MUCH_THE_SAME <= diameter_px / now <= MUCH_THE_SAME:
            self._look = replace(self._look, diameter_px=max(1.0, diameter_px), source=source)
            self._look_as_chosen()

    def _measure(self, job: Job) -> None:
        """Take the size of an object from the mask of the first prompt; before a run from those of all objects."""
        prompts, found = job.document.prompts, dict[int, float]()
        for key in sorted(prompts, key=lambda key: (key[1], key[0])):
            if key[0] in found:
                continue
            prompt = prompts[key]
            _, object_ids, logits = give(self._predictor, self._state.select([key[0]]), prompt)
            patch = MaskPatch.of(dict(zip(object_ids, patches_of(logits), strict=True)).get(key[0]))
            self._predictor.remove_object(self._state, key[0], need_output=False)
            if patch is not None:
                found[key[0]] = math.sqrt(4 * float((patch.logits > 0).sum()) / math.pi)
            if found and not isinstance(job, PropagateJob):
                break
        if found:
            which = "first mask" if len(found) == 1 else "first prompts"
            self._settle(float(np.median(list(found.values()))), f"estimated from the {which}")

    def _take_back(self, job: Job) -> list[PromptKey]:
        """Take back what is no longer said, and return the keys that are to be given, by frame and object.

        Those are the keys that changed, and those whose masks somebody waits for although they did not.
        """
        prompts = job.document.prompts
        left = {object_id for object_id, _ in prompts}
        for object_id in {object_id for object_id, _ in self._given} - left:
            self._predictor.remove_object(self._state, object_id, need_output=False)
            self._remembered.forget(object_id)
            for key in [key for key in self._given if key[0] == object_id]:
                self._clear(key)
        for key in [key for key in self._given if key not in prompts]:
            self._clear(key)
        changed = [key for key, prompt in prompts.items() if self._given.get(key) != prompt]
        for key in changed:
            self._remembered.prompt_changed(key)
        waited_for = [key for key in job.unshown if key in prompts]
        return sorted({*changed, *waited_for}, key=lambda key: (key[1], key[0]))

    def _clear(self, key: PromptKey, is_said_again: bool = False) -> Base | None:
        """Take back a prompt that was given; the mask that it refined is there again, and is returned."""
        object_id, frame = key
        del self._given[key]
        base = self._bases.pop(key, None)
        if not is_said_again:
            self._remembered.prompt_changed(key)
        if object_id in self._state.obj_ids:
            one = self._state.select([object_id])
            self._predictor.clear_all_prompts_in_frame(one, frame, object_id, need_output=False)
            if base is None:
                leave_window(self._state, object_id, frame)
            else:
                base.put_back(self._state, object_id, frame)
        return base

    def _prompted(self, prompt: Prompt, known: StoredMask | None, progress: _Progress) -> FrameUpdate:
        """Give a prompt to the predictor, and return the mask of its object on its frame.

        Where the state does not know what clicks outside the object took away from, the mask that they left is given.
        """
        key = object_id, frame = prompt.object_id, prompt.frame
        old = self._given.get(key)
        said = None
        if old is not None and extends(old, prompt):
            said = len(old.points_yx)
        elif old is not None:
            self._bases[key] = self._clear(key, is_said_again=old == prompt)
        else:
            self._bases[key] = Base.of(self._state, object_id, frame)
        if self._bases.get(key) is None:
            forget_visit(self._state, object_id, frame)
        one = self._state.select([object_id])
        said_now = prompt
        if known is not None and said is None and self._bases.get(key) is None:
            said_now = Prompt(object_id, frame, mask=known.placed((self._movie.height, self._movie.width)))
        before, is_new = home(self._state, object_id), object_id not in self._state.obj_ids
        _, object_ids, logits = give(self._predictor, one, said_now, said)
        self._given[key] = prompt
        if is_new:
            put_in_order(self._state)
        elif home(self._state, object_id) is not before:  # a larger window, and nothing is remembered there
            self._remembered.forget(object_id)
        patches = dict(zip(object_ids, map(MaskPatch.of, patches_of(logits)), strict=True))
        progress.done += 1
        return self._update("prompt", frame, {object_id: patches.get(object_id)}, progress)

    def _tracked(
        self, one: Pass, spans: Sequence[Span], progress: _Progress, token: CancelToken
    ) -> Iterator[FrameUpdate]:
        """Yield the frames of one pass, of each object those that its span wants."""
        if token.cancelled:
            return
        state = self._state.select(one.object_ids)
        leg: LegName = "backward" if one.reverse else "forward"

        def holds(object_id: int, frame: int) -> bool:
            return self._remembered.holds(object_id, leg, frame)

        run = self._predictor.propagate_in_video(
            state, start_frame_idx=one.frames[0], max_frame_num_to_track=len(one.frames), reverse=one.reverse
        )
        with only(self._state, one.object_ids, holds), closing(run):
            for frame, object_ids, logits in run:
                self._remembered.add(one.object_ids, leg, frame)
                progress.done += 1
                shown = {span.object_id for span in spans if span.leg == leg and frame in span.frames}
                patches = zip(object_ids, patches_of(logits), strict=True)
                found = {object_id: MaskPatch.of(patch) for object_id, patch in patches if object_id in shown}
                if found:
                    self._take_snapshot(one, leg, frame, progress)
                    yield self._update(leg, frame, found, progress)
                if token.cancelled:
                    return

    def _update(
        self, leg: LegName, frame: int, found: Mapping[int, MaskPatch | None], progress: _Progress
    ) -> FrameUpdate:
        scores = tuple(
            score(self._state, object_id, frame, present=patch is not None) for object_id, patch in found.items()
        )
        return FrameUpdate(
            progress.revision, frame, leg, tuple(found), tuple(found.values()), scores, progress.done, progress.total
        )

    def _take_snapshot(self, one: Pass, leg: str, frame: int, progress: _Progress) -> None:
        """Hand over a snapshot if one is due and somebody wants it."""
        progress.shown += 1
        if self.on_snapshot is None or progress.shown % SNAPSHOT_EVERY != 1:
            return
        other = "forward" if one.reverse else "backward"
        snapshot = self._predictor.snapshot(self._state)
        meta = {
            "predictor": dict(snapshot.meta),
            "remembered": self._remembered.to_json({(object_id, other) for object_id in one.object_ids}),
            "diameter_px": self._look.diameter_px,
        }
        self.on_snapshot(EngineSnapshot(snapshot.tensors, meta), leg, frame)

    def _restore(self, restored: Restored) -> None:
        meta = restored.snapshot.meta
        self._look = replace(self._look, diameter_px=meta["diameter_px"])
        chosen = choose_view(self._look, self._loaded, (self._movie.height, self._movie.width))
        self.view_sentence, self._predictor = chosen.sentence, chosen.predictor
        self._state = self._predictor.restore(self._movie, _of_the_predictor(restored.snapshot))
        self._given = dict(restored.document.prompts)
        self._remembered = Remembered.from_json(meta["remembered"])


class _Progress:
    """How far a job is."""

    def __init__(self, revision: int, total: int) -> None:
        self.revision = revision
        self.total = total
        self.done = 0
        self.shown = 0


def _of_the_predictor(snapshot: Snapshot) -> Any:
    """Return the predictor's own part of an engine's snapshot."""
    from sam2_core.inference.memory.snapshots import Snapshot as PredictorSnapshot

    arrays = {name: np.asarray(tensor) for name, tensor in snapshot.tensors.items()}
    return PredictorSnapshot(arrays, dict(snapshot.meta["predictor"]))
