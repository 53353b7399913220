"""Links anew around what a person corrected: what a program linked there is decided once more, the person's stays.

Objects are a person's if they have a prompt or a painted mask, are locked, said to be absent, or their links were made
or looked at by a person. Theirs are kept whole, and nothing is put before them; their last mask may find one to go on
with, unless something is said behind it. Of objects that a program linked, links are open on frames near to where a
person said something, and kept elsewhere. Divisions, parents and what was decided in a review stay, and so do
beginnings and ends that were said; two objects with names stay two. What comes of it are exchanges of objects from a
frame on, which prompts, children, events, claims and decisions follow. Where one goes on with another, what is behind
that is decided with it: in rounds, until one changes nothing, so that to ask again changes nothing either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from napari_sam2.document.claims import LinkClaims
from napari_sam2.document.document import Document
from napari_sam2.document.objects import LinkStatus
from napari_sam2.document.reviews import At, Place
from napari_sam2.document.track_events import TrackEvent, settled
from napari_sam2.linking import Detection, Kept, Linked, LinkingOptions, Node, link
from napari_sam2.masks.mask_store import MaskStore
from napari_sam2.masks.stored_masks import MaskChange, MaskKey, StoredMask
from napari_sam2.session.known_objects import is_decided, said_frames
from napari_sam2.session.parentage import Exchange, exchanged

WINDOW = 2
"""Frames before and after those that a person touched, on which links are open."""
NEAR = 2.0
"""Sizes of an object within which others are its neighbours."""
MOST_ROUNDS = 50


@dataclass
class Round:
    """A document in which links were decided anew, once.

    Attributes
    ----------
    exchanges
        To be made one after the other, with the masks too.
    gone
        Objects that are now parts of others.
    touched
        All objects that this changes.
    """

    document: Document
    exchanges: list[Exchange] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)

    def rearrange(self, masks: MaskStore) -> list[MaskChange]:
        """Let masks go with the document, and return the changes."""
        changes = [change for exchange in self.exchanges for change in masks.swap(*exchange)]
        return changes + [change for one in self.gone for change in masks.remove_object(one)]


def relinked(document: Document, masks: MaskStore, options: LinkingOptions) -> list[Round]:
    """Return the rounds in which links are decided anew around what a person said, each of which changes something."""
    rounds: list[Round] = []
    while len(rounds) < MOST_ROUNDS and (made := _round(document, masks, options)).touched:
        rounds.append(made)
        document, masks = made.document, MaskStore.of(masks.size, masks.frame_count, masks.items())
        made.rearrange(masks)
    return rounds


def _round(document: Document, masks: MaskStore, options: LinkingOptions) -> Round:
    """Return the document with links decided anew; the same one where nothing changes."""
    absent = {event.object_id: event.last_frame for event in document.events if event.last_frame is not None}
    own = {one for one in masks.object_ids() if one in absent or _is_a_persons(document, masks, one)}
    spots = dict(_spots(document, masks, own))
    near = _neighbours(document, masks, own, spots)
    if not near:
        return Round(document)
    open_frames = {frame + step for frames in spots.values() for frame in frames for step in range(-WINDOW, WINDOW + 1)}
    keys: list[list[MaskKey]] = [[] for _ in range(masks.frame_count)]
    frames: list[list[Detection]] = [[] for _ in keys]
    for one in sorted({*near, *{other for others in near.values() for other in others}}):
        for frame, mask in masks.there(one).items():
            keys[frame].append((one, frame))
            frames[frame].append(Detection((mask.y0, mask.x0), mask.mask()))
    last = {one: max((*said_frames(document, masks, one), absent.get(one, -1)), default=-1) for one in own}
    closed = {one for one in own if one in document.locked or last[one] > max(masks.there(one), default=-1)}
    kept = _kept(document, keys, (own, closed), open_frames).joined(_decided(document, masks, keys))
    options = replace(options, divisions=False, least_score=0.0)
    while True:
        made = _exchanged(document, masks, keys, link(frames, options, kept=kept, frame_hw=masks.size))
        names = {info.name for info in made.document.objects.values()}
        lost = [one for one in made.gone if document.objects[one].name not in {"", *names}]
        if not lost:
            return made
        firsts = _firsts(keys)  # who would lose a name is no part of another one
        kept = kept.joined(Kept.of(begins=[firsts[one] for one in lost]))


def _is_a_persons(document: Document, masks: MaskStore, object_id: int) -> bool:
    info = document.objects.get(object_id)
    linked = info is not None and info.links is LinkStatus.linked and not info.locked
    return not linked or bool(said_frames(document, masks, object_id))


def _spots(document: Document, masks: MaskStore, own: set[int]) -> Iterator[tuple[int, set[int]]]:
    """Yield the objects of a person, with the frames on which links beside them may have changed.

    Those are its ends where nothing was said of it on any frame: where else it ends was found, and may be far away.
    """
    for one in own:
        shown = masks.there(one)
        said = {frame for frame, mask in shown.items() if not mask.status.is_evidence} | set(document.prompts_of(one))
        if shown:
            yield one, said or {min(shown), max(shown)}


def _neighbours(
    document: Document, masks: MaskStore, own: set[int], spots: Mapping[int, set[int]]
) -> dict[int, set[int]]:
    """Return the objects of a person that have neighbours which a program linked, with these."""
    near: dict[int, set[int]] = {}
    for one, frames in spots.items():
        shown = masks.there(one)
        for frame in frames & shown.keys():
            centre, size = _box(shown[frame])
            for at in range(max(frame - 1, 0), min(frame + 2, masks.frame_count)):
                for other in set(masks.objects_on(at)) - own:
                    mask = masks.get((other, at))
                    if mask is not None and not mask.is_empty and np.hypot(*(_box(mask)[0] - centre)) < NEAR * size:
                        near.setdefault(one, set()).add(other)
    return near


def _box(mask: StoredMask) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], float]:
    """Return the centre (2,) and the size of the box of a mask."""
    height, width = mask.shape
    return np.array([mask.y0 + height / 2, mask.x0 + width / 2]), float(max(height, width))


def _kept(
    document: Document, keys: list[list[MaskKey]], persons: tuple[set[int], set[int]], open_frames: set[int]
) -> Kept:
    """Return the links that stay, and who is not to be joined with anybody before or behind.

    Persons are the objects of a person, and those of them that end where they do.
    """
    own, closed = persons
    ways: dict[int, list[Node]] = {}
    for frame, some in enumerate(keys):
        for index, (one, _) in enumerate(some):
            ways.setdefault(one, []).append((frame, index))
    links = [
        (before, after)
        for one, way in ways.items()
        for before, after in pairwise(way)
        if one in own or not {before[0], after[0]} <= open_frames
    ]
    closed = closed | {info.parent for info in document.objects.values() if info.parent is not None}
    ends = [way[-1] for one, way in ways.items() if one in closed]
    begins = [way[0] for one, way in ways.items() if one in own or document.objects[one].parent is not None]
    return Kept.of(links=links, begins=begins, ends=ends)


def _decided(document: Document, masks: MaskStore, keys: list[list[MaskKey]]) -> Kept:
    """Return the links, beginnings and ends that a person found right or made, as far as that holds still."""
    nodes = {key: (frame, index) for frame, some in enumerate(keys) for index, key in enumerate(some)}
    links, begins, ends = list[tuple[Node, Node]](), list[Node](), list[Node]()
    for place in document.review.decisions:
        one, frame = place.object_id, place.frame
        if place.at not in (At.step, At.begin, At.end, At.track):
            continue
        own = list(masks.there(one))
        if not own or (one, own[0]) not in nodes or not is_decided(place, document, masks):
            continue
        if place.at is At.step and frame in own[1:]:
            links.append((nodes[one, own[own.index(frame) - 1]], nodes[one, frame]))
        if place.at in (At.begin, At.track) and frame <= own[0]:
            begins.append(nodes[one, own[0]])
        if place.at is At.track or (place.at is At.end and frame >= own[-1]):
            ends.append(nodes[one, own[-1]])
    return Kept.of(links=links, begins=begins, ends=ends)


def _firsts(keys: list[list[MaskKey]]) -> dict[int, Node]:
    """Return where each object is there for the first time."""
    firsts: dict[int, Node] = {}
    for frame, some in enumerate(keys):
        for index, (one, _) in enumerate(some):
            firsts.setdefault(one, (frame, index))
    return firsts


def _exchanged(document: Document, masks: MaskStore, keys: list[list[MaskKey]], linked: Linked) -> Round:
    """Return the document after the exchanges that make objects of tracks."""
    origin = {each.after: each for each in linked.links}
    owner = {(frame, index): one for frame, some in enumerate(keys) for index, (one, _) in enumerate(some)}
    firsts = _firsts(keys)
    made, claims = Round(document), list[tuple[Node, float]]()
    for node in sorted(owner):
        frame, one = node[0], owner[node]
        each = origin.get(node)
        goes_on = owner[each.before] if each is not None else None
        if goes_on == one or (each is None and all(at[0] >= frame for at, other in owner.items() if other == one)):
            continue
        if goes_on is None:
            goes_on = made.document.next_object_id()
            about = replace(made.document.objects[one], object_id=goes_on, name="", parent=None)
            made.document = made.document.with_object(about)
        made.document = exchanged(made.document, (goes_on, one, frame), _frames_by(owner, firsts, masks))
        made.exchanges.append((goes_on, one, frame))
        names = {goes_on: one, one: goes_on}
        owner = {at: names.get(other, other) if at[0] >= frame else other for at, other in owner.items()}
        claims += [(node, each.confidence)] if each is not None else []
    made.touched = {one for a, b, _ in made.exchanges for one in (a, b)}
    made.gone = sorted(made.touched - set(owner.values()))
    for one in made.gone:
        made.document = made.document.merged(owner[firsts[one]], one)
    made.document = _claimed(made.document, owner, claims)
    spans = {one: [node[0] for node, other in owner.items() if other == one] for one in made.touched}
    said = _said_events(document, masks, made.exchanges)
    made.document = made.document.with_events(settled(made.document.events, spans, said))
    return made


def _frames_by(
    owner: Mapping[Node, int], firsts: Mapping[int, Node], masks: MaskStore
) -> Callable[[int], Iterable[int]]:
    """Return what gives the frames of an object: its detections where it has any at first, else its masks."""
    own: dict[int, list[int]] = {one: [] for one in firsts}
    for node, one in owner.items():
        own.setdefault(one, []).append(node[0])
    return lambda one: own[one] if one in own else masks.there(one)


def _said_events(document: Document, masks: MaskStore, exchanges: list[Exchange]) -> set[TrackEvent]:
    """Return the beginnings and ends that a person said, under the names that they have after exchanges.

    One beyond which the person drew or prompted the object is said no longer.
    """
    found = set()
    for event in document.events:
        place = Place(At.begin if event.kind.is_begin else At.end, event.object_id, event.frame)
        if place not in document.review.decisions or not is_decided(place, document, masks):
            continue
        said = said_frames(document, masks, event.object_id)
        if said and event.is_inside(min(said), max(said)):
            continue
        for a, b, frame in exchanges:
            event = event.renamed({a: b, b: a}) if event.frame >= frame else event
        found.add(event)
    return found


def _claimed(document: Document, owner: Mapping[Node, int], claims: list[tuple[Node, float]]) -> Document:
    """Return the document with the claims of new links."""
    known = dict(document.claims)
    for node, confidence in claims:
        new = LinkClaims(owner[node], (node[0],), (confidence,))
        known[owner[node]] = new.joined(known[owner[node]]) if owner[node] in known else new
    return replace(document, claims=known)
