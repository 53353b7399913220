"""What was found frame by frame becomes objects over time: tracks with parents and events, made by the linker.

Proposals are linked (`engine.linking`); every track is an object, whose masks are those proposals with the status
`found`, and which has no prompt: a claim until a person looks at it. Divisions and events go into the document beside
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_sam2.document.claims import LinkClaims, Rival
from napari_sam2.document.document import Document
from napari_sam2.document.objects import LinkStatus, ObjectInfo
from napari_sam2.document.proposals import Proposal
from napari_sam2.document.track_events import Division, EventKind, TrackEvent
from napari_sam2.engine.jobs import LEAST_SCORE
from napari_sam2.engine.updates import FoundTracks
from napari_sam2.linking import Linked, LinkedTrack, LinkingOptions
from napari_sam2.masks.stored_masks import MaskKey, StoredMask
from napari_sam2.session.state import SessionState
from napari_sam2.session.steps import Steps
from napari_sam2.stacks import Movie
from sam2_core.errors import StackError


@dataclass(frozen=True, slots=True)
class LinkedObjects:
    """What linking made of proposals.

    Attributes
    ----------
    object_ids
        Of the new objects, ascending.
    divisions
        How many there are among them.
    left_out
        Numbers of proposals that are unsure and alone: they stay proposals.
    """

    object_ids: tuple[int, ...] = ()
    divisions: int = 0
    left_out: tuple[int, ...] = ()


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


def take_tracks(state: SessionState, steps: Steps, tracks: FoundTracks) -> LinkedObjects:
    """Return the objects that tracks became, in one step.

    Raises
    ------
    StackError
        If one of the proposals was decided about, or found anew, meanwhile.
    """
    known = state.document.proposals
    if any(known.get(number) is not tracks.proposals[number] for number in tracks.masks):
        raise StackError("What was found has changed while it was linked, and nothing was taken; link again.")
    if not tracks.linked.tracks:
        return LinkedObjects()
    first = max({*state.document.objects, *state.masks.object_ids()}, default=0) + 1
    document, masks = _document_with(state.document, tracks, first)
    ids = tuple(range(first, first + len(tracks.linked.tracks)))
    steps.make(document, "link cells", ids, lambda _: [state.masks.put(key, mask) for key, mask in masks.items()])
    left_out = tuple(tracks.frames[frame][index] for frame, index in tracks.linked.left_out)
    return LinkedObjects(ids, len(tracks.linked.divisions), left_out)


def _document_with(
    document: Document, tracks: FoundTracks, first_id: int
) -> tuple[Document, dict[MaskKey, StoredMask]]:
    """Return the document with an object for every track, and the masks of these; their proposals are gone from it."""
    linked, frames = tracks.linked, tracks.frames
    ids = {track.track_id: first_id + place for place, track in enumerate(linked.tracks)}
    infos, events = list[ObjectInfo](), list[TrackEvent]()
    masks: dict[MaskKey, StoredMask] = {}
    for track in linked.tracks:
        numbers = [frames[frame][index] for frame, index in track.nodes]
        found = [tracks.proposals[number] for number in numbers]
        object_id, parent = ids[track.track_id], None if track.parent is None else ids[track.parent]
        score = float(np.mean([one.score for one in found]))
        infos.append(ObjectInfo(object_id, parent=parent, source=found[0].source, score=score, links=LinkStatus.linked))
        events += _events(track, object_id)
        masks |= {(object_id, tracks.proposals[number].frame): tracks.masks[number] for number in numbers}
    divisions = [Division(ids[one.mother], one.frame, tuple(ids[n] for n in one.daughters)) for one in linked.divisions]
    made = document.with_tracks(infos, divisions, events, _claims(linked, ids))
    used = [frames[frame][index] for track in linked.tracks for frame, index in track.nodes]
    return made.with_proposals(dict.fromkeys(used)), masks


def _claims(linked: Linked, ids: Mapping[int, int]) -> list[LinkClaims]:
    """Return how sure the links to the detections of each track are, and what else may lead to them."""
    owner = {node: ids[track_id] for node, track_id in linked.track_ids().items()}
    sure: dict[int, dict[int, float]] = {object_id: {} for object_id in ids.values()}
    for link in linked.links:
        sure[owner[link.after]][link.after[0]] = link.confidence
    rivals: dict[int, list[Rival]] = {object_id: [] for object_id in ids.values()}
    for one in linked.alternatives:
        if one.before not in owner or one.after not in owner:
            continue
        is_other = one.is_division or owner[one.before] != owner[one.after]
        confidence = round(one.confidence, 2)
        if is_other and confidence:
            rivals[owner[one.after]].append(Rival(one.after[0], owner[one.before], one.is_division, confidence))
    claims = []
    for object_id, of_frame in sure.items():
        frames = sorted(of_frame)
        confidences = tuple(of_frame[frame] for frame in frames)
        claims.append(LinkClaims(object_id, tuple(frames), confidences, tuple(rivals[object_id])))
    return [one for one in claims if one.frames or one.rivals]


def _events(track: LinkedTrack, object_id: int) -> Iterator[TrackEvent]:
    """Yield how a track begins and ends, as far as that is an event; frames on which it was missed are none."""
    for word, node in ((track.begins, track.nodes[0]), (track.ends, track.nodes[-1])):
        if word in EventKind.__members__:
            yield TrackEvent(object_id, node[0], EventKind(word))
