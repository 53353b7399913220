"""What a person changes: prompts, painted masks, objects and settings, each edit one step that can be undone.

How an edit is made, undone and told is the same for all (`steps`). Nothing is computed here, and nothing starts by
itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sam2.document.difference import difference
from napari_sam2.document.document import Document, PromptKey, mask_of_polygon
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.plain_values import ids_of, numbers, pair_of, whole_number, whole_numbers
from napari_sam2.document.prompt import Prompt, check_prompts
from napari_sam2.document.prompt_parts import Mask, checked_labels, cut_labels
from napari_sam2.document.track_events import settled
from napari_sam2.masks.merging import merged
from napari_sam2.masks.stale import follow
from napari_sam2.masks.stored_masks import MaskChange, StoredMask
from napari_sam2.session.parentage import parted, swapped
from napari_sam2.session.saving import Saving
from napari_sam2.session.settings import SessionSettings
from napari_sam2.session.state import SessionState
from napari_sam2.session.steps import Steps
from sam2_core.errors import PromptError

Said = TypeVar("Said")


class Edits:
    """The edits of a session's document and masks, step by step; all on the main thread."""

    def __init__(self, state: SessionState, saving: Saving) -> None:
        self._state = state
        self._steps = Steps(state, saving)

    @property
    def revision(self) -> int:
        """Another number after each step, and after each that is taken back or made again; what runs find is none."""
        return self._state.revision

    def new_object(self, name: str = "") -> int:
        """Return the id of a new object, which has nothing but a name yet."""
        object_id = self._document.next_object_id()
        self._steps.make(self._document.with_object(ObjectInfo(object_id, name)), "add an object")
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
        points = _places(points_yx, "points")
        clicks = tuple((float(y), float(x)) for y, x in points)
        given = (1,) * len(clicks) if labels is None else tuple(whole_numbers(labels, "label"))
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
        edges = numbers(box_yx, "the box")
        if len(edges) != 4:
            raise PromptError(f"the box {edges} cannot be used; give four numbers, y0, x0, y1, x1.")
        self._say(Prompt(object_id, frame, box_yx=(edges[0], edges[1], edges[2], edges[3])), "add a box")

    def add_polygon(self, object_id: int, frame: int, vertices_yx: ArrayLike) -> None:
        """Say by a polygon or lasso (N, 2) which pixels an object has on a frame, instead of an earlier mask.

        Raises
        ------
        PromptError
            See `add_points`; also if no pixel lies inside.
        """
        mask = Mask(mask_of_polygon(_places(vertices_yx, "vertices"), self._state.masks.size))
        self._say(Prompt(object_id, frame, mask=mask), "add a polygon")

    def add_mask(self, object_id: int, frame: int, mask: ArrayLike) -> None:
        """Say which pixels (H, W) an object has on a frame, instead of an earlier mask.

        Raises
        ------
        PromptError
            See `add_points`; also if the mask is empty or of another size.
        """
        self._say(Prompt(object_id, frame, mask=Mask(mask)), "add a mask")

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
        found = cut_labels(checked_labels(labels, self._state.masks.size))
        asked = found if object_ids is None else whole_numbers(object_ids, "object id")
        chosen = [one for one in found if one in asked]
        if not chosen:
            raise PromptError(
                f"frame {frame}: the labels hold none of the objects asked for; they hold {list(found)[:20]}."
            )
        self.set_prompts({(one, frame): Prompt(one, frame, mask=found[one]) for one in chosen}, "add labels")
        return tuple(chosen)

    def set_prompts(self, changes: Mapping[PromptKey, Prompt | None], text: str = "edit prompts") -> None:
        """Replace all that is said under many keys (object, frame), in one step; None takes it away.

        Raises
        ------
        PromptError
            If a prompt does not fit the movie, or its object is locked.
        """
        changes = _by_key(changes, "prompts")
        self._check_unlocked(object_id for object_id, _ in changes)
        given = {key: self._on_evidence(prompt) for key, prompt in changes.items() if prompt is not None}
        if given:
            given = dict(zip(given, check_prompts(list(given.values()), self._shape), strict=True))
        self._steps.make(self._document.with_prompts({**changes, **given}), text)

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
        if not isinstance(masks, Mapping):
            raise PromptError("masks are given by object id, {id: mask}; of a label image say add_labels.")
        self.paint({(one, frame): mask for one, mask in masks.items()})

    def paint(self, masks: Mapping[PromptKey, ArrayLike]) -> None:
        """Take masks on several frames, (object id, frame) -> (H, W), as they were painted; one step.

        Raises
        ------
        PromptError
            See `edit_mask`.
        """
        painted = {key: Mask(mask) for key, mask in _by_key(masks, "masks").items()}
        ids = {object_id for object_id, _ in painted}
        self._check_unlocked(ids)
        pixel = np.ones((1, 1), dtype=bool)  # stands for what was painted, which may be nothing
        stand_ins = {key: Mask.in_box(mask.size, 0, 0, pixel) for key, mask in painted.items()}
        check_prompts([Prompt(*key, mask=mask) for key, mask in stand_ins.items()], self._shape)
        changes = {key: None if mask.is_empty else Prompt(*key, mask=mask) for key, mask in painted.items()}
        document, store = self._document.with_prompts(changes), self._state.masks
        document = document.with_objects([ObjectInfo(one) for one in sorted(ids - document.objects.keys())])
        stored = {key: StoredMask.of_drawn(mask) for key, mask in painted.items()}
        self._steps.make(document, "paint", ids, lambda diff: [*follow(diff, document, store), *self._put(stored)])

    def rename_object(self, object_id: int, name: str) -> None:
        """Call an object by a name."""
        self._describe(replace(self._object(object_id), name=name), "rename an object")

    def set_visible(self, object_id: int, visible: bool) -> None:
        """Show or hide an object's masks."""
        text = "show an object" if visible else "hide an object"
        self._describe(replace(self._object(object_id), visible=visible), text)

    def set_locked(self, object_id: int, locked: bool) -> None:
        """Keep an object as it is, or let it be changed again.

        Settings that changed in the meantime may make its masks anew once it is unlocked; undo brings those before.
        """
        info = replace(self._object(object_id), locked=locked)
        text = "lock an object" if locked else "unlock an object"
        self._steps.make(self._document.with_object(info), text, [info.object_id])

    def remove_object(self, object_ids: int | Iterable[int]) -> None:
        """Remove an object, or several in one step, with prompts and masks.

        Raises
        ------
        PromptError
            If one of them does not exist or is locked; then none is removed.
        """
        ids, document = ids_of(object_ids), self._document
        self._check_unlocked(ids)
        for object_id in ids:
            document = document.without_object(object_id)
        self._steps.make(document, "remove an object" if len(ids) == 1 else f"remove {len(ids)} objects")

    def merge_objects(self, into: int, others: int | Iterable[int]) -> tuple[int, ...]:
        """Make other objects parts of one, in one step: on each frame it has the pixels of all.

        Where something was said of one of them on a frame, it is these pixels that are said of it there.
        Returns its id where it has no parent any more, because it is there before that one divides now; else nothing.

        Raises
        ------
        PromptError
            If one of them does not exist or is locked, or they are the same; then none is changed.
        """
        into, masks, document, alone = whole_number(into, "object id"), self._state.masks, self._document, False
        parts = ids_of(others)
        self._check_unlocked([into, *parts])
        frames, drafted = set(masks.there(into)), masks.drafted([into, *parts])
        for other in parts:
            for one in (into, other):
                document.check_object(one)
            frames |= masks.there(other).keys()
            apart = [one for one in (into, other) if document.objects[one].parent not in (into, *parts)]
            begin = min(frames, default=masks.frame_count)
            document, gone = parted(document, dict.fromkeys(apart, begin), document, masks)
            document, alone = merged(into, other, document, drafted), alone or bool(gone)
            # it may be there before what was a beginning, or behind what was an end
            document = document.with_events(settled(document.events, {into: frames}))
        follow(difference(self._document, document), document, drafted)
        touched = [into, *parts]
        self._steps.make(document, "merge objects", touched, lambda _: list(masks.take_over(touched, drafted)))
        return (into,) if alone and document.objects[into].parent is None else ()

    def swap_objects(self, a: int, b: int, from_frame: int) -> tuple[int, ...]:
        """Exchange two objects on a frame and all later ones, prompts and masks.

        Their masks on that frame become mask prompts, so that a later run does not confuse them again. Returns the ids
        of those that have no parent any more, because they are there before that one divides now.

        Raises
        ------
        PromptError
            If one of them or the frame does not exist, or one is locked.
        """
        a, b = whole_number(a, "object id"), whole_number(b, "object id")
        self._check_unlocked([a, b])
        from_frame = self._state.checked_frame(from_frame)
        masks = self._state.masks
        document, alone = swapped(self._document, masks, (a, b, from_frame))
        pinned: dict[PromptKey, Prompt] = {}
        put: dict[PromptKey, StoredMask] = {}
        for object_id, other in ((a, b), (b, a)):
            key, mask = (object_id, from_frame), masks.get((other, from_frame))
            if mask is not None and not mask.is_empty and key not in document.prompts:
                drawn = mask.drawn(masks.size)
                pinned[key], put[key] = Prompt(object_id, from_frame, mask=drawn), StoredMask.of_drawn(drawn)
        self._steps.make(
            document.with_prompts(pinned),
            "swap objects",
            [a, b],
            lambda diff: [*masks.swap(a, b, from_frame), *self._put(put)],
        )
        return alone

    def change_settings(self, **changes: object) -> None:
        """Replace fields of the settings; prompts stay, and masks turn stale where they do not go with the new ones.

        Undo brings settings and masks back. The model is loaded anew with the next job, where it is another.

        Raises
        ------
        StackError
            If the tracked axis or the fixed ones change while there are prompts.
        """
        old = self._state.settings
        new = SessionSettings.model_validate({**old.model_dump(), **changes})
        if new != old:
            self._steps.set(new)

    def undo(self) -> bool:
        """Take the last step back; False if there is none. What a run found since comes back by `redo`."""
        return self._steps.undo()

    def redo(self) -> bool:
        """Make the step again that was taken back last; False if there is none."""
        return self._steps.redo()

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

    def _on_evidence(self, prompt: Prompt) -> Prompt:
        """Return a prompt whose first clicks on a frame refine the mask that was found or imported there, if one was.

        The mask is part of what is said from then on, so that it stays when the clicks go.
        """
        key = prompt.object_id, prompt.frame
        mask = self._state.masks.get(key)
        are_clicks_alone = prompt.drawn is None and prompt.box_yx is None
        if mask is None or not mask.status.is_evidence or not are_clicks_alone or key in self._document.prompts:
            return prompt
        return replace(prompt, mask=mask.drawn(self._state.masks.size))

    def _object(self, object_id: int) -> ObjectInfo:
        object_id = whole_number(object_id, "object id")
        self._document.check_object(object_id)
        return self._document.objects[object_id]

    def _describe(self, info: ObjectInfo, text: str) -> None:
        self._steps.make(self._document.with_object(info), text)

    def _check_unlocked(self, object_ids: Iterable[int]) -> None:
        locked = sorted(set(object_ids) & self._document.locked)
        if locked:
            raise PromptError(f"object {locked[0]} is locked and was not changed; unlock it first.")

    def _put(self, masks: Mapping[PromptKey, StoredMask]) -> list[MaskChange]:
        return [self._state.masks.put(key, mask) for key, mask in masks.items()]


def _by_key(given: Mapping[PromptKey, Said], what: str) -> dict[PromptKey, Said]:
    """Return what is given by object id and frame with plain numbers for both.

    Raises
    ------
    PromptError
        If it is given by something else.
    """
    if not isinstance(given, Mapping):
        raise PromptError(f"{what} are given by object id and frame, {{(id, frame): ...}}, not as {given!r:.200}.")
    return {pair_of(key, "object id and frame"): one for key, one in given.items()}


def _places(given: ArrayLike, what: str) -> NDArray[np.float64]:
    """Return places (N, 2), y and x of each, as numbers.

    Raises
    ------
    PromptError
        If they are none.
    """
    try:
        places = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        raise PromptError(f"{what} {given!r:.200} cannot be used; give (N, 2), y and x of each.") from None
    if places.ndim != 2 or places.shape[1:] != (2,):
        raise PromptError(f"{what} of shape {places.shape} cannot be used; give (N, 2), y and x of each.")
    return places
