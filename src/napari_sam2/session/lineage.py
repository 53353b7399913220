"""What a person says about tracks: who divides into whom, what else happens, whose links hold; and tracks brought in.

Each call is one step that can be undone, like any edit (`steps`). Nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from napari_sam2.document.difference import DocumentDiff
from napari_sam2.document.document import Document, PromptKey
from napari_sam2.document.objects import LinkStatus
from napari_sam2.document.plain_values import whole_number
from napari_sam2.document.prompt import Prompt
from napari_sam2.document.track_events import Division, EventKind, TrackEvent
from napari_sam2.io.imports import imported
from napari_sam2.io.track_files import TrackedLabels, open_tracks
from napari_sam2.masks.stale import follow
from napari_sam2.masks.stored_masks import MaskChange, MaskStatus, StoredMask
from napari_sam2.session.saving import Saving
from napari_sam2.session.state import SessionState
from napari_sam2.session.steps import Steps
from sam2_core.errors import PromptError


class Lineage:
    """The divisions, events and links of a session; all on the main thread."""

    def __init__(self, state: SessionState, saving: Saving) -> None:
        self._state = state
        self._steps = Steps(state, saving)

    def divide(self, mother: int, frame: int, daughters: Iterable[int], ends: bool = False) -> Division:
        """Return the division of an object into others, which are there from a frame on; she becomes their parent.

        One that she had on that frame is replaced.

        Parameters
        ----------
        ends
            Whether the mother is not there from the frame on, see `end`; else what she has there stays.

        Raises
        ------
        PromptError
            If one of them or the frame does not exist, the mother descends from a daughter, or ends and is locked.
        """
        division = Division(mother, frame, tuple(daughters))
        self._check_frame(division.frame)
        document = self._document.with_division(division)
        self._make(document, {division.mother: division.frame - 1} if ends else {}, "divide an object")
        return division

    def end(self, object_ids: Iterable[int], frame: int) -> tuple[TrackEvent, ...]:
        """Return how objects end on a frame: each leaves where it touches the border, else dies.

        They are painted away on all later frames, so no run brings them back; what was prompted there goes.

        Raises
        ------
        PromptError
            If an object or the frame does not exist, it is not there on the frame, or is locked.
        """
        frame, ids = whole_number(frame, "frame"), [whole_number(one, "object id") for one in object_ids]
        self._check_frame(frame)
        events = tuple(TrackEvent(one, frame, self._kind_of_end(one, frame)) for one in ids)
        ended = {(one, kind) for one in ids for kind in (EventKind.leaves, EventKind.dies)}
        kept = [one for one in self._document.events if (one.object_id, one.kind) not in ended]
        self._make(self._document.with_events([*kept, *events]), dict.fromkeys(ids, frame), "end an object")
        return events

    def undivide(self, mother: int, frame: int) -> None:
        """Take the division of an object on a frame away; its daughters have no parent any more.

        Raises
        ------
        PromptError
            If there is none.
        """
        mother, frame = whole_number(mother, "mother"), whole_number(frame, "frame")
        self._steps.make(self._document.without_division(mother, frame), "take a division away")

    def add_event(self, event: TrackEvent) -> None:
        """Say what happens to an object.

        Raises
        ------
        PromptError
            If the object or the frame does not exist.
        """
        self._document.check_object(event.object_id)
        self._check_frame(event.frame)
        self._steps.make(self._document.with_events([*self._document.events, event]), f"object {event.kind.value}")

    def remove_event(self, event: TrackEvent) -> None:
        """Say that something does not happen to an object; nothing changes where nobody said it."""
        kept = [one for one in self._document.events if one != event]
        if len(kept) < len(self._document.events):
            self._steps.make(self._document.with_events(kept), "take an event away")

    def set_links(self, object_ids: Iterable[int], status: LinkStatus) -> None:
        """Say of objects whether a program linked them, a person looked at that, or made it.

        Raises
        ------
        PromptError
            If one of them does not exist.
        """
        document, ids = self._document, [whole_number(one, "object id") for one in object_ids]
        for object_id in ids:
            document.check_object(object_id)
        changed = [replace(document.objects[one], links=LinkStatus(status)) for one in ids]
        self._steps.make(document.with_objects(changed), f"links {LinkStatus(status).value}")

    def import_tracks(self, tracks: TrackedLabels | Path | str, parents: Path | str | None = None) -> tuple[int, ...]:
        """Return the ids of the objects that tracks of another program became: their masks are there, to be corrected.

        Parameters
        ----------
        tracks
            A CTC folder, a GEFF with labels, a label stack, or what `io.track_files.open_tracks` opened.
        parents
            Table of parents of a label stack; see `io.track_files.read_parents`.

        Raises
        ------
        StackError
            If they cannot be read, hold nothing, or are of other frames than the session.
        PromptError
            If the parents are not in them.
        """
        opened = tracks if isinstance(tracks, TrackedLabels) else open_tracks(tracks, parents)
        document, masks = imported(opened, self._document, self._state.masks)
        ids = tuple(sorted({object_id for object_id, _ in masks}))
        put = self._state.masks.put
        self._steps.make(document, "import tracks", ids, lambda _: [put(key, mask) for key, mask in masks.items()])
        return ids

    def _kind_of_end(self, object_id: int, frame: int) -> EventKind:
        self._document.check_object(object_id)
        mask = self._state.masks.get((object_id, frame))
        if mask is None or mask.is_empty:
            raise PromptError(f"object {object_id} is not on frame {frame}; go to the last frame that it is on.")
        y0, x0, y1, x1 = mask.box_yx
        height, width = self._state.masks.size
        return EventKind.leaves if 0 in (y0, x0) or y1 == height or x1 == width else EventKind.dies

    def _make(self, document: Document, last: Mapping[int, int], text: str) -> None:
        """Make a step to a document, after which objects are on no frame behind their last one."""
        locked = sorted(document.locked & last.keys())
        if locked:
            raise PromptError(f"object {locked[0]} is locked and was not changed; unlock it first.")
        store, count = self._state.masks, self._state.masks.frame_count
        for object_id, frame in last.items():
            document = document.with_prompts(self._prompts_until(document, object_id, frame))
        away = [(object_id, frame) for object_id, end in last.items() for frame in range(end + 1, count)]
        empty = StoredMask.empty(MaskStatus.edited)

        def rearranged(diff: DocumentDiff) -> list[MaskChange]:
            return [*follow(diff, document, store), *(store.put(key, empty) for key in away)]

        self._steps.make(document, text, last, rearranged)

    def _prompts_until(self, document: Document, object_id: int, frame: int) -> dict[PromptKey, Prompt | None]:
        """Return the changes that leave an object with prompts up to a frame: at least with the mask that it has there.

        Otherwise what was tracked backward from a later prompt would go with it.
        """
        said = document.prompts_of(object_id)
        changes: dict[PromptKey, Prompt | None] = {(object_id, at): None for at in said if at > frame}
        mask = self._state.masks.get((object_id, frame))
        if changes and len(changes) == len(said) and mask is not None and not mask.is_empty:
            changes[object_id, frame] = Prompt(object_id, frame, mask=mask.drawn(self._state.masks.size))
        return changes

    @property
    def _document(self) -> Document:
        return self._state.document

    def _check_frame(self, frame: int) -> None:
        count = self._state.masks.frame_count
        if not 0 <= frame < count:
            raise PromptError(f"there is no frame {frame}; the stack has frames 0 to {count - 1}.")
