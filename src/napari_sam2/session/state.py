"""What the parts of a session share: document, masks and settings as they are, and which results still hold for them.

`Edits` replaces the document, `SessionWork` the settings and brings masks, `Saving` writes all of it. What is computed
carries the revision that it was computed for; here is known what changed since. All on the main thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal, SignalGroup

from napari_sam2.document.document import Document, DocumentDiff, PromptKey
from napari_sam2.engine.run_record import RunInWork
from napari_sam2.engine.updates import FrameUpdate
from napari_sam2.masks.stale import is_drawn
from napari_sam2.masks.stored_masks import MaskChange, MaskKey, MaskStatus, StoredMask, frames_of
from napari_sam2.session.history import History
from napari_sam2.session.looks import masks_on, movie_of
from napari_sam2.session.settings import OF_THE_MOVIE, SHOWN_ONLY, SessionSettings, changed_fields
from napari_sam2.stacks import ModelMovie, Stack
from sam2_core.errors import StackError


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
        for frame, object_ids in frames_of(changes).items():
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
    """

    def __init__(self, stack: Stack, settings: SessionSettings, document: Document) -> None:
        self.stack = stack
        self.settings = settings
        self.movie: ModelMovie = movie_of(stack, settings)
        self.masks = masks_on(self.movie)
        self.document = document
        self.history = History()
        self.events = SessionEvents()
        self.revision = 0
        self.run: RunInWork | None = None
        self.unshown: set[PromptKey] = set()
        self._key_revisions: dict[PromptKey, int] = {}
        self._object_revisions: dict[int, int] = {}
        self._all_revision = 0

    @property
    def waited_for(self) -> frozenset[PromptKey]:
        """Prompts whose masks are not shown yet although they could be."""
        locked = self.document.locked
        return frozenset(key for key in self.unshown if key[0] not in locked)

    def status(self, object_id: int) -> NDArray[np.uint8]:
        """Return one code per frame, (T,) uint8: 0 nothing, 1 prompted, 2 tracked, 3 edited, 4 stale, 5 absent."""
        return self.masks.statuses(object_id)

    def labels(self, frame: int, object_id: int | None = None) -> NDArray[np.uint16 | np.uint32]:
        """Return the labels of a frame (H, W) as they are shown, or those of one object, overlaps uncut."""
        if object_id is not None:
            return self.masks.labels(frame, [object_id])
        shown = [one for one, info in self.document.objects.items() if info.visible]
        return self.masks.labels(frame, shown, self.settings.overlaps, self.document.locked)

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
        if changed & OF_THE_MOVIE and self.document.prompts:
            raise StackError(
                "The tracked axis and the fixed ones cannot change while there are prompts; open the stack again, or "
                "remove the objects first."
            )
        if changed <= SHOWN_ONLY:
            self.settings = settings
            return []
        self.movie, self.settings = movie_of(self.stack, settings), settings
        if changed & OF_THE_MOVIE:
            self.masks = masks_on(self.movie)
        return self._hold_nothing()

    def is_void(self, update: FrameUpdate, key: PromptKey) -> bool:
        """Return whether what was computed for (object_id, frame) was computed before the last change of it."""
        if update.revision < self._all_revision:
            return True
        if update.leg == "prompt":
            return update.revision < self._key_revisions.get(key, 0) or key not in self.unshown
        return update.revision < self._object_revisions.get(key[0], 0)

    def finish_frame(self, update: FrameUpdate) -> None:
        """Note that a frame of the run came, and that the run is over with its last one."""
        if self.run is not None and self.run.revision == update.revision:
            self.run.finish(update.leg, update.frame_index)
            if update.done >= update.total:
                self.run = None

    def _hold_nothing(self) -> list[MaskChange]:
        """Return the masks that turned stale: all results that came, or are on their way, hold no longer."""
        self.run = None
        self.revision += 1
        self._all_revision = self.revision
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


def _is_of_prompt(mask: StoredMask) -> bool:
    return mask.leg == "prompt" and mask.status is not MaskStatus.stale
