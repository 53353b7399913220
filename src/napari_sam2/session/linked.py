"""What was found frame by frame becomes objects over time: tracks with parents and events, made by the linker.

Proposals are linked with the objects that are there (`engine.linking`). A track that one of these is in carries it on:
the object gets masks with the status `found` on frames on which it had none, and all else of it stays. Every other
track is a new object, which has no prompt: a claim until a person looks at it. Divisions and events go into the
document beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from napari_sam2.document.claims import LinkClaims, Rival
from napari_sam2.document.document import Document
from napari_sam2.document.objects import LinkStatus, ObjectInfo
from napari_sam2.document.proposals import Proposal, ProposalState
from napari_sam2.document.track_events import BEGINS, ENDS, Division, EventKind, TrackEvent
from napari_sam2.engine.jobs import LEAST_SCORE, LinkJob
from napari_sam2.engine.known_objects import KnownObjects, Way
from napari_sam2.engine.updates import FoundTracks
from napari_sam2.linking import Link, LinkedTrack, LinkingOptions
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stored_masks import MaskKey, StoredMask
from napari_sam2.session.found import new_ids
from napari_sam2.session.known_objects import ways_of
from napari_sam2.session.made_by_jobs import LINK
from napari_sam2.session.state import SessionState
from napari_sam2.session.steps import Steps
from napari_sam2.stacks import Movie
from sam2_core.errors import StackError

HISTORY = 6
"""Frames around those that are linked on which objects are looked at: what they were, divisions are judged by."""


@dataclass(frozen=True, slots=True)
class LinkedObjects:
    """What linking made of proposals.

    Attributes
    ----------
    object_ids
        Of the new objects, ascending.
    divisions
        How many were found.
    left_out
        Numbers of proposals that are unsure and alone: they stay proposals.
    carried_on
        Of the objects that were there and have masks on more frames now, ascending.
    """

    object_ids: tuple[int, ...] = ()
    divisions: int = 0
    left_out: tuple[int, ...] = ()
    carried_on: tuple[int, ...] = ()


def linking_for(movie: Movie, divisions: bool | None = None) -> LinkingOptions:
    """Return how the objects of a movie are linked: along Z they do not divide, where nothing is said, nor drift."""
    along_time = movie.track_axis == "T"
    divides = along_time if divisions is None else divisions
    return LinkingOptions(divisions=divides, drift=along_time, least_score=LEAST_SCORE)


def by_frame(
    proposals: Mapping[int, Proposal], numbers: Sequence[int], frame_count: int
) -> tuple[tuple[int, ...], ...]:
    """Return numbers of proposals frame by frame, in the order in which they are given."""
    frames: list[list[int]] = [[] for _ in range(frame_count)]
    for number in numbers:
        frames[proposals[number].frame].append(number)
    return tuple(map(tuple, frames))


def link_job(
    state: SessionState, revision: int, numbers: Sequence[int], options: LinkingOptions | None = None
) -> LinkJob:
    """Return the job that links proposals, none of them on top of an object, with the objects that are there."""
    proposals, masks = state.document.proposals, state.masks
    frames = by_frame(proposals, numbers, masks.frame_count)
    sought = _sought(proposals, frames)
    known = known_objects(state.document, masks, frames, sought)
    return LinkJob(revision, proposals, frames, options or linking_for(state.movie.movie), known, sought)


def known_objects(document: Document, masks: MaskStore, frames: Sequence[Sequence[int]], sought: range) -> KnownObjects:
    """Return the objects that proposals, numbers frame by frame, may carry on."""
    ways = _ways(document, masks, document.objects, frames, sought)
    return KnownObjects(ways, list(map(len, frames)), masks.size)


def _ways(
    document: Document, masks: MaskStore, object_ids: Iterable[int], frames: Sequence[Sequence[int]], sought: range
) -> dict[int, Way]:
    found_on = {frame for frame, numbers in enumerate(frames) if numbers}
    near = range(sought.start - HISTORY, sought.stop + HISTORY) if sought else sought
    return ways_of(document, masks, object_ids, near, found_on)


def _sought(proposals: Mapping[int, Proposal], frames: Sequence[Sequence[int]]) -> range:
    """Return the frames from the first to the last on which proposals are linked or were accepted; none without."""
    linked = {frame for frame, numbers in enumerate(frames) if numbers}
    accepted = {one.frame for one in proposals.values() if one.state is ProposalState.accepted}
    return range(min(linked | accepted), max(linked | accepted) + 1) if linked else range(0)


def take_tracks(state: SessionState, steps: Steps, tracks: FoundTracks) -> LinkedObjects:
    """Return the objects that tracks became or carried on, in one step.

    Raises
    ------
    StackError
        If one of the proposals was decided about, or found anew, meanwhile, or an object changed that is carried on,
        or one was made on top of what was found.
    """
    known = state.document.proposals
    if any(known.get(number) is not tracks.proposals[number] for number in tracks.masks):
        raise StackError("What was found has changed while it was linked, and nothing was taken; link again.")
    again = [number for frame in _changed_frames(state, tracks) for number in tracks.frames[frame]]
    if len(new_ids(state, again)) < len(again):
        raise StackError("An object was made meanwhile where one was found, and nothing was taken; link again.")
    used = {*state.every_object(), *tracks.known.ways}
    taken = _Taken(tracks, max(used, default=0) + 1)
    still = [one for one in taken.grown if one in state.document.objects]
    now = _ways(state.document, state.masks, still, tracks.frames, tracks.sought)
    changed = [one for one in taken.grown if now.get(one) != tracks.known.ways[one]]
    if changed:
        raise StackError(f"Object {changed[0]} has changed while it was linked, and nothing was taken; link again.")
    left_out = tuple(tracks.frames[frame][index] for frame, index in tracks.linked.left_out)
    if not taken.masks:
        return LinkedObjects(left_out=left_out)
    put, ids = state.masks.put, (*taken.grown, *taken.new)
    document = taken.document_after(state.document)
    steps.make(document, LINK, ids, lambda _: [put(key, mask) for key, mask in taken.masks.items()])
    return LinkedObjects(taken.new, len(taken.divisions), left_out, taken.carried_on)


def _changed_frames(state: SessionState, tracks: FoundTracks) -> list[int]:
    """Return the frames with proposals on which objects have other masks, or prompts, than when these were linked."""
    masks, ways = state.masks, tracks.known.ways
    known = {key: ways[key[0]].masks[frame] for frame, keys in enumerate(tracks.known.on_frames) for key in keys}
    said = {frame for one, frame in state.document.prompts if (one, frame) not in known}  # no mask may be made yet

    def is_changed(frame: int) -> bool:
        here = ((one, frame) for one in masks.objects_on(frame))
        return frame in said or any(masks.get(key) is not known.get(key) for key in here)

    return [frame for frame, numbers in enumerate(tracks.frames) if numbers and is_changed(frame)]


class _Taken:
    """Tracks as the objects that they are; new ones are numbered on from an id.

    Attributes
    ----------
    masks
        Those that were found, by object and frame.
    divisions
        Of new and known objects.
    new, carried_on, grown
        Ids, ascending: new objects, known ones that get masks, and all known ones that get anything, also a mother.
    """

    def __init__(self, tracks: FoundTracks, first_id: int) -> None:
        self._tracks, ids = tracks, count(first_id)
        owners = tracks.known.owners
        self._ids: dict[int, int] = {}
        for track in tracks.linked.tracks:
            known = next((owners[node] for node in track.nodes if node in owners), None)
            self._ids[track.track_id] = next(ids) if known is None else known
        self._owner = {node: self._ids[number] for node, number in tracks.linked.track_ids().items()}
        self._found = {node: number for node in self._owner if (number := tracks.number(node)) is not None}
        self.masks: dict[MaskKey, StoredMask] = {
            (self._owner[node], node[0]): tracks.masks[number] for node, number in self._found.items()
        }
        self.divisions = [
            Division(self._ids[one.mother], one.frame, tuple(self._ids[each] for each in one.daughters))
            for one in tracks.linked.divisions
        ]
        with_masks = {one for one, _ in self.masks}
        known_ids = {*owners.values()}
        in_divisions = {one for each in self.divisions for one in (each.mother, *each.daughters)}
        self.new = tuple(sorted(with_masks - known_ids))
        self.carried_on = tuple(sorted(with_masks & known_ids))
        self.grown = tuple(sorted((with_masks | in_divisions) & known_ids))

    def document_after(self, document: Document) -> Document:
        """Return the document with the objects, as they are then; the proposals that they are made of are gone.

        Of an object with prompts no end is claimed, so that a run may look further than what was found.
        """
        past = self._past_events()
        kept = [one for one in document.events if (one.object_id, one.kind) not in past]
        touched = {*self.new, *self.grown}  # one that nothing was found of may be gone by now
        tracks = [one for one in self._tracks.linked.tracks if self._ids[one.track_id] in touched]
        infos = [info for track in tracks if (info := self._info(track, document)) is not None]
        events = [one for track in tracks for one in self._events(track) if not document.prompts_of(one.object_id)]
        made = document.with_events(kept).with_tracks(infos, self.divisions, events, self._claims(document))
        return made.with_proposals(dict.fromkeys(self._found.values()))

    def _info(self, track: LinkedTrack, document: Document) -> ObjectInfo | None:
        """Return what is said of the object of a track; None where it stays as it is."""
        object_id, parent = self._ids[track.track_id], None if track.parent is None else self._ids[track.parent]
        known = document.objects.get(object_id)
        if known is not None:
            return None if parent is None else replace(known, parent=parent)
        found = [self._tracks.proposals[self._found[node]] for node in track.nodes]
        score = float(np.mean([one.score for one in found]))
        return ObjectInfo(object_id, parent=parent, source=found[0].source, score=score, links=LinkStatus.linked)

    def _events(self, track: LinkedTrack) -> Iterator[TrackEvent]:
        """Yield how a track begins and ends where it was found, as far as that is an event; to be missed is none."""
        for word, node in ((track.begins, track.nodes[0]), (track.ends, track.nodes[-1])):
            if node in self._found and word in EventKind.__members__:
                yield TrackEvent(self._ids[track.track_id], node[0], EventKind(word))

    def _past_events(self) -> set[tuple[int, EventKind]]:
        """Return which events of known objects hold no more, because these begin earlier, end later, or divide."""
        past = {(division.mother, kind) for division in self.divisions for kind in ENDS}
        past |= {(one, kind) for division in self.divisions for one in division.daughters for kind in BEGINS}
        for track in self._tracks.linked.tracks:
            for node, kinds in ((track.nodes[0], BEGINS), (track.nodes[-1], ENDS)):
                if node in self._found:
                    past |= {(self._ids[track.track_id], kind) for kind in kinds}
        return past

    def _claims(self, document: Document) -> list[LinkClaims]:
        """Return how sure the links to the detections of each object are, and what else may lead to them."""
        linked, owner = self._tracks.linked, self._owner
        claimed = {*self.new, *self.grown}
        sure: dict[int, dict[int, float]] = {object_id: {} for object_id in sorted(claimed)}
        for link in linked.links:
            if owner[link.after] in claimed and not self._is_known(link):
                sure[owner[link.after]][link.after[0]] = link.confidence
        rivals: dict[int, list[Rival]] = {object_id: [] for object_id in sure}
        for one in linked.alternatives:
            if one.before not in owner or owner.get(one.after) not in claimed:
                continue
            is_other = one.is_division or owner[one.before] != owner[one.after]
            confidence = round(one.confidence, 2)
            if is_other and confidence:
                rivals[owner[one.after]].append(Rival(one.after[0], owner[one.before], one.is_division, confidence))
        claims = []
        for object_id, of_frame in sure.items():
            frames = sorted(of_frame)
            confidences = tuple(of_frame[frame] for frame in frames)
            made = LinkClaims(object_id, tuple(frames), confidences, tuple(rivals[object_id]))
            claims.append(made.joined(document.claims[object_id]) if object_id in document.claims else made)
        return [one for one in claims if one.frames or one.rivals]

    def _is_known(self, link: Link) -> bool:
        """Return whether a link is inside of what an object was before."""
        is_inside = self._owner[link.before] == self._owner[link.after]
        return is_inside and not self._found.keys() & {link.before, link.after}
