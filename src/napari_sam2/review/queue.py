"""All places in doubt of a scene, kept from look to look: of an edit, one object is looked at with its neighbours.

What is usual (`Usual`) is taken from the first look, and anew where a tenth of the objects or more have changed.
Looking may be done on any thread, one at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from napari_sam2.document.proposals import Proposal
from napari_sam2.document.reviews import Place
from napari_sam2.document.shared_map import SharedMap
from napari_sam2.masks.stored_masks import MaskKey, StoredMask
from napari_sam2.review.courses import Course, Memory, Usual, course_of, views_of
from napari_sam2.review.crowds import all_shared, conflict_doubts, left_out, shared_with
from napari_sam2.review.ends import division_doubts, end_doubts
from napari_sam2.review.items import Doubt, ReviewItem, joined
from napari_sam2.review.scene import Scene
from napari_sam2.review.steps import link_doubts, step_doubts

ANEW = 0.1
"""Share of objects that change from which on what is usual is found anew."""

MANY = 10
"""Objects that changed on a frame, on average, from which on all of a frame are compared."""

Pair = tuple[int, int]


@dataclass(slots=True)
class _Known:
    """What was found of an object."""

    masks: Mapping[int, StoredMask]
    course: Course
    memory: Memory
    items: tuple[ReviewItem, ...] = ()


class Queue:
    """Places in doubt of the scene that was looked at last; `items` by place, unranked, all open.

    All scenes that are looked at come from one source.
    """

    def __init__(self) -> None:
        self._scene: Scene | None = None
        self._known: dict[int, _Known] = {}
        self._usual: Usual | None = None
        self._on_frame: dict[int, dict[int, StoredMask]] = {}
        self._shares: dict[int, dict[Pair, float]] = {}
        self._left_out: dict[int, tuple[ReviewItem, ...]] = {}
        self._is_linked = False

    def look(self, scene: Scene) -> None:
        """Look at what has changed since the last scene."""
        before = {} if self._scene is None else self._scene.stamps
        changed = {one for one, stamp in scene.stamps.items() if before.get(one) != stamp}
        gone = before.keys() - scene.stamps.keys()
        frames = self._take_masks(changed, gone, scene)
        self._look_at_proposals(frames, scene)
        around = {one for one in changed if one in self._known} | self._mothers_of({*changed, *gone}, scene)
        courses = self._courses()
        if self._usual is None or len(changed) > ANEW * len(self._known):
            self._usual, around = Usual(courses.values(), scene.frame_count), set(self._known)
            for known in self._known.values():
                known.memory.verdicts.clear()
        for object_id in around:
            known = self._known[object_id]
            known.items = tuple(joined(self._doubts(object_id, known, courses, self._usual, scene)))
        self._scene = scene

    def items(self) -> dict[Place, ReviewItem]:
        """Return what is in doubt, by place."""
        found = {item.place: item for known in self._known.values() for item in known.items}
        by_pair: dict[Pair, dict[int, float]] = {}
        for frame, shares in self._shares.items():
            for pair, share in shares.items():
                by_pair.setdefault(pair, {})[frame] = share
        conflicts = [doubt for pair, shares in by_pair.items() for doubt in conflict_doubts(pair, shares)]
        found |= {item.place: item for item in joined(conflicts)}
        return found | {item.place: item for items in self._left_out.values() for item in items}

    def course(self, object_id: int) -> Course | None:
        """Return what an object is on each frame; None if it is nowhere."""
        known = self._known.get(object_id)
        return None if known is None else known.course

    def on_frame(self, frame: int) -> Mapping[int, StoredMask]:
        """Return the objects on a frame and their masks, as far as these hold a pixel."""
        return self._on_frame.get(frame, {})

    @property
    def usual(self) -> Usual | None:
        """What is usual among the objects; None before the first look."""
        return self._usual

    def _courses(self) -> dict[int, Course]:
        return {one: known.course for one, known in self._known.items()}

    def _doubts(
        self, object_id: int, known: _Known, courses: Mapping[int, Course], usual: Usual, scene: Scene
    ) -> Iterator[Doubt]:
        info = scene.document.objects.get(object_id)
        if info is None or info.locked:
            return
        views = views_of(dict(sorted(known.masks.items())))
        yield from step_doubts(object_id, known.course, views, known.masks, usual, known.memory)
        if scene.is_claim(object_id):
            yield from end_doubts(object_id, known.course, scene, usual)
            yield from division_doubts(object_id, courses, scene)
            claims = scene.document.claims.get(object_id)
            if claims is not None:
                yield from link_doubts(claims, known.course)

    def _take_masks(self, changed: Iterable[int], gone: Iterable[int], scene: Scene) -> set[int]:
        """Take the masks of objects that changed; return the frames on which any did."""
        frames, touched = set[int](), list[MaskKey]()
        earlier = {one: known for one in (*changed, *gone) if (known := self._known.pop(one, None)) is not None}
        memory = Memory()  # a mask may be another object's now
        for known in earlier.values():
            memory.take(known.memory)
        for object_id in (*changed, *gone):
            before = earlier[object_id].masks if object_id in earlier else {}
            now = dict(scene.masks.get(object_id, {}))
            differing = {frame for frame in {**before, **now} if before.get(frame) is not now.get(frame)}
            for frame in differing:
                self._put(object_id, frame, now.get(frame))
            touched += [(object_id, frame) for frame in differing]
            views = views_of(dict(sorted(now.items())))
            if views:
                own = memory.only(now.values())
                self._known[object_id] = _Known(now, course_of(views, own), own)
            frames |= differing
        self._look_for_conflicts(touched, frames, scene.size)
        return frames

    def _put(self, object_id: int, frame: int, mask: StoredMask | None) -> None:
        here = self._on_frame.setdefault(frame, {})
        here.pop(object_id, None)
        if mask is not None and not mask.is_empty:
            here[object_id] = mask

    def _look_for_conflicts(self, touched: Sequence[MaskKey], frames: set[int], size: tuple[int, int]) -> None:
        """Compare masks that changed with their neighbours; on frames on which many did, all of them."""
        for frame in frames if len(touched) > MANY * len(frames) else ():
            shared = all_shared(self._on_frame.get(frame, {}), size)
            self._shares[frame] = {(first, second): share for first, second, share in shared}
        for object_id, frame in touched if len(touched) <= MANY * len(frames) else ():
            shares = {pair: one for pair, one in self._shares.get(frame, {}).items() if object_id not in pair}
            here = self._on_frame.get(frame, {})
            for other, share in shared_with(object_id, here) if object_id in here else ():
                shares[min(object_id, other), max(object_id, other)] = share
            self._shares[frame] = shares

    def _look_at_proposals(self, frames: set[int], scene: Scene) -> None:
        """Look at the proposals of frames on which masks or proposals have changed, once objects were linked.

        At all of them when the first objects are linked, or none is any more.
        """
        known = SharedMap.of({} if self._scene is None else self._scene.document.proposals)
        proposals: SharedMap[Proposal] = SharedMap.of(scene.document.proposals)
        touched = {*proposals.differing(known)}
        frames = frames | {proposals[number].frame for number in touched}
        frames |= {known[number].frame for number in known.differing(proposals)}
        was_linked, self._is_linked = self._is_linked, any(map(scene.is_claim, scene.masks))
        if self._is_linked is not was_linked:
            frames |= {one.frame for one in proposals.values()}
        of_frames: dict[int, list[tuple[int, Proposal]]] = {frame: [] for frame in frames}
        if self._is_linked:
            for number, one in proposals.items():
                if one.frame in of_frames:
                    of_frames[one.frame].append((number, one))
        for frame, here in of_frames.items():
            self._left_out[frame] = tuple(joined(left_out(here, self._on_frame.get(frame, {}))))

    def _mothers_of(self, changed: Iterable[int], scene: Scene) -> set[int]:
        """Return who is the mother of some objects, or was it at the last look."""
        documents = [each.document for each in (self._scene, scene) if each is not None]
        infos = (about.objects.get(one) for one in changed for about in documents)
        return {info.parent for info in infos if info is not None and info.parent in self._known}
