"""The tracks of a document and its masks: from where to where each object is there, and whom it comes from."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from napari_sam2.document.claims import LinkClaims
from napari_sam2.document.document import Document
from napari_sam2.document.track_events import Division
from napari_sam2.masks.mask_store import MaskKey, MaskStore

Stretch = tuple[int, int]
"""First and last of frames in a row."""


@dataclass(frozen=True, slots=True)
class Track:
    """An object over time.

    Attributes
    ----------
    parent
        Object id that it came from by division, or None.
    stretches
        Frames in a row on which it is there, ascending; at least one.
    claims
        How sure the program is that linked it; None where none did.
    """

    object_id: int
    parent: int | None
    stretches: tuple[Stretch, ...]
    claims: LinkClaims | None = None

    @classmethod
    def on(cls, object_id: int, parent: int | None, frames: Iterable[int], claims: LinkClaims | None = None) -> Track:
        """Return the track of an object that is there on these frames, ascending, at least one."""
        return cls(object_id, parent, _stretches(frames), claims)

    @property
    def begin(self) -> int:
        """First frame on which it is there."""
        return self.stretches[0][0]

    @property
    def end(self) -> int:
        """Last frame on which it is there."""
        return self.stretches[-1][1]

    @property
    def gaps(self) -> tuple[Stretch, ...]:
        """Frames in a row between begin and end on which it is not there."""
        return tuple((before[1] + 1, after[0] - 1) for before, after in pairwise(self.stretches))

    @property
    def frames(self) -> list[int]:
        """Frames on which it is there, ascending."""
        return [frame for first, last in self.stretches for frame in range(first, last + 1)]


def tracks_of(document: Document, masks: MaskStore, hidden: Container[MaskKey] = ()) -> dict[int, Track]:
    """Return the track of each object that is there on some frame, by object id, ascending.

    An object is there where its mask holds a pixel. Masks that are `hidden` do not count, for example because others
    lie over all of their pixels.
    """
    tracks: dict[int, Track] = {}
    for object_id in sorted(masks.object_ids()):
        kept = masks.frames(object_id).items()
        frames = [frame for frame, mask in kept if not mask.is_empty and (object_id, frame) not in hidden]
        info = document.objects.get(object_id)
        if frames:
            parent = None if info is None else info.parent
            tracks[object_id] = Track.on(object_id, parent, frames, document.claims.get(object_id))
    return tracks


def links_of(tracks: Mapping[int, Track]) -> Iterator[tuple[MaskKey, MaskKey]]:
    """Yield (from, to) of all links, by the object and frame to which they lead.

    An object is linked from frame to frame, also over frames without it, and at its begin to where its parent was last
    before; a parent that is nowhere before is no link.
    """
    for object_id, track in tracks.items():
        mother = None if track.parent is None else tracks.get(track.parent)
        before = [] if mother is None else [frame for frame in mother.frames if frame < track.begin]
        if mother is not None and before:
            yield (mother.object_id, before[-1]), (object_id, track.begin)
        yield from (((object_id, first), (object_id, then)) for first, then in pairwise(track.frames))


def ancestors_of(tracks: Mapping[int, Track], object_id: int) -> list[int]:
    """Return the parent of an object, the parent's parent and so on, as far as they are there."""
    found: list[int] = []
    parent = tracks[object_id].parent
    while parent is not None and parent in tracks:
        found.append(parent)
        parent = tracks[parent].parent
    return found


def daughters_of(tracks: Mapping[int, Track]) -> dict[int, list[int]]:
    """Return the objects that come from each object, ascending; all objects are in it."""
    found: dict[int, list[int]] = {object_id: [] for object_id in tracks}
    for object_id, track in tracks.items():
        if track.parent is not None and track.parent in found:
            found[track.parent].append(object_id)
    return found


def children_from(
    frame: int, parents: Container[int], document: Document, there: Callable[[int], Iterable[int]]
) -> list[int]:
    """Return the objects that come from some parents from a frame on: nowhere before, and of no division before.

    there
        Gives the frames on which an object is there.
    """
    children = [one for one, info in document.objects.items() if info.parent is not None and info.parent in parents]
    born = {one for division in document.divisions if division.frame < frame for one in division.daughters}
    return [one for one in children if one not in born and not any(at < frame for at in there(one))]


def is_before_birth(object_id: int, begin: int, document: Document, parent_begin: int) -> bool:
    """Return whether an object that begins on a frame cannot come from its parent: it is there before she divides.

    Where no division is known, she has to begin before.
    """
    parent = document.objects[object_id].parent
    born = [one.frame for one in document.divisions if one.mother == parent and object_id in one.daughters]
    return parent is not None and begin < min(born, default=parent_begin + 1)


def divisions_of(tracks: Mapping[int, Track]) -> tuple[Division, ...]:
    """Return the divisions that parents make: two daughters or more on a frame, or one beside a mother who is there.

    A mother is there before her daughters: objects that come from one who begins later make none.
    """
    found: list[Division] = []
    for mother, daughters in daughters_of(tracks).items():
        for frame in sorted({tracks[one].begin for one in daughters if tracks[one].begin > tracks[mother].begin}):
            born = tuple(one for one in daughters if tracks[one].begin == frame)
            if len(born) > 1 or tracks[mother].end >= frame:
                found.append(Division(mother, frame, born))
    return tuple(found)


def _stretches(frames: Iterable[int]) -> tuple[Stretch, ...]:
    """Return ascending frames, at least one, as stretches."""
    found: list[Stretch] = []
    for frame in frames:
        begin = found.pop()[0] if found and found[-1][1] == frame - 1 else frame
        found.append((begin, frame))
    return tuple(found)
