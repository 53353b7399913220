"""What was found frame by frame becomes objects over time: tracks with parents and events, made by the linker.

Proposals are linked (`linking`); every track is an object, whose masks are those proposals with the status `found`, and
which has no prompt: a claim until a person looks at it. Divisions and events go into the document beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from napari_sam2.document.document import Document
from napari_sam2.document.objects import LinkStatus, ObjectInfo
from napari_sam2.document.proposals import Proposal
from napari_sam2.document.track_events import Division, EventKind, TrackEvent
from napari_sam2.linking import Detection, Linked, LinkedTrack
from napari_sam2.masks.stored_masks import MaskKey, MaskStatus, StoredMask
from napari_sam2.stacks import Movie

Numbers = Sequence[Sequence[int]]
"""Of the proposals of each frame, in the order in which they are linked."""


@dataclass(frozen=True, slots=True)
class LinkedObjects:
    """What linking made of proposals.

    Attributes
    ----------
    object_ids
        Of the new objects, ascending.
    divisions
        How many there are among them.
    """

    object_ids: tuple[int, ...] = ()
    divisions: int = 0


def by_frame(proposals: Mapping[int, Proposal], numbers: Sequence[int], frame_count: int) -> Numbers:
    """Return numbers of proposals frame by frame, in the order in which they are given."""
    frames: list[list[int]] = [[] for _ in range(frame_count)]
    for number in numbers:
        frames[proposals[number].frame].append(number)
    return frames


def detections(movie: Movie, proposals: Mapping[int, Proposal], frames: Numbers) -> Iterator[list[Detection]]:
    """Yield what is linked frame by frame: masks, scores, and how bright they are in the movie."""
    for frame, numbers in enumerate(frames):
        plane = movie[frame] if numbers else None
        yield [_detection(plane, proposals[number]) for number in numbers]


def document_with(
    document: Document, proposals: Mapping[int, Proposal], frames: Numbers, linked: Linked, first_id: int
) -> tuple[Document, dict[MaskKey, StoredMask]]:
    """Return the document with an object for every track, and the masks of these; their proposals are gone from it."""
    ids = {track.track_id: first_id + place for place, track in enumerate(linked.tracks)}
    infos, events = list[ObjectInfo](), list[TrackEvent]()
    masks: dict[MaskKey, StoredMask] = {}
    for track in linked.tracks:
        found = [proposals[frames[frame][index]] for frame, index in track.nodes]
        object_id, parent = ids[track.track_id], None if track.parent is None else ids[track.parent]
        score = float(np.mean([one.score for one in found]))
        infos.append(ObjectInfo(object_id, parent=parent, source=found[0].source, score=score, links=LinkStatus.linked))
        events += _events(track, object_id)
        masks |= {(object_id, one.frame): StoredMask.of_drawn(one.mask, MaskStatus.found) for one in found}
    divisions = [Division(ids[one.mother], one.frame, tuple(ids[n] for n in one.daughters)) for one in linked.divisions]
    gone = dict.fromkeys(number for numbers in frames for number in numbers)
    return document.with_tracks(infos, divisions, events).with_proposals(gone), masks


def _detection(plane: np.ndarray | None, proposal: Proposal) -> Detection:
    mask = proposal.mask
    seen = None if plane is None else float(plane[mask.rows, mask.columns][mask.inside].mean())
    return Detection((mask.y0, mask.x0), mask.inside, min(max(proposal.score, 0.0), 1.0), seen)


def _events(track: LinkedTrack, object_id: int) -> Iterator[TrackEvent]:
    """Yield how a track begins and ends, as far as that is an event, and where it is absent."""
    frames = [frame for frame, _ in track.nodes]
    for word, frame in ((track.begins, frames[0]), (track.ends, frames[-1])):
        if word in EventKind.__members__:
            yield TrackEvent(object_id, frame, EventKind(word))
    for before, after in pairwise(frames):
        if after > before + 1:
            yield TrackEvent(object_id, before + 1, EventKind.absent, after - 1)
