"""What a person changes: prompts, painted masks and objects, each edit one step that can be undone.

An edit replaces the document, lets the masks follow (`stale`), notes both in the history, has it saved, and then tells
about it. Nothing is computed here and nothing starts by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from napari_sam2.document.document import Document, DocumentDiff, PromptKey, difference, mask_of_polygon
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.plain_values import whole_number
from napari_sam2.document.prompt import Prompt, check_prompts
from napari_sam2.masks.stale import follow
from napari_sam2.masks.stored_masks import MaskChange, MaskStatus, StoredMask
from napari_sam2.session.history import Step
from napari_sam2.session.saving import Saving
from napari_sam2.session.state import SessionState
from sam2_core.errors import PromptError


class Edits:
    """The edits of a session's document and masks, step by step; all on the main thread."""

    def __init__(self, state: SessionState, saving: Saving) -> None:
        self._state = state
        self._saving = saving

    def new_object(self, name: str = "") -> int:
        """Return the id of a new object, which has nothing but a name yet."""
        object_id = self._document.next_object_id()
        self._commit(self._document.with_object(ObjectInfo(object_id, name)), "add an object")
        return object_id

    def add_points(self, object_id: int, frame: int, points_yx: ArrayLike, labels: Sequence[int] | None = None) -> None:
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
        clicks = tuple((float(y), float(x)) for y, x in points)
        given = tuple(int(label) for label in labels) if labels is not None else (1,) * len(clicks)
        prompt = Prompt(object_id, frame, clicks, given)
        old = self._document.prompts.get((prompt.object_id, prompt.frame))
        self._say(prompt if old is None else old.joined(prompt), "add a point")

    def add_box(self, object_id: int, frame: int, box_yx: Sequence[float]) -> None:
        """Say in which box (y0, x0, y1, x1) an object lies on a frame, instead of an earlier one.

        Raises
        ------
        PromptError
            See `add_points`; also if the box is empty.
        """
        if len(box_yx) != 4:
            raise PromptError(f"the box {tuple(box_yx)} cannot be used; give four numbers, y0, x0, y1, x1.")
        y0, x0, y1, x1 = map(float, box_yx)
        self._say(Prompt(object_id, frame, box_yx=(y0, x0, y1, x1)), "add a box")

    def add_polygon(self, object_id: int, frame: int, vertices_yx: ArrayLike) -> None:
        """Say by a polygon or lasso (N, 2) which pixels an object has on a frame, instead of an earlier mask.

        Raises
        ------
        PromptError
            See `add_points`; also if no pixel lies inside.
        """
        mask = mask_of_polygon(np.asarray(vertices_yx, dtype=float), self._state.masks.size)
        self._say(Prompt(object_id, frame, mask=mask), "add a polygon")

    def add_mask(self, object_id: int, frame: int, mask: ArrayLike) -> None:
        """Say which pixels (H, W) an object has on a frame, instead of an earlier mask.

        Raises
        ------
        PromptError
            See `add_points`; also if the mask is empty or of another size.
        """
        self._say(Prompt(object_id, frame, mask=np.array(mask, dtype=bool)), "add a mask")

    def add_labels(self, frame: int, labels: ArrayLike, object_ids: Sequence[int] | None = None) -> tuple[int, ...]:
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
        size = self._state.masks.size
        if values.shape != size or values.dtype.kind not in "bui":
            raise PromptError(
                f"labels of shape {values.shape} and type {values.dtype} cannot be used; give whole numbers of shape "
                f"{size}."
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
            check_prompts(given, self._shape)
        self._commit(self._document.with_prompts(changes), text)

    def edit_mask(self, object_id: int, frame: int, mask: ArrayLike) -> None:
        """Take a mask (H, W) as it was painted: it is shown at once, is a prompt, and no run overwrites it.

        An empty one says that the object is not there.

        Raises
        ------
        PromptError
            If it is of another size, there is no such frame, or the object is locked.
        """
        self.edit_masks(frame, {object_id: mask})

    def edit_masks(self, frame: int, masks: Mapping[int, ArrayLike]) -> None:
        """Take masks of several objects on a frame, object id -> (H, W), as they were painted; one step.

        Raises
        ------
        PromptError
            See `edit_mask`.
        """
        frame = whole_number(frame, "frame")
        painted = {whole_number(one, "object id"): np.array(mask, dtype=bool) for one, mask in masks.items()}
        self._check_unlocked(painted)
        changes = {(one, frame): Prompt(one, frame, mask=mask) if mask.any() else None for one, mask in painted.items()}
        check_prompts([Prompt(one, frame, mask=np.ones_like(mask)) for one, mask in painted.items()], self._shape)
        document = self._document.with_prompts(changes)
        for object_id in painted:
            if object_id not in document.objects:
                document = document.with_object(ObjectInfo(object_id))
        stored = {(one, frame): StoredMask.of_mask(mask, MaskStatus.edited) for one, mask in painted.items()}
        self._commit(document, "paint", put=stored)

    def rename_object(self, object_id: int, name: str) -> None:
        """Call an object by a name."""
        self._describe(replace(self._object(object_id), name=name), "rename an object")

    def set_visible(self, object_id: int, visible: bool) -> None:
        """Show or hide an object's masks."""
        text = "show an object" if visible else "hide an object"
        self._describe(replace(self._object(object_id), visible=visible), text)

    def set_locked(self, object_id: int, locked: bool) -> None:
        """Keep an object as it is, or let it be changed again."""
        text = "lock an object" if locked else "unlock an object"
        self._describe(replace(self._object(object_id), locked=locked), text)

    def remove_object(self, object_id: int) -> None:
        """Remove an object with its prompts and masks."""
        object_id = whole_number(object_id, "object id")
        self._check_unlocked([object_id])
        self._commit(self._document.without_object(object_id), "remove an object")

    def merge_objects(self, into: int, other: int) -> None:
        """Make one object a part of another: prompts and masks are joined frame by frame."""
        into, other = whole_number(into, "object id"), whole_number(other, "object id")
        self._check_unlocked([into, other])
        document = self._document.merged(into, other)
        self._commit(document, "merge objects", self._state.masks.merge(into, other))

    def swap_objects(self, a: int, b: int, from_frame: int) -> None:
        """Exchange two objects on a frame and all later ones, prompts and masks.

        Their masks on that frame become mask prompts, so that a later run does not confuse them again.
        """
        a, b, from_frame = (
            whole_number(a, "object id"),
            whole_number(b, "object id"),
            whole_number(from_frame, "frame"),
        )
        self._check_unlocked([a, b])
        document, masks = self._document.swapped(a, b, from_frame), self._state.masks
        changes = masks.swap(a, b, from_frame)
        pinned: dict[PromptKey, Prompt] = {}
        put: dict[PromptKey, StoredMask] = {}
        for object_id in (a, b):
            key, mask = (object_id, from_frame), masks.mask(object_id, from_frame)
            if mask is not None and mask.any() and key not in document.prompts:
                pinned[key] = Prompt(object_id, from_frame, mask=mask)
                put[key] = StoredMask.of_mask(mask, MaskStatus.edited)
        self._commit(document.with_prompts(pinned), "swap objects", changes, put=put, follows=False)

    def undo(self) -> bool:
        """Take the last step back; False if there is none."""
        step = self._state.history.undo()
        if step is not None:
            self._go_to(step.document_before, step, back=True)
        return step is not None

    def redo(self) -> bool:
        """Make the step again that was taken back last; False if there is none."""
        step = self._state.history.redo()
        if step is not None:
            self._go_to(step.document_after, step, back=False)
        return step is not None

    @property
    def _document(self) -> Document:
        return self._state.document

    @property
    def _shape(self) -> tuple[int, int, int]:
        return (self._state.masks.frame_count, *self._state.masks.size)

    def _say(self, prompt: Prompt, text: str) -> None:
        """Replace what a prompt says of its object on its frame; other parts of what is said there stay."""
        key = prompt.object_id, prompt.frame
        old = self._document.prompts.get(key)
        self.set_prompts({key: prompt if old is None else prompt.completed(old)}, text)

    def _object(self, object_id: int) -> ObjectInfo:
        object_id = whole_number(object_id, "object id")
        self._document.check_object(object_id)
        return self._document.objects[object_id]

    def _describe(self, info: ObjectInfo, text: str) -> None:
        self._commit(self._document.with_object(info), text)

    def _check_unlocked(self, object_ids: Iterable[int]) -> None:
        locked = sorted(set(object_ids) & self._document.locked)
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
        before, diff = self._document, difference(self._document, document)
        made = list(changes)
        if follows:
            made += follow(diff, document, self._state.masks)
        made += [self._state.masks.put(key, mask) for key, mask in (put or {}).items()]
        if diff.is_empty and not made:
            return
        self._state.history.push(Step(before, document, tuple(made), text))
        self._replace(document, diff, made)

    def _go_to(self, document: Document, step: Step, back: bool) -> None:
        """Put a document in place, with the masks that the step says, and others as they follow."""
        diff = difference(self._document, document)
        made = follow(diff, document, self._state.masks)
        if back:
            self._state.masks.revert(step.mask_changes)
        else:
            self._state.masks.take(step.mask_changes)
        self._replace(document, diff, [*made, *step.mask_changes])

    def _replace(self, document: Document, diff: DocumentDiff, changes: Sequence[MaskChange]) -> None:
        events = self._state.events
        self._state.replace_document(document, diff)
        self._saving.edited(changes)
        events.document_changed.emit(diff)
        events.tell_masks(changes)
        events.history_changed.emit()
