"""A simulated curator: what it costs to correct an automatic result, place by place, where the truth answers.

The curator starts from a session, goes to one place after the other, accepts what is right and corrects what is not,
by the verbs of `session.review`, `session.surgery` and `session.edits`. Every key and click counts:

- accept a place: 1; the next one comes by itself. Choose one of the first three fixes that are offered: 1.
- any other link: 1 click on the other cell and 1 key; a division: 1 click for each daughter and 1 key.
- break or delete: 1 key. Draw a missed or wrong mask: 1 click, and 1 key to go to its frame; what the click makes is
  taken for right, as the truth has it. Where the cell is missed on the next frame or the one before, it is first
  tracked from here, 1 key, and what memory carries on stays as it comes; so is it from what was drawn.

Policies: `queue`, places in doubt, the highest expected gain first; `frames`, the same places in order of frames; and
`all`, every link of every frame in order, as without a queue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from napari_sam2.document.reviews import At, Place, ReviewKind
from napari_sam2.document.track_events import Division
from napari_sam2.evaluation.true_tracks import TrueTracks
from napari_sam2.io.results import Results
from napari_sam2.masks.stored_masks import MaskKey
from napari_sam2.review.fixes import Fix, Verb
from napari_sam2.review.items import ReviewItem
from napari_sam2.session.session import Session
from sam2_core.errors import PromptError
from sam2_core.scoring.tracking import TrackingMetrics, paired_tracks, tracking_metrics

OFFERED = 3
"""Fixes that one key chooses."""
MOST_STEPS = 4
"""How often a missed object is drawn at one place; then the curator goes on."""


class Policy(StrEnum):
    """In which order the curator goes."""

    queue = "queue"
    frames = "frames"
    all = "all"


@dataclass(slots=True)
class Curator:
    """One pass through a session; `tally` counts, by kind, places looked at and those that were wrong.

    With `tracks` the model carries on what is missed behind an end or before a beginning.
    """

    session: Session
    truth: TrueTracks
    policy: Policy = Policy.queue
    tracks: bool = False
    actions: int = 0
    tally: dict[ReviewKind, list[int]] = field(default_factory=dict)

    def steps(self) -> Iterator[ReviewItem | Place]:
        """Yield each place after it was dealt with."""
        if self.policy is Policy.all:
            yield from self._every_link()
            return
        while (item := self._next()) is not None:
            self._visit(item)
            yield item

    def _next(self) -> ReviewItem | None:
        open_ones = self.session.review.items()
        if self.policy is Policy.frames:
            open_ones = tuple(sorted(open_ones, key=lambda one: (one.place.frame, one.place)))
        return open_ones[0] if open_ones else None

    def _visit(self, item: ReviewItem) -> None:
        before = self.actions
        self.session.review.correct(item, lambda: self._correct(item))
        is_wrong = self.actions > before
        counts = self.tally.setdefault(item.kind, [0, 0])
        counts[0] += 1
        counts[1] += is_wrong
        if not is_wrong:
            self.actions += 1
        if item.place in {one.place for one in self.session.review.items()}:
            self.session.review.accept(item)

    def _every_link(self) -> Iterator[Place]:
        for frame in range(1, self.session.frame_count):
            for object_id in self.session.masks.objects_on(frame):
                mask = self.session.masks.get((object_id, frame))
                if mask is None or mask.is_empty:
                    continue
                before = self.actions
                self._link_into((object_id, frame), ())
                self.actions += self.actions == before
                yield Place(At.step, object_id, frame)

    def _correct(self, item: ReviewItem) -> None:
        """Correct what is wrong at a place."""
        offered, place = self.session.review.fixes(item)[:OFFERED], item.place
        key = place.object_id, place.frame
        label = self._label(key)
        if place.at is At.proposal:
            self._proposal(place.object_id)
        elif place.at is At.end:
            self._link_out(key, offered)
        elif place.at is At.division:
            self._division(key, offered)
        elif place.at is At.overlap:
            for one in (key, (place.other, place.frame)):
                self._mask(one)
        elif self._link_into(key, offered) and place.at is At.track and label:
            owner = self._owner(label, place.frame)
            if owner is not None:
                self._link_out((owner, max(self._frames(owner))), offered)

    def _division(self, key: MaskKey, offered: Sequence[Fix]) -> None:
        (mother, frame), division = key, self._division_at(key)
        if division is None:
            return
        last = max(one for one in self._frames(mother) if one < frame)
        label = self._label((mother, last))
        if label and self.truth.divides(label) and self._born(division) == {label}:
            return
        if label and self.truth.next_of(label, last) is not None:
            self._link_out((mother, last), offered)
        for daughter in division.daughters:
            if self._division_at(key) is not None and daughter in self.session.document.objects:
                frames = self._frames(daughter)
                _ = frames and self._link_into((daughter, min(frames)), offered)
        division = self._division_at(key)
        if division is not None and (not label or self._born(division) != {label}):
            self._do(Fix(Verb.undivide, (key,)), offered, 1)

    def _born(self, division: Division) -> set[int]:
        """Return the labels of those whom the daughters come from in truth, 0 for nobody."""
        daughters = [one for one in division.daughters if self._frames(one)]
        return {self._parent_label((one, min(self._frames(one)))) for one in daughters}

    def _division_at(self, key: MaskKey) -> Division | None:
        return next((one for one in self.session.document.divisions if (one.mother, one.frame) == key), None)

    def _link_into(self, key: MaskKey, offered: Sequence[Fix]) -> bool:
        """Correct whom an object on a frame comes from; return whether it is still there."""
        if not self._mask(key):
            return False
        label, frame = self._label(key), key[1]
        before = self.truth.before(label, frame)
        found = self._found_before(key)
        if before is None:
            if found is not None:
                self._do(Fix(Verb.break_here, (key,)), offered, 1, lambda: self._cut(key))
            return True
        mother, then = before
        owner = self._owner(mother, then)
        if owner is None and mother == label and self._track(key, backward=True):
            owner = self._owner(mother, then)
        if owner is None:
            owner = self._draw_before(key, mother, then)
        if mother != label:
            self._divide((owner, then), mother, offered)
        elif found != (owner, then):
            self._do(Fix(Verb.connect, ((owner, then), key)), offered, 2)
        return True

    def _link_out(self, key: MaskKey, offered: Sequence[Fix]) -> None:
        """Correct what an object on a frame becomes."""
        if not self._mask(key):
            return
        label, (object_id, frame) = self._label(key), key
        for _ in range(MOST_STEPS):
            if self._track((object_id, frame)):
                frame = self._followed(object_id, label, frame)
            then = self.truth.next_of(label, frame)
            if then is None:
                if self.truth.divides(label):
                    self._divide((object_id, frame), label, offered)
                return
            owner = self._owner(label, then)
            if owner is not None:
                if self._found_before((owner, then)) != (object_id, frame):
                    self._do(Fix(Verb.connect, ((object_id, frame), (owner, then))), offered, 2)
                return
            self._draw((object_id, then), label)
            frame = then

    def _track(self, key: MaskKey, backward: bool = False) -> bool:
        """Track a cell that is missed beyond a frame from there; return whether that was done."""
        (object_id, frame), there = key, self._frames(key[0])
        label = self._label(key)
        before = self.truth.before(label, frame) or (0, 0)
        beyond = (before[1] if before[0] == label else None) if backward else self.truth.next_of(label, frame)
        is_last = frame == (min(there) if backward else max(there))
        if not self.tracks or not is_last or beyond is None or self._owner(label, beyond) is not None:
            return False
        try:
            asked = self.session.surgery.track_again(object_id, frame, backward)
        except PromptError:  # a prompt comes next
            return False
        self.actions += 1
        deque(
            self.session.propagate(asked.direction, asked.frames, asked.object_ids, asked.until_next_prompt), maxlen=0
        )
        return True

    def _followed(self, object_id: int, label: int, frame: int) -> int:
        """Return the last frame in a row, from one on, on which an object shows a cell of the truth."""
        while frame + 1 < self.session.frame_count and self._label((object_id, frame + 1)) == label:
            frame += 1
        return frame

    def _divide(self, key: MaskKey, label: int, offered: Sequence[Fix]) -> None:
        """Let an object divide as the truth does, once its daughters are there."""
        daughters = []
        for daughter in self.truth.daughters(label):
            frame = self.truth.first(daughter)
            owner = self._owner(daughter, frame)
            if owner is None:
                owner = self.session.new_object()
                self._draw((owner, frame), daughter)
            daughters.append((owner, frame))
        frame = min(one for _, one in daughters)
        now = [one for one in self.session.document.divisions if one.mother == key[0] and one.frame == frame]
        if now and set(now[0].daughters) == {one for one, _ in daughters}:
            return
        self._do(Fix(Verb.divide, (key, *daughters)), offered, 1 + len(daughters))

    def _mask(self, key: MaskKey) -> bool:
        """Draw a mask that is wrong, or take it away where nothing is; return whether it is there afterwards."""
        if self._label(key):
            return True
        label = self.truth.below(self.session.masks.get(key), key[1])
        if label and self._owner(label, key[1]) is None:
            self._draw(key, label, steps=0)
            return True
        self.actions += 1
        if all(not self._label((key[0], frame)) for frame in self._frames(key[0])):
            self.session.remove_object(key[0])
        else:
            self.session.edit_mask(*key, np.zeros(self.session.size, bool))
        return False

    def _proposal(self, number: int) -> None:
        proposal = self.session.document.proposals[number]
        mask = proposal.mask.inside
        label = self.truth.best((proposal.mask.y0, proposal.mask.x0), mask, proposal.frame)
        if label and self._owner(label, proposal.frame) is None:
            (object_id,) = self.session.proposals.accept([number])
            self.actions += 1
            self._link_into((object_id, proposal.frame), ())
            self._link_out((object_id, proposal.frame), ())

    def _draw(self, key: MaskKey, label: int, steps: int = 1) -> None:
        """Draw what the truth has; `steps` frames are gone to for it."""
        self.actions += 1 + steps
        self.session.edit_mask(*key, self.truth.mask(label, key[1]))

    def _draw_before(self, key: MaskKey, label: int, frame: int) -> int:
        """Return the object whose missed mask on an earlier frame was drawn: what comes from it, or its mother."""
        object_id = key[0]
        of_it = object_id if self._label(key) == label and self.session.masks.get((object_id, frame)) is None else None
        drawn = self._last_owner(label, frame) if of_it is None else of_it
        drawn = self.session.new_object() if drawn is None else drawn
        self._draw((drawn, frame), label)
        return drawn

    def _last_owner(self, label: int, frame: int) -> int | None:
        """Return the object that has a cell on the last frame before, and ends there."""
        before = self.truth.before(label, frame)
        owner = None if before is None or before[0] != label else self._owner(*before)
        return owner if owner is not None and before is not None and max(self._frames(owner)) == before[1] else None

    def _do(self, fix: Fix, offered: Sequence[Fix], cost: int, verb: Callable[[], object] | None = None) -> None:
        self.actions += 1 if fix in offered else cost
        if verb is None:
            self.session.surgery.do(fix)
        else:
            verb()

    def _cut(self, key: MaskKey) -> None:
        """Let an object on a frame come from nobody."""
        object_id, frame = key
        if min(self._frames(object_id)) < frame:
            self.session.surgery.break_here(object_id, frame)
        else:
            self.session.surgery.begin_here(object_id, frame)

    def _found_before(self, key: MaskKey) -> MaskKey | None:
        """Return where the result has the object that an object on a frame comes from."""
        object_id, frame = key
        for one in (object_id, self.session.document.objects[object_id].parent):
            earlier = [] if one is None else [then for then in self._frames(one) if then < frame]
            if one is not None and earlier:
                return one, max(earlier)
        return None

    def _parent_label(self, key: MaskKey) -> int:
        """Return the label of the mother of whom an object on a frame shows the first frame, 0 if it is none."""
        label = self._label(key)
        before = self.truth.before(label, key[1]) if label else None
        return before[0] if before is not None and before[0] != label else 0

    def _label(self, key: MaskKey) -> int:
        return self.truth.label_of(self.session.masks.get(key), key[1])

    def _owner(self, label: int, frame: int) -> int | None:
        """Return the object that shows a cell of the truth on a frame."""
        objects = self.session.masks.objects_on(frame)
        return next((one for one in objects if self._label((one, frame)) == label), None)

    def _frames(self, object_id: int) -> list[int]:
        return list(self.session.masks.there(object_id))


def scored(session: Session, truth: TrueTracks) -> TrackingMetrics:
    """Return how good the tracks of a session are by now."""
    results = Results(session.document, session.masks, session.movie.movie, session.settings.overlaps)
    infos = session.document.objects.items()
    parents = {object_id: info.parent for object_id, info in infos if info.parent is not None}
    return tracking_metrics(paired_tracks(truth.frames, results.frames(), truth.parents, parents))


def one_click_each(truth: TrueTracks) -> int:
    """Return the actions without automatics, were every mask right after one click: cells, and a key per division."""
    return len(truth.labels) + sum(truth.divides(label) for label in truth.labels)


def by_kind(tally: Mapping[ReviewKind, Sequence[int]]) -> dict[str, tuple[int, float]]:
    """Return how many places of each kind were looked at, and which share of them was wrong."""
    return {kind.value: (count, wrong / count) for kind, (count, wrong) in tally.items()}
