"""What may be done about a place in doubt, the likeliest first: whom a track may go on as, come from or divide into.

Candidates are tracks that begin, end or pass nearby, as far from where the object should be as `NEAR` diameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from napari_sam2.document.document import Document
from napari_sam2.document.reviews import At, Place
from napari_sam2.masks.stored_masks import MaskKey
from napari_sam2.review.courses import Course, Floats, Usual
from napari_sam2.review.ends import like_halves
from napari_sam2.review.queue import Queue

NEAR = 2.0
GAP = 2
"""Frames on which an object may be missed between two tracks that are one."""
OFFERED = 3
"""Fixes that a key chooses; that a short track is no object is among them."""
PASSING = 0.5
"""Diameters by which a track that is cut for it has to be nearer than one that ends or begins."""


class Verb(StrEnum):
    """What is done; see `session.surgery` and `session.edits`."""

    connect = "connect"
    divide = "divide"
    undivide = "undivide"
    break_here = "break"
    remove = "remove"
    merge = "merge"
    swap = "swap"
    accept_proposal = "accept"


@dataclass(frozen=True, slots=True)
class Fix:
    """One thing to do about a place; `Surgery.do` does it.

    Attributes
    ----------
    keys
        (object_id, frame) of those whom it is about: of `connect` before and after, of `divide` the mother and her
        daughters on the frame from which on they are there, else the object.
    """

    verb: Verb
    keys: tuple[MaskKey, ...]

    @property
    def text(self) -> str:
        """What it does, for people."""
        first, rest = self.keys[0], [str(one) for one, _ in self.keys[1:]]
        if self.verb is Verb.connect:
            return f"{first[0]} goes on as {rest[0]}"
        if self.verb is Verb.divide:
            return f"{first[0]} divides into {' and '.join(rest)}"
        if self.verb is Verb.swap:
            return f"{first[0]} and {rest[0]} are exchanged from here on"
        words = {Verb.undivide: "does not divide", Verb.break_here: "is another one from here on"}
        words |= {Verb.remove: "is no object", Verb.accept_proposal: "is an object"}
        return f"{first[0]} is part of {rest[0]}" if self.verb is Verb.merge else f"{first[0]} {words[self.verb]}"

    @property
    def told(self) -> str:
        """A sentence about what it did, without its end."""
        return f"{'Found cell' if self.verb is Verb.accept_proposal else 'Object'} {self.text}"


def fixes_for(place: Place, document: Document, queue: Queue) -> tuple[Fix, ...]:
    """Return what may be done about a place, the likeliest first."""
    near = _Near(document, queue)
    key = place.object_id, place.frame
    if place.at is At.proposal:
        return (Fix(Verb.accept_proposal, (key,)),)
    if place.object_id not in document.objects:
        return ()
    if place.at is At.overlap:
        return (
            Fix(Verb.merge, (key, (place.other, place.frame))),
            Fix(Verb.remove, (key,)),
            Fix(Verb.remove, ((place.other, place.frame),)),
        )
    if place.at is At.division:
        return tuple(near.not_divided(*key))
    found = [*near.claimed(key), *near.before(key)] if place.at in (At.begin, At.step, At.track) else []
    found += near.swapped(key) if place.at is At.step else []
    if place.at in (At.end, At.track):
        course = queue.course(place.object_id)
        found += near.after((place.object_id, place.frame if course is None else course.end))
    ordered = dict.fromkeys(fix for _, fix in sorted(found, key=lambda one: one[0]))
    last = {At.track: Verb.remove, At.step: Verb.break_here}.get(place.at)
    ahead = tuple(ordered)[: OFFERED - 1] if place.at is At.track else tuple(ordered)
    return (*ahead, *(() if last is None else (Fix(last, (key,)),)), *tuple(ordered)[len(ahead) :])


Ranked = tuple[float, Fix]


class _Near:
    """Who is near whom."""

    def __init__(self, document: Document, queue: Queue) -> None:
        self._document = document
        self._queue = queue
        self._usual = queue.usual or Usual((), 0)

    def before(self, key: MaskKey) -> Iterator[Ranked]:
        """Yield whom an object on a frame may come from."""
        object_id, frame = key
        for then in range(frame - 1, max(frame - 2 - GAP, -1), -1):
            for other, away in self._around(key, then, object_id):
                frames = self._course(other).frames
                if then != frames[frames < frame][-1]:
                    continue  # it is there later too
                away += PASSING * (frame - 1 - then)
                yield from self._divided((other, then), key, away)
                if frames[-1] >= frame:
                    yield away + 2 * PASSING, Fix(Verb.connect, ((other, then), key))
                elif not self._daughters(other):
                    yield away, Fix(Verb.connect, ((other, then), key))

    def _divided(self, mother: MaskKey, key: MaskKey, away: float) -> Iterator[Ranked]:
        """Yield how an object that was last there before a frame may divide into the one on it and another.

        That is what of her goes on; else, where the object begins there, a daughter that she has, or one that begins
        beside her.
        """
        (other, then), (object_id, frame) = mother, key
        course = self._course(other)
        if course.end >= frame:
            index = int(np.searchsorted(course.frames, frame))
            areas = [float(course.areas[index]), self._area(key)]
            worse = 0.0 if like_halves(areas, float(course.areas[index - 1])) else PASSING
            yield away + worse, Fix(Verb.divide, (mother, (other, frame), key))
        elif self._course(object_id).begin == frame:
            daughters = self._daughters(other)
            beside = {
                (one, at): far
                for at in range(then + 1, frame + 1)
                for one, far in self._around(mother, at, object_id)
                if self._course(one).begin == at and (one in daughters or not (daughters or self._has_parent(one)))
            }
            if beside:
                sister = min(beside, key=lambda one: beside[one])
                later = PASSING if daughters else 0.0
                yield (away + beside[sister]) / 2 + later, Fix(Verb.divide, (mother, sister, key))

    def swapped(self, key: MaskKey) -> Iterator[Ranked]:
        """Yield whom an object may have been exchanged with on a frame: each lies nearer to where the other was."""
        object_id, frame = key
        own = self._course(object_id).frames
        if frame not in own or not len(own[own < frame]):
            return
        before = object_id, int(own[own < frame][-1])
        for other, away in self._around(before, frame, object_id):
            was = other, before[1]
            if was[1] in self._course(other).frames:
                exchanged = away + self._away(was, key)
                if exchanged < self._away(before, key) + self._away(was, (other, frame)):
                    yield exchanged / 2, Fix(Verb.swap, (key, (other, frame)))

    def claimed(self, key: MaskKey) -> Iterator[Ranked]:
        """Yield whom else the program that linked an object thought of, the surest first."""
        object_id, frame = key
        claims = self._document.claims.get(object_id)
        for rival in () if claims is None else claims.rivals_at(frame):
            there = self._course(rival.object_id).frames
            before = there[there < frame]
            if not len(before):
                continue
            other = rival.object_id, int(before[-1])
            if not rival.is_mother:
                yield -rival.confidence, Fix(Verb.connect, (other, key))
            else:
                yield from ((-rival.confidence, fix) for _, fix in self._divided(other, key, 0.0))

    def after(self, key: MaskKey) -> Iterator[Ranked]:
        """Yield whom an object that ends on a frame may go on as."""
        object_id, frame = key
        new: list[tuple[float, MaskKey]] = []
        for then in range(frame + 1, frame + 2 + GAP):
            for other, away in self._around(key, then, object_id):
                begins = self._course(other).begin == then
                if begins and not self._has_parent(other):
                    yield away + PASSING * (then - frame - 1), Fix(Verb.connect, (key, (other, then)))
                    if then == frame + 1:
                        new.append((away, (other, then)))
                elif then == frame + 1:
                    yield away + 2 * PASSING, Fix(Verb.connect, (key, (other, then)))
        if len(new) > 1:
            (a, first), (b, second) = sorted(new)[:2]
            yield (a + b) / 2, Fix(Verb.divide, (key, first, second))

    def not_divided(self, mother: int, frame: int) -> Iterator[Fix]:
        """Yield what else may have become of a mother: she goes on as one of her daughters, or ends."""
        course = self._course(mother)
        before = course.frames[course.frames < frame]
        daughters = self._daughters(mother)
        there = [(one, self._course(one).begin) for one in daughters if len(self._course(one))]
        if len(before):
            key = mother, int(before[-1])
            ranked = sorted(there, key=lambda one: self._away(key, one))
            yield from (Fix(Verb.connect, (key, one)) for one in ranked)
        yield Fix(Verb.undivide, ((mother, frame),))

    def _around(self, key: MaskKey, then: int, but: int) -> Iterator[tuple[int, float]]:
        """Yield the objects on another frame near where an object should be, and how many diameters away they are."""
        if key[1] not in self._course(key[0]).frames:
            return  # it is there no more
        expected = self._expected(key, then)
        y, x = expected.tolist()
        near = NEAR * max(self._usual.diameter, 1.0)
        for other, mask in self._queue.on_frame(then).items():
            y0, x0, y1, x1 = mask.box_yx  # most are far away, which their boxes tell quickly
            if other != but and y0 - near < y < y1 + near and x0 - near < x < x1 + near:
                away = self._diameters(self._yx((other, then)) - expected)
                if away < NEAR:
                    yield other, away

    def _away(self, key: MaskKey, other: MaskKey) -> float:
        """Return how many diameters an object is from where another one should be."""
        return self._diameters(self._yx(other) - self._expected(key, other[1]))

    def _expected(self, key: MaskKey, then: int) -> Floats:
        """Return where an object on a frame should be on another one, (2,), by how its neighbours move."""
        here, frame = self._yx(key), key[1]
        moved = self._usual.moved(min(frame, then), max(frame, then), here)
        return here + moved if then > frame else here - moved

    def _diameters(self, step: Floats) -> float:
        return math.hypot(step[0], step[1]) / max(self._usual.diameter, 1.0)

    def _yx(self, key: MaskKey) -> Floats:
        course = self._course(key[0])
        return course.yx[int(np.searchsorted(course.frames, key[1]))]

    def _course(self, object_id: int) -> Course:
        return self._queue.course(object_id) or Course(np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 2)))

    def _area(self, key: MaskKey) -> float:
        course = self._course(key[0])
        return float(course.areas[int(np.searchsorted(course.frames, key[1]))])

    def _has_parent(self, object_id: int) -> bool:
        info = self._document.objects.get(object_id)
        return info is not None and info.parent is not None

    def _daughters(self, object_id: int) -> list[int]:
        return [one for each in self._document.divisions if each.mother == object_id for one in each.daughters]
