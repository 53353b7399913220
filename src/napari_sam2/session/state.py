"""What the parts of a session share: document, masks and settings as they are, and which results still hold for them.

`Edits` replaces document and settings, `SessionWork` brings masks, `Saving` writes all of it. What is computed carries
the revision that it was computed for; here is known what changed since. All on the main thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal, SignalGroup

from napari_sam2.document.difference import DocumentDiff, difference
from napari_sam2.document.document import Document, PromptKey
from napari_sam2.document.plain_values import whole_number
from napari_sam2.engine.run_record import RunInWork
from napari_sam2.engine.updates import FrameUpdate
from napari_sam2.masks.overlaps import PixelBox
from napari_sam2.masks.stale import is_drawn
from napari_sam2.masks.stored_masks import MaskChange, MaskKey, MaskStatus, StoredMask, frames_of
from napari_sam2.session.history import History, Moment, Step
from napari_sam2.session.looks import masks_on, movie_of
from napari_sam2.session.settings import OF_THE_MOVIE, SHOWN_ONLY, SessionSettings, changed_fields, invalidated
from napari_sam2.stacks import ModelMovie, Stack
from sam2_core.checkpoints.identity import WeightsId
from sam2_core.errors import PromptError, StackError


class SessionEvents(SignalGroup):
    """What a session tells, on the main thread and after the change."""

    document_changed = Signal(DocumentDiff)
    masks_changed = Signal(int, tuple)
    """Frame, object ids."""
    history_changed = Signal()
    settings_changed = Signal(SessionSettings, SessionSettings)
    """Old, new."""
    saving_failed = Signal(str)
    """Why what was changed is not in the folder yet; it is tried again."""

    def tell_masks(self, changes: Sequence[MaskChange]) -> None:
        """Emit `masks_changed` once for each frame that has a changed mask."""
        for frame, object_ids in frames_of([each for each in changes if each.before is not each.after]).items():
            self.masks_changed.emit(frame, object_ids)


class SessionState:
    """The document of a session with its masks, and the settings that they were made with.

    Attributes
    ----------
    events
        Emitted by the parts, once the change is made and handed to be saved.
    revision
        Counts changes of the document and of what the model sees.
    run
        The propagation that was begun and is not finished; None where prompts were changed since.
    unshown
        Prompts whose masks are not shown yet.
    weights
        Those that made masks or proposals, the last used last; empty where that is not known.
    is_closed
        Whether nothing that is changed is kept any more.
    """

    looked_away = Signal()
    """What the model sees is another: whatever was computed, or is being computed, holds no longer."""

    def __init__(self, stack: Stack, settings: SessionSettings, document: Document) -> None:
        self.stack = stack
        self.settings = settings
        self.movie: ModelMovie = movie_of(stack, settings)
        self.masks = masks_on(self.movie)
        self.document = document
        self.history = History(self._bytes_of)
        self.events = SessionEvents()
        self.revision = 0
        self.run: RunInWork | None = None
        self.unshown: set[PromptKey] = set()
        self.is_closed = False
        self.weights: tuple[WeightsId, ...] = ()
        self._key_revisions: dict[PromptKey, int] = {}
        self._object_revisions: dict[int, int] = {}
        self._all_revision = 0

    @property
    def waited_for(self) -> frozenset[PromptKey]:
        """Prompts whose masks are not shown yet although they could be."""
        locked = self.document.locked
        return frozenset(key for key in self.unshown if key[0] not in locked)

    @property
    def newest(self) -> frozenset[int]:
        """The objects of those of them that came with the last step."""
        last = max((self._key_revisions.get(key, 0) for key in self.unshown), default=0)
        return frozenset(key[0] for key in self.waited_for if self._key_revisions.get(key, 0) == last)

    @property
    def is_waiting(self) -> bool:
        """Whether there are such prompts."""
        locked = self.document.locked
        return any(key[0] not in locked for key in self.unshown)

    def checked_frame(self, frame: int) -> int:
        """Return a frame that there is, as a plain number.

        Raises
        ------
        PromptError
            If there is none.
        """
        count, index = self.masks.frame_count, whole_number(frame, "frame")
        if not 0 <= index < count:
            raise PromptError(f"there is no frame {index}; the stack has frames 0 to {count - 1}.")
        return index

    def status(self, object_id: int) -> NDArray[np.uint8]:
        """Return one code per frame, (T,) uint8: 0 nothing, else that of a `MaskStatus`, 1 prompted to 7 found.

        Raises
        ------
        PromptError
            If there is no such object.
        """
        self.document.check_object(object_id)
        return self.masks.statuses(object_id)

    def labels(
        self, frame: int, object_id: int | None = None, box: PixelBox | None = None
    ) -> NDArray[np.uint16 | np.uint32]:
        """Return the labels of a frame (H, W) as they are shown, or those of one object, overlaps uncut.

        box: y0, x0, y1, x1 of the part (h, w) that is wanted; the whole frame where None.

        Raises
        ------
        PromptError
            If there is no such frame or object.
        """
        frame = self.checked_frame(frame)
        if object_id is not None:
            self.document.check_object(object_id)
            return self.masks.labels(frame, [object_id], box=box)
        shown = [one for one, info in self.document.objects.items() if info.visible]
        return self.masks.labels(frame, shown, self.settings.overlaps, self.document.locked, box)

    def replace_document(self, document: Document, diff: DocumentDiff) -> None:
        """Put another document in place, and note which prompts and objects it changes."""
        self.document = document
        self.revision += 1
        for key in diff.keys:
            self._key_revisions[key] = self._object_revisions[key[0]] = self.revision
        for object_id in diff.removed_objects:
            self._object_revisions[object_id] = self.revision
        drawn = {key for key in diff.changed if is_drawn(document.prompts[key])}
        self.unshown -= {*diff.removed, *drawn}
        self.unshown |= set(diff.changed) - drawn
        if diff.keys or diff.removed_objects:
            self.run = None

    def take_masks(self, masks: Iterable[tuple[MaskKey, StoredMask]]) -> None:
        """Hold the masks of a saved session; prompts whose masks are stale or not theirs are not shown yet."""
        self.masks = masks_on(self.movie, masks)
        found = {key: self.masks.get(key) for key in self.document.prompts}
        self.unshown = {key for key, mask in found.items() if mask is None or not _is_of_prompt(mask)}

    def take_settings(self, settings: SessionSettings) -> list[MaskChange]:
        """Replace the settings, and return the masks that turned stale because they do not go with the new ones.

        Raises
        ------
        StackError
            If the stack has nothing of that kind, or other frames are asked for while there are prompts.
        """
        changed = changed_fields(self.settings, settings)
        if changed & OF_THE_MOVIE and (self.document.prompts or self.document.proposals):
            raise StackError(
                "The tracked axis and the fixed ones cannot change while there are prompts or proposals; open the "
                "stack again, or remove these first."
            )
        gone = self._see(settings)
        return [] if changed <= SHOWN_ONLY else [*gone, *self._hold_nothing()]

    def take_stack(self, stack: Stack) -> None:
        """Go on with a stack that has more channels behind those that there were; what is seen stays the same."""
        were = tuple(range(self.stack.size("C")))

        def named(settings: SessionSettings) -> SessionSettings:
            return settings if settings.channels is not None else settings.model_copy(update={"channels": were})

        self.stack, self.settings = stack, named(self.settings)
        self.history.follow_settings(named)
        self.movie = movie_of(stack, self.settings)

    def moment(self, object_ids: Iterable[int] = (), settings: bool = False) -> Moment:
        """Return the session as it is, with all that some objects have, and with the settings where they are asked for.

        Settings that change what the model sees touch all objects.
        """
        touched = frozenset(object_ids)
        prompts = self.document.prompts_of
        unshown = {(one, frame) for one in touched for frame in prompts(one) if (one, frame) in self.unshown}
        masks = {object_id: self.masks.held(object_id) for object_id in touched}
        return Moment(self.document, masks, frozenset(unshown), self.settings if settings else None)

    def every_object(self) -> set[int]:
        """Return the ids of all objects that are known or have a mask."""
        return {*self.document.objects, *self.masks.object_ids()}

    def go_to(self, moment: Moment) -> tuple[DocumentDiff, list[MaskChange]]:
        """Put a moment in place; return by what the document differs from the one before, and which masks do."""
        changes = [] if moment.settings is None else self._see(moment.settings)
        diff = difference(self.document, moment.document)
        self.replace_document(moment.document, diff)
        for object_id, frames in moment.masks.items():
            changes += self.masks.hold(object_id, frames)
            self._object_revisions[object_id] = self.revision
        self.unshown = {key for key in self.unshown if key[0] not in moment.masks} | moment.unshown
        return diff, changes

    def is_outlived(self, revision: int) -> bool:
        """Return whether the model saw other frames when the document had a revision."""
        return revision < self._all_revision

    def is_void(self, update: FrameUpdate, key: PromptKey) -> bool:
        """Return whether what was computed for (object_id, frame) was computed before the last change of it."""
        if self.is_outlived(update.revision):
            return True
        if update.leg == "prompt":
            is_wanted = update.is_anew or key in self.unshown
            return update.revision < self._key_revisions.get(key, 0) or not is_wanted
        return update.revision < self._object_revisions.get(key[0], 0)

    def finish_frame(self, update: FrameUpdate) -> None:
        """Note that a frame of the run came, and that the run is over with its last one."""
        if self.run is not None and self.run.revision == update.revision:
            self.run.finish(update.leg, update.frame_index)
            if update.done >= update.total:
                self.run = None

    def _see(self, settings: SessionSettings) -> list[MaskChange]:
        """Go by other settings; return the masks that are gone because they were of other frames."""
        old, gone = self.settings, list[MaskChange]()
        if invalidated(old, settings):
            self.movie = movie_of(self.stack, settings)
            self.run = None
            self.revision += 1
            self._all_revision = self.revision
        self.settings = settings
        if changed_fields(old, settings) & OF_THE_MOVIE:
            gone = [MaskChange(key, mask, None) for key, mask in self.masks.items()]
            self.masks = masks_on(self.movie)
        if invalidated(old, settings):
            self.looked_away.emit()
        return gone

    def _hold_nothing(self) -> list[MaskChange]:
        """Return the masks that turned stale, because what made them is no more."""
        self.unshown = {key for key, prompt in self.document.prompts.items() if not is_drawn(prompt)}
        changes: list[MaskChange] = []
        for object_id in self.masks.object_ids():
            if object_id not in self.document.locked:
                changes += self.masks.turn_stale(object_id, lambda frame, mask: True)
        for key in self.waited_for:
            mask = self.masks.get(key)
            if mask is not None:
                changes.append(self.masks.put(key, mask.with_status(MaskStatus.stale)))
        return changes

    def _bytes_of(self, step: Step) -> int:
        """Return the bytes of masks that a step keeps and that are in use no more, prompts' masks among them."""
        moment, prompts = step.moment, self.document.prompts
        masks = sum(
            len(mask.packed)
            for object_id, frames in moment.masks.items()
            for frame, mask in frames.items()
            if self.masks.get((object_id, frame)) is not mask
        )
        said = (prompt for object_id in moment.masks for prompt in moment.document.prompts_of(object_id).values())
        drawn = sum(
            len(one.drawn.packed)
            for one in said
            if one.drawn is not None and prompts.get((one.object_id, one.frame)) is not one
        )
        return masks + drawn


def _is_of_prompt(mask: StoredMask) -> bool:
    return mask.leg == "prompt" and mask.status is not MaskStatus.stale
