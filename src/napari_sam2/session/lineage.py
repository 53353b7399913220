"""What a person says about tracks: who divides into whom, what else happens, whose links hold; and tracks brought in.

Each call is one step that can be undone, like any edit (`steps`). Nothing is computed here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_sam2.document.difference import DocumentDiff
from napari_sam2.document.document import Document
from napari_sam2.document.objects import LinkStatus
from napari_sam2.document.plain_values import whole_number, whole_numbers
from napari_sam2.document.reviews import At, Place
from napari_sam2.document.track_events import Division, TrackEvent
from napari_sam2.io.imports import Arrivals, arriving, imported
from napari_sam2.io.track_files import open_tracks
from napari_sam2.io.tracked import TrackedLabels, TrackedSpots
from napari_sam2.masks.stored_masks import MaskChange
from napari_sam2.review.ground import decided
from napari_sam2.session.linked import linking_for
from napari_sam2.session.relinked import relinked
from napari_sam2.session.saving import Saving
from napari_sam2.session.state import SessionState
from napari_sam2.session.steps import Steps
from sam2_core.errors import PromptError, StackError

_log = logging.getLogger(__name__)


class Lineage:
    """The divisions, events and links of a session; all on the main thread."""

    def __init__(self, state: SessionState, saving: Saving) -> None:
        self._state = state
        self._steps = Steps(state, saving)

    def divide(self, mother: int, frame: int, daughters: int | Iterable[int]) -> Division:
        """Return the division of an object into others, which are there from a frame on; she becomes their parent.

        One that she had on that frame is replaced, and a daughter is in no other one. What the mother has there, and
        daughters have before, stays; `Surgery.divide_here` cuts that.

        Raises
        ------
        PromptError
            If one of them or the frame does not exist, or the mother descends from a daughter.
        """
        division = Division(mother, self._state.checked_frame(frame), tuple(whole_numbers(daughters, "daughter")))
        self._steps.make(self._document.with_division(division), "divide an object")
        return division

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
        """Say what happens to an object; how it begins or ends is then decided about, and not linked anew.

        It takes the place of what was said before about its beginning or end; absences that meet are one.

        Raises
        ------
        PromptError
            If the object or the frame does not exist, or an absence ends before it begins.
        """
        self._document.check_object(event.object_id)
        last = event.frame if event.last_frame is None else event.last_frame
        for frame in (event.frame, last):
            self._state.checked_frame(frame)
        if last < event.frame:
            raise PromptError(
                f"object {event.object_id} is absent from frame {event.frame} to {last}; give frames in order."
            )
        before = self._document.events
        said = self._document.with_events(event.added_to(before))
        past = [place for one in before if event.takes_place_of(one) for place in _places_of(one)]
        said = said.with_review(said.review.with_decisions(dict.fromkeys(past)))
        document = decided(_places_of(event), said, self._state.masks)
        self._steps.make(document, f"object {event.kind.value}")

    def remove_event(self, event: TrackEvent) -> None:
        """Say that something does not happen to an object; nothing changes where nobody said it."""
        kept = [one for one in self._document.events if one != event]
        if len(kept) < len(self._document.events):
            review = self._document.review.with_decisions(dict.fromkeys(_places_of(event)))
            self._steps.make(self._document.with_events(kept).with_review(review), "take an event away")

    def set_links(self, object_ids: int | Iterable[int], status: LinkStatus | str) -> None:
        """Say of objects whether a program linked them, a person looked at that, or made it.

        Raises
        ------
        PromptError
            If one of them does not exist.
        """
        document, ids = self._document, whole_numbers(object_ids, "object id")
        if status not in tuple(LinkStatus):
            raise PromptError(f"links {status!r:.200} cannot be said; say {', '.join(LinkStatus)}.")
        for object_id in ids:
            document.check_object(object_id)
        changed = [replace(document.objects[one], links=LinkStatus(status)) for one in ids]
        self._steps.make(document.with_objects(changed), f"links {LinkStatus(status).value}")

    def relink(self) -> tuple[int, ...]:
        """Return the objects that changed when links were decided anew around what a person corrected; one step.

        What a person made, prompted, painted, locked or looked at is kept; so are divisions, and all that is far away.
        """
        state = self._state
        rounds = relinked(state.document, state.masks, linking_for(state.movie.movie))
        if not rounds:
            return ()
        made, touched = rounds[-1].document, {object_id for one in rounds for object_id in one.touched}

        def rearranged(_: DocumentDiff) -> list[MaskChange]:
            return [change for one in rounds for change in one.rearrange(state.masks)]

        self._steps.make(made, "link anew", touched, rearranged)
        return tuple(sorted(touched & made.objects.keys()))

    def import_tracks(
        self,
        tracks: TrackedLabels | TrackedSpots | Path | str | NDArray[Any],
        parents: Path | str | None = None,
        *,
        split_lineages: bool = False,
    ) -> tuple[int, ...]:
        """Return the ids of the objects that tracks of another program became, with masks, or clicks to be answered.

        Labels and outlines are masks, to be corrected. Of places alone there is a click on each frame, whose masks come
        with the next `propagate`, over gaps too, and not beyond the first and the last place.

        Parameters
        ----------
        tracks
            A CTC folder, a GEFF, a file of TrackMate, a table of places, a label stack (a file or an array), or what
            `io.track_files.open_tracks` or `io.spot_tracks.spots_of_tracks` gave. A label stack along T and Z is cut
            where the session's images are.
        parents
            Table of parents of a label stack; see `io.track_files.read_parents`.
        split_lineages
            Whether objects in several pieces for long become mothers and daughters, as where these share a value.

        Raises
        ------
        StackError
            If they cannot be read, hold nothing, or are of other frames than the session.
        PromptError
            If the parents are not in them, or a place is not in the images.
        """
        came = self.tracks_reader(tracks, parents, split_lineages=split_lineages)()
        for note in came.notes:
            _log.warning("%s", note)
        return self.take_tracks(came)

    def tracks_reader(
        self,
        tracks: TrackedLabels | TrackedSpots | Path | str | NDArray[Any],
        parents: Path | str | None = None,
        *,
        split_lineages: bool = False,
    ) -> Callable[[], Arrivals]:
        """Return what reads tracks, on any thread, as `take_tracks` takes them; see `import_tracks`."""
        movie, masks = self._state.movie.movie, self._state.masks
        frame_count, size = masks.frame_count, masks.size

        def read() -> Arrivals:
            opened = (
                tracks
                if isinstance(tracks, TrackedLabels | TrackedSpots)
                else open_tracks(tracks, parents, movie.track_axis, movie.held, movie.stack.calibration)
            )
            if isinstance(opened, TrackedSpots):
                _check_plane(opened, movie.held)
            return arriving(opened, frame_count, size, split_lineages)

        return read

    def take_tracks(self, came: Arrivals) -> tuple[int, ...]:
        """Return the ids of the objects that tracks became which were read for this session, as one step."""
        document, masks = imported(came, self._document, self._state.masks)
        ids = tuple(sorted(document.objects.keys() - self._document.objects.keys()))
        put = self._state.masks.put
        self._steps.make(document, "import tracks", ids, lambda _: [put(key, mask) for key, mask in masks.items()])
        return ids

    @property
    def _document(self) -> Document:
        return self._state.document


def _places_of(event: TrackEvent) -> list[Place]:
    """Return the place that an event decides about, if it is a beginning or an end."""
    ends = [At.begin] if event.kind.is_begin else [At.end] if event.kind.is_end else []
    return [Place(at, event.object_id, event.frame) for at in ends]


def _check_plane(spots: TrackedSpots, held: Mapping[str, int]) -> None:
    """Say no to places on another plane than the one that is worked on."""
    if spots.plane is not None and "Z" in held and round(spots.plane) != held["Z"]:
        raise StackError(
            f"{spots.name} lies on the plane Z={spots.plane:g}, and the session works at Z={held['Z']}; go there, or "
            "take the tracks of this one."
        )
