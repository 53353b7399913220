"""A predictor's state over one movie, and the prompts that it was given: brought to a document by difference.

Prompts that differ from those given before are taken back or given; a click that was added is one more call, anything
else is the prompt anew. What an object's memory is worth is kept per leg (`remembered`): a changed prompt makes all
behind it invalid. So that a run depends on its own leg only, what another one left is hidden from it, and the tracked
mask that a correction refined comes back when the correction is taken back.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from napari_sam2.document.document import Document, PromptKey
from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import Mask, PointYX
from napari_sam2.engine.give_prompt import give_prompt
from napari_sam2.engine.jobs import Job, PreviewJob, PropagateJob
from napari_sam2.engine.remembered_frames import Remembered
from napari_sam2.engine.span_plan import Pass
from napari_sam2.engine.updates import MaskPatch
from napari_sam2.masks.stale import is_drawn
from napari_sam2.masks.stored_masks import DRAWN_LOGIT, MaskStatus, StoredMask
from sam2_core.inference.mask_logits import LogitPatch, patches_of
from sam2_core.inference.video_calls import Answer, EncodesFrames, LooksAhead, TrackingState, VideoPredictor

if TYPE_CHECKING:
    from sam2_core.inference.memory.inference_state import Visit


class PromptedState:
    """A state of a predictor on frames of `size` (height, width), the prompts it was given, the frames it remembers.

    Attributes
    ----------
    shown_before
        Keys of prompts that another view has answered, and this one not yet.
    """

    def __init__(
        self,
        predictor: VideoPredictor,
        state: TrackingState,
        size: tuple[int, int],
        given: Mapping[PromptKey, Prompt] | None = None,
        remembered: Remembered | None = None,
    ) -> None:
        self.predictor = predictor
        self.state = state
        self.remembered = remembered or Remembered()
        self.shown_before: set[PromptKey] = set()
        self._size = size
        self._given = dict(given or {})
        self._bases: dict[PromptKey, Visit | None] = {}
        self._measured: dict[PromptKey, MaskPatch | None] = {}

    @property
    def is_blank(self) -> bool:
        """Whether no prompt holds in it."""
        return not self._given

    def unsaid(self, document: Document) -> list[PromptKey]:
        """Return the keys of a document that were left for later, by object and frame."""
        return sorted((int(one), int(frame)) for one, frame in document.prompts.keys() - self._given.keys())

    def look_at(self, frame: int, place_yx: PointYX) -> Iterator[None]:
        """Have at hand what a first click at a place would be answered from, and yield at each step."""
        if isinstance(self.predictor, LooksAhead):
            yield from self.predictor.look_at(self.state, frame, (place_yx[1], place_yx[0]))
        elif isinstance(self.predictor, EncodesFrames):
            for _ in self.predictor.encode_frames(self.state, [frame], in_all_views=True):
                yield

    def take_over(self, other: PromptedState) -> None:
        """Note which prompts another view has answered, whose masks this one is to make again."""
        self.shown_before = other.shown_before | other._given.keys()

    def measure(self, prompt: Prompt, known: StoredMask | None) -> float | None:
        """Give a prompt, and return the diameter of the disc of its mask's area, None without one; `say` knows it."""
        patch = self._measured[prompt.object_id, prompt.frame] = self.say(prompt, known)
        return diameter_of(patch)

    def take_back(self, job: Job) -> list[PromptKey]:
        """Take back what is no longer said, and return the keys to be given, by frame and object.

        Those are the keys that changed, and those whose masks somebody waits for, or another view made, although they
        did not. What was never given and nobody waits for (it was drawn, or a session was opened again) is left for a
        job about its object: behind hundreds of cells a click would wait for the model to take each of them in.
        """
        prompts = job.document.prompts
        left = {object_id for object_id, _ in prompts}
        self.forget({object_id for object_id, _ in self._given} - left)
        for key in [key for key in self._given if key not in prompts]:
            self._clear(key)
        changed = {key for key, prompt in prompts.items() if self._given.get(key) != prompt}
        for key in changed:
            self.remembered.prompt_changed(key)
        anew = {key for key in self.shown_before if key in prompts and not is_drawn(prompts[key])}
        waited_for = {key for key in job.unshown if key in prompts} | anew
        now = waited_for | {key for key in changed if key in self._given}
        spans = job.spans if isinstance(job, PropagateJob) else ()
        about = {object_id for object_id, _ in now} | {span.object_id for span in spans}
        first = job.first if isinstance(job, PreviewJob) else ()
        wanted = now | {key for key in changed if key[0] in about}
        return sorted(wanted, key=lambda key: (key[0] not in first, key[1], key[0]))

    def forget(self, object_ids: Iterable[int]) -> None:
        """Take back objects of which something was said, with all that is remembered of them."""
        for object_id in object_ids:
            self.predictor.remove_object(self.state, object_id, need_output=False)
            self.remembered.forget(object_id)
            for key in [key for key in self._given if key[0] == object_id]:
                self._clear(key)

    def say(self, prompt: Prompt, known: StoredMask | None) -> MaskPatch | None:
        """Give a prompt to the predictor, and return the mask of its object on its frame.

        Where the state does not know what clicks outside the object take away from, the mask that they left is given,
        or the one that was there before they came, and then the clicks.
        """
        key = object_id, frame = prompt.object_id, prompt.frame
        is_measured, patch = key in self._measured, self._measured.pop(key, None)
        if is_measured and self._given.get(key) == prompt:
            return patch
        said = self._prepare(prompt)
        refines_nothing = said is None and self._bases.get(key) is None
        said_now = prompt
        if known is not None and refines_nothing:
            is_left_by_it = known.status is MaskStatus.prompted
            mask = known.drawn(self._size)
            said_now = Prompt(object_id, frame, mask=mask) if is_left_by_it else replace(prompt, mask=mask)
        memory, is_new = self.state.memory_of(object_id), object_id not in self.state.obj_ids
        answer = give_prompt(self.predictor, self.state.select([object_id]), said_now, said)
        self._given[key] = prompt
        if is_new:
            self.state.sort_objects()
        elif self.state.memory_of(object_id) is not memory:  # a larger window, and nothing is remembered there
            self.remembered.forget(object_id)
        return patch_of(object_id, answer)

    def run(self, one: Pass) -> Generator[tuple[int, dict[int, LogitPatch | None]], None, None]:
        """Yield frame by frame the masks of the objects of a pass."""
        state, frames = self.state.select(one.object_ids), one.frames
        run = self.predictor.propagate_in_video(
            state, start_frame_idx=frames[0], max_frame_num_to_track=len(frames), reverse=one.reverse
        )
        with ExitStack() as hiding, closing(run):
            for object_id in one.object_ids:
                memory = self.state.memory_of(object_id)
                if memory is not None:
                    hiding.enter_context(memory.remembering(partial(self.remembered.holds, object_id, one.leg)))
            for frame, object_ids, logits in run:
                self.remembered.add(one.object_ids, one.leg, frame)
                yield frame, dict(zip(object_ids, patches_of(logits), strict=True))

    def score(self, object_id: int, frame: int, present: bool) -> float:
        """Return the object score logit on a frame; one that stands in, by `present`, where the state does not tell."""
        memory = self.state.memory_of(object_id)
        found = None if memory is None else memory.score(frame)
        return (DRAWN_LOGIT if present else -DRAWN_LOGIT) if found is None else found

    def _prepare(self, prompt: Prompt) -> int | None:
        """Take back what a prompt replaces; return how many of its clicks were given, None where all is to be said."""
        key = object_id, frame = prompt.object_id, prompt.frame
        old, memory = self._given.get(key), self.state.memory_of(object_id)
        said = None
        if old is not None and prompt.extends(old):
            said = len(old.points_yx)
        elif old is not None:
            self._bases[key] = self._clear(key, is_said_again=old == prompt)
        else:
            self._bases[key] = None if memory is None else memory.visit(frame)
        if memory is not None and self._bases.get(key) is None:
            memory.forget_visit(frame)
        return said

    def _clear(self, key: PromptKey, is_said_again: bool = False) -> Visit | None:
        """Take back a prompt that was given; the mask that it refined is there again, and is returned."""
        object_id, frame = key
        del self._given[key]
        self._measured.pop(key, None)
        base = self._bases.pop(key, None)
        if not is_said_again:
            self.remembered.prompt_changed(key)
        if object_id in self.state.obj_ids:
            one = self.state.select([object_id])
            self.predictor.clear_all_prompts_in_frame(one, frame, object_id, need_output=False)
            self.state.put_back(object_id, frame, base)
        return base


def diameter_of(patch: MaskPatch | None) -> float | None:
    """Return the diameter of the disc of a mask's area, None without a mask."""
    return None if patch is None else Mask(patch.logits > 0).diameter()


def patch_of(object_id: int, answer: Answer) -> MaskPatch | None:
    """Return what an answer says of one object."""
    _, object_ids, logits = answer
    return MaskPatch.of(dict(zip(object_ids, patches_of(logits), strict=True)).get(object_id))
