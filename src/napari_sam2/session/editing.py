"""What a person changes: prompts, painted masks and objects, each edit one step that can be undone.

An edit replaces the document, lets the masks follow (`stale`), records both in the history, and then tells about it.
Nothing is computed here and nothing starts by itself. `Session` is this and the work besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from psygnal import Signal, SignalGroup

from napari_sam2.document.document import Document, DocumentDiff, PromptKey, difference, mask_of_polygon
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.prompt import Prompt, check_prompts
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stale import follow, is_drawn
from napari_sam2.masks.stored_masks import MaskChange, MaskStatus, StoredMask, frames_of
from napari_sam2.session.history import History, Step
from napari_sam2.session.settings import SessionSettings
from sam2_core.errors import PromptError

Array = np.ndarray[Any, Any]


class SessionEvents(SignalGroup):
    """What a session tells, on the main thread and after the change."""

    document_changed = Signal(DocumentDiff)
    masks_changed = Signal(int, tuple)
    """Frame, object ids."""
    history_changed = Signal()
    settings_changed = Signal(SessionSettings, SessionSettings)
    """Old, new."""


class Editing:
    """A document and its masks, edited step by step; all on the main thread.

    Attributes
    ----------
    document, masks
        What a person said, and what came of it.
    revision
        Counts changes of the document; what is computed says for which one.
    events
        See `SessionEvents`.
    """

    def __init__(self, masks: MaskStore, document: Document | None = None) -> None:
        self.events = SessionEvents()
        self.masks = masks
        self.document = document or Document()
        self.revision = 0
        self._history = History()
        self._unshown: set[PromptKey] = set()
        self._key_revisions: dict[PromptKey, int] = {}
        self._object_revisions: dict[int, int] = {}

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of a frame."""
        return self.masks.size

    @property
    def frame_count(self) -> int:
        """Frames of the movie."""
        return self.masks.frame_count

    def new_object(self, name: str = "") -> int:
        """Return the id of a new object, which has nothing but a name yet."""
        object_id = self.document.next_object_id()
        self._commit(self.document.with_object(ObjectInfo(object_id, name)), "add an object")
        return object_id

    def add_points(self, object_id: int, frame: int, points_yx: Any, labels: Sequence[int] | None = None) -> None:
        """Add clicks to what is said of an object on a frame; the object is made if it is new.

        Parameters
        ----------
        object_id
            1 or more.
        frame
            0-based.
        points_yx
            (N, 2) in pixels of the frame.
        labels
            One per click: 1 in the object, 0 outside; all 1 where None.

        Raises
        ------
        PromptError
            If a click or the frame lies outside the movie, or the object is locked.
        """
        points = np.asarray(points_yx, dtype=float)
        if points.ndim != 2 or points.shape[1:] != (2,):
            raise PromptError(f"points of shape {points.shape} cannot be used; give (N, 2), y and x of each.")
        added = tuple((float(y), float(x)) for y, x in points)
        given = tuple(int(label) for label in labels) if labels is not None else (1,) * len(added)
        old = self.document.prompts.get((object_id, frame))
        before: tuple[Any, Any] = ((), ()) if old is None else (old.points_yx, old.labels)
        self._say(object_id, frame, "add a point", points_yx=before[0] + added, labels=before[1] + given)

    def add_box(self, object_id: int, frame: int, box_yx: Sequence[float]) -> None:
        """Say in which box (y0, x0, y1, x1) an object lies on a frame, instead of an earlier one.

        Raises
        ------
        PromptError
            See `add_points`; also if the box is empty.
        """
        if len(box_yx) != 4:
            raise PromptError(f"the box {tuple(box_yx)} cannot be used; give four numbers, y0, x0, y1, x1.")
        self._say(object_id, frame, "add a box", box_yx=tuple(float(value) for value in box_yx))

    def add_polygon(self, object_id: int, frame: int, vertices_yx: Any) -> None:
        """Say by a polygon or lasso (N, 2) which pixels an object has on a frame, instead of an earlier mask.

        Raises
        ------
        PromptError
            See `add_points`; also if no pixel lies inside.
        """
        self._say(object_id, frame, "add a polygon", mask=mask_of_polygon(vertices_yx, self.size))

    def add_mask(self, object_id: int, frame: int, mask: Any) -> None:
        """Say which pixels (H, W) an object has on a frame, instead of an earlier mask.

        Raises
        ------
        PromptError
            See `add_points`; also if the mask is empty or of another size.
        """
        self._say(object_id, frame, "add a mask", mask=np.array(mask, dtype=bool))

    def add_labels(self, frame: int, labels: Any, object_ids: Sequence[int] | None = None) -> tuple[int, ...]:
        """Return the ids of the objects whose pixels on a frame a label image (H, W) says; ids are its values.

        Parameters
        ----------
        frame
            0-based.
        labels
            Whole numbers, 0 for nothing.
        object_ids
            Which values to take; all where None.

        Raises
        ------
        PromptError
            If it is of another size, holds no object, or one of them is locked.
        """
        values = np.asarray(labels)
        if values.shape != self.size or values.dtype.kind not in "bui":
            raise PromptError(
                f"labels of shape {values.shape} and type {values.dtype} cannot be used; give whole numbers of shape "
                f"{self.size}."
            )
        found = [int(value) for value in np.unique(values) if value > 0]
        chosen = found if object_ids is None else [value for value in found if value in set(object_ids)]
        if not chosen:
            raise PromptError(f"frame {frame}: the labels hold none of the objects asked for; they hold {found[:20]}.")
        self.set_prompts({(one, frame): Prompt(one, frame, mask=values == one) for one in chosen}, "add labels")
        return tuple(chosen)

    def set_prompts(self, changes: Mapping[PromptKey, Prompt | None], text: str = "edit prompts") -> None:
        """Replace all that is said under many keys (object, frame), in one step; None takes it away.

        Raises
        ------
        PromptError
            If a prompt does not fit the movie, or its object is locked.
        """
        self._check_unlocked(object_id for object_id, _ in changes)
        given = [prompt for prompt in changes.values() if prompt is not None]
        if given:
            check_prompts(given, (self.frame_count, *self.size))
        self._commit(self.document.with_prompts(changes), text)

    def edit_mask(self, object_id: int, frame: int, mask: Any) -> None:
        """Take a mask (H, W) as it was painted: it is shown at once, is a prompt, and no run overwrites it.

        An empty one says that the object is not there.

        Raises
        ------
        PromptError
            If it is of another size, there is no such frame, or the object is locked.
        """
        self.edit_masks(frame, {object_id: mask})

    def edit_masks(self, frame: int, masks: Mapping[int, Any]) -> None:
        """Take masks of several objects on a frame, object id -> (H, W), as they were painted; one step.

        Raises
        ------
        PromptError
            See `edit_mask`.
        """
        self._check_unlocked(masks)
        painted = {object_id: np.array(mask, dtype=bool) for object_id, mask in masks.items()}
        changes = {(one, frame): Prompt(one, frame, mask=mask) if mask.any() else None for one, mask in painted.items()}
        check_prompts([Prompt(one, frame, mask=np.ones_like(mask)) for one, mask in painted.items()], self._shape)
        document = self.document.with_prompts(changes)
        for object_id in painted:
            if object_id not in document.objects:
                document = document.with_object(ObjectInfo(object_id))
        stored = {(one, frame): StoredMask.of_mask(mask, MaskStatus.edited) for one, mask in painted.items()}
        self._commit(document, "paint", put=stored)

    def rename_object(self, object_id: int, name: str) -> None:
        """Call an object by a name."""
        self._describe(object_id, "rename an object", name=name)

    def set_visible(self, object_id: int, visible: bool) -> None:
        """Show or hide an object's masks."""
        self._describe(object_id, "show an object" if visible else "hide an object", visible=visible)

    def set_locked(self, object_id: int, locked: bool) -> None:
        """Keep an object as it is, or let it be changed again."""
        self._describe(object_id, "lock an object" if locked else "unlock an object", locked=locked)

    def remove_object(self, object_id: int) -> None:
        """Remove an object with its prompts and masks."""
        self._check_unlocked([object_id])
        self._commit(self.document.without_object(object_id), "remove an object")

    def merge_objects(self, into: int, other: int) -> None:
        """Make one object a part of another: prompts and masks are joined frame by frame."""
        self._check_unlocked([into, other])
        document = self.document.merged(into, other)
        self._commit(document, "merge objects", self.masks.merge(into, other))

    def swap_objects(self, a: int, b: int, from_frame: int) -> None:
        """Exchange two objects on a frame and all later ones, prompts and masks.

        Their masks on that frame become mask prompts, so that a later run does not confuse them again.
        """
        self._check_unlocked([a, b])
        document = self.document.swapped(a, b, from_frame)
        changes = self.masks.swap(a, b, from_frame)
        pinned: dict[PromptKey, Prompt | None] = {}
        for object_id in (a, b):
            mask = self.masks.mask(object_id, from_frame)
            if mask is not None and mask.any() and (object_id, from_frame) not in document.prompts:
                pinned[object_id, from_frame] = Prompt(object_id, from_frame, mask=mask)
        put = {key: StoredMask.of_mask(one.mask, MaskStatus.edited) for key, one in pinned.items() if one is not None}  # type: ignore[arg-type]
        self._commit(document.with_prompts(pinned), "swap objects", changes, put=put, follows=False)

    def undo(self) -> bool:
        """Take the last step back; False if there is none."""
        step = self._history.undo()
        if step is not None:
            self._go_to(step.document_before, step, back=True)
        return step is not None

    def redo(self) -> bool:
        """Make the step again that was taken back last; False if there is none."""
        step = self._history.redo()
        if step is not None:
            self._go_to(step.document_after, step, back=False)
        return step is not None

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to make again."""
        return self._history.can_redo

    @property
    def undo_text(self) -> str:
        """What would be taken back."""
        return self._history.undo_text

    @property
    def redo_text(self) -> str:
        """What would be made again."""
        return self._history.redo_text

    @property
    def needs_preview(self) -> bool:
        """Whether some prompt's mask is not shown yet."""
        locked = self.document.locked
        return any(key[0] not in locked for key in self._unshown)

    @property
    def _shape(self) -> tuple[int, int, int]:
        return (self.frame_count, *self.size)

    def _say(self, object_id: int, frame: int, text: str, **said: Any) -> None:
        """Replace some of what is said of an object on a frame."""
        old = self.document.prompts.get((object_id, frame))
        prompt = Prompt(object_id, frame, **said) if old is None else replace(old, **said)
        self.set_prompts({(object_id, frame): prompt}, text)

    def _describe(self, object_id: int, text: str, **about: Any) -> None:
        self.document.check_object(object_id)
        self._commit(self.document.with_object(replace(self.document.objects[object_id], **about)), text)

    def _check_unlocked(self, object_ids: Iterable[int]) -> None:
        locked = sorted(set(object_ids) & self.document.locked)
        if locked:
            raise PromptError(f"object {locked[0]} is locked and was not changed; unlock it first.")

    def _commit(
        self,
        document: Document,
        text: str,
        changes: Iterable[MaskChange] = (),
        put: Mapping[PromptKey, StoredMask] | None = None,
        follows: bool = True,
    ) -> None:
        """Make a step: masks that were changed already, those that follow from the document, those that are put."""
        before, diff = self.document, difference(self.document, document)
        made = list(changes)
        if follows:
            made += follow(diff, document, self.masks)
        made += [self.masks.put(key, mask) for key, mask in (put or {}).items()]
        if diff.is_empty and not made:
            return
        self._history.push(Step(before, document, tuple(made), text))
        self._replace(document, diff, made)

    def _go_to(self, document: Document, step: Step, back: bool) -> None:
        """Put a document in place, with the masks that the step says, and others as they follow."""
        diff = difference(self.document, document)
        made = follow(diff, document, self.masks)
        if back:
            self.masks.revert(step.mask_changes)
        else:
            self.masks.take(step.mask_changes)
        self._replace(document, diff, [*made, *step.mask_changes])

    def _replace(self, document: Document, diff: DocumentDiff, changes: Sequence[MaskChange]) -> None:
        self.document = document
        self.revision += 1
        self._note(diff)
        self._after_change(diff, changes)
        self.events.document_changed.emit(diff)
        for frame, object_ids in frames_of(changes).items():
            self.events.masks_changed.emit(frame, object_ids)
        self.events.history_changed.emit()

    def _note(self, diff: DocumentDiff) -> None:
        """Remember when keys and objects changed last, and which prompts' masks are not shown."""
        for key in diff.keys:
            self._key_revisions[key] = self._object_revisions[key[0]] = self.revision
        for object_id in diff.removed_objects:
            self._object_revisions[object_id] = self.revision
        self._unshown -= set(diff.removed)
        for key in diff.changed:
            if is_drawn(self.document.prompts[key]):
                self._unshown.discard(key)
            else:
                self._unshown.add(key)

    def _after_change(self, diff: DocumentDiff, changes: Sequence[MaskChange]) -> None:
        """Do what else an edit brings with it, before it is told."""
