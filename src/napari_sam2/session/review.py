"""Curation by exception: places in doubt, worst first, what a person decided about them, and a stated error rate.

What is in doubt follows from document and masks (`napari_sam2.review`); only decisions are kept, in the document, each
a step that can be undone and saved at once. A place whose ground has changed since is open again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar

from napari_sam2.document.prompt_parts import BoxYX
from napari_sam2.document.reviews import (
    At,
    Decision,
    Place,
    ReviewKind,
    ReviewRecord,
    ReviewState,
    Sample,
    Sampled,
)
from napari_sam2.lineage.tracks import tracks_of
from napari_sam2.masks.stored_masks import StoredMask
from napari_sam2.review.error_rate import ErrorRate, drawn, error_rate
from napari_sam2.review.fixes import Fix, fixes_for
from napari_sam2.review.ground import ground_of, grounds_of, is_there
from napari_sam2.review.items import Progress, ReviewItem
from napari_sam2.review.queue import Queue
from napari_sam2.review.scene import Scene
from napari_sam2.session.saving import Saving
from napari_sam2.session.state import SessionState
from napari_sam2.session.steps import Steps
from sam2_core.errors import PromptError

Items = ReviewItem | Iterable[ReviewItem]
GONE = "That place is no more."


class SessionReview:
    """The review of a session; all on the main thread, but for what `prepared` returns."""

    def __init__(self, state: SessionState, saving: Saving, do: Callable[[Fix], object]) -> None:
        self._state = state
        self._steps = Steps(state, saving)
        self._do = do
        self._queue = Queue()
        self._prepared: Scene | None = None
        self._known: tuple[ReviewRecord, tuple[ReviewItem, ...]] | None = None
        self._grounds: dict[Place, tuple[tuple[object, ...], tuple[str, ...]]] = {}

    def prepared(self) -> Callable[[], tuple[ReviewItem, ...]]:
        """Return a function that looks at what changed, on any thread, and returns all places in any state, ranked.

        Until it is done, ask nothing here but to decide or correct. Without it, the first of the other calls looks;
        that takes a while for the first time (docs/review.md).
        """
        scene = self._scene()

        return lambda: self._looked_at(scene)

    @property
    def is_prepared(self) -> bool:
        """Whether nothing has changed since the last look, so that nothing takes long."""
        return self._prepared is not None and self._scene().is_same(self._prepared)

    def items(
        self,
        kind: ReviewKind | str | None = None,
        state: ReviewState | str | None = ReviewState.open,
        region: BoxYX | None = None,
    ) -> tuple[ReviewItem, ...]:
        """Return places, the highest expected gain first.

        Parameters
        ----------
        kind
            Only those whose strongest reason is of a kind.
        state
            Only those in a state; None for all. What was decided about and is in doubt no more has the degree 0.
        region
            Only those whose object reaches into a box (y0, x0, y1, x1).

        Raises
        ------
        PromptError
            If there is no such kind or state.
        """
        wanted = None if kind is None else _named(ReviewKind, kind)
        in_state = None if state is None else _named(ReviewState, state)
        found = [
            item
            for item in self._look()
            if (wanted is None or item.kind is wanted) and (in_state is None or item.state is in_state)
        ]
        if region is not None:
            found = [item for item in found if self._reaches(item.place, region)]
        return tuple(found)

    def next(self, after: ReviewItem | None = None) -> ReviewItem | None:
        """Return the first open item, or the first behind another one, whether that is decided about or not."""
        return next((one for one in self.items() if after is None or one.rank > after.rank), None)

    def previous(self, before: ReviewItem) -> ReviewItem | None:
        """Return the item in front of another one, in any state."""
        earlier = [one for one in self.items(state=None) if one.rank < before.rank]
        return earlier[-1] if earlier else None

    def accept(self, items: Items) -> None:
        """Say that all is right there.

        Raises
        ------
        PromptError
            If none of the places is there any more: their objects are gone, or do not divide.
        """
        self._decide(items, ReviewState.accepted, "accept")

    def dismiss(self, items: Items) -> None:
        """Say that it does not matter; raises as `accept` does."""
        self._decide(items, ReviewState.dismissed, "dismiss")

    def reopen(self, items: Items) -> None:
        """Take back what was decided about places."""
        places = [item.place for item in _several(items)]
        record = self._state.document.review.with_decisions(dict.fromkeys(places))
        self._steps.make(self._state.document.with_review(record), "reopen a place")

    def accept_all(self, kind: ReviewKind | str, above: float) -> tuple[ReviewItem, ...]:
        """Return the open items of a kind that were accepted: those with a confidence, 1 - degree, of at least that."""
        found = tuple(item for item in self.items(kind) if 1 - item.degree >= above)
        if found:
            self._decide(found, ReviewState.accepted, "accept")
        return found

    def correct(self, item: ReviewItem, fix: Fix | Callable[[], object]) -> None:
        """Do what corrects a place, and note that, in one step; nothing is noted where it changed nothing.

        Parameters
        ----------
        fix
            One of `fixes`, or any function that edits the session.
        """
        before = self._state.revision
        _ = self._do(fix) if isinstance(fix, Fix) else fix()
        if self._state.revision != before:
            decision = self._decision(item, ReviewState.corrected)
            record = self._state.document.review.with_decisions({item.place: decision})
            self._steps.amend(self._state.document.with_review(record))

    def fixes(self, item: ReviewItem) -> tuple[Fix, ...]:
        """Return what may be done about a place, the likeliest first: what keys 1, 2, 3 choose."""
        self._prepare()
        return fixes_for(item.place, self._state.document, self._queue)

    def ground_of(self, place: Place) -> str:
        """Return the fingerprint of what is at a place now; a decision holds as long as it is the same."""
        return ground_of(place, self._state.document, self._state.masks)

    def box_of(self, place: Place) -> BoxYX | None:
        """Return where on its frame a place is, or was next to it, (y0, x0, y1, x1); None if nothing is any more."""
        document, masks = self._state.document, self._state.masks
        if place.at is At.proposal:
            proposal = document.proposals.get(place.object_id)
            return None if proposal is None else _floats(*StoredMask.of_drawn(proposal.mask).box_yx)
        keys = [(place.object_id, place.frame), (place.object_id, place.frame - 1), (place.other, place.frame)]
        there = masks.there(place.object_id)
        nearest = (place.object_id, min(there, key=lambda frame: abs(frame - place.frame), default=place.frame))
        known = (masks.get(key) for key in (*keys, nearest))
        box = next((mask.box_yx for mask in known if mask is not None and not mask.is_empty), None)
        return None if box is None else _floats(*box)

    @property
    def progress(self) -> Progress:
        """How many places are open, and how many were decided about."""
        counts = Counter(item.state for item in self._look())
        return Progress(**{state.value: counts[state] for state in ReviewState})

    def sample(self, of: Sampled | str = Sampled.links, n: int = 50, seed: int = 0) -> Sample:
        """Return places drawn at random, to be judged by `answer`; an earlier sample of the kind is replaced.

        Raises
        ------
        PromptError
            If there is nothing to draw from.
        """
        tracks = tracks_of(self._state.document, self._state.masks)
        sample = drawn(_named(Sampled, of), tracks, self._state.document, n, seed)
        self._keep(sample, "draw a sample")
        return sample

    def answer(self, of: Sampled | str, number: int, is_right: bool | None) -> None:
        """Say whether a place of a sample, counted from 0, is right; None takes the answer back.

        Raises
        ------
        PromptError
            If there is no such sample or place.
        """
        kind = _named(Sampled, of)
        sample = self._state.document.review.samples.get(kind)
        if sample is None:
            raise PromptError(f"no {kind.value} were drawn yet; draw a sample of them first.")
        self._keep(sample.answered(number, is_right), "judge a place")

    @property
    def error_rates(self) -> tuple[ErrorRate, ...]:
        """What the samples say by now, one for each kind that was drawn."""
        return tuple(error_rate(sample) for sample in self._state.document.review.samples.values())

    def _scene(self) -> Scene:
        return Scene.of(self._state.document, self._state.masks)

    def _look(self) -> tuple[ReviewItem, ...]:
        """Return all places, ranked, with what was decided about them, after a look at what has changed."""
        scene, record = self._prepare(), self._state.document.review
        if self._known is None or self._known[0] is not record:
            self._known = record, self._decided(scene, record)
        return self._known[1]

    def _prepare(self) -> Scene:
        """Return what was looked at, after a look if that is not what there is now."""
        scene = self._scene()
        if self._prepared is None or not scene.is_same(self._prepared):
            self._looked_at(scene)
        return scene

    def _looked_at(self, scene: Scene) -> tuple[ReviewItem, ...]:
        record, known = scene.document.review, self._known
        if known is not None and known[0] is record and self._prepared is not None and scene.is_same(self._prepared):
            return known[1]
        if self._prepared is None or self._prepared.source is not scene.source:
            self._queue, self._grounds = Queue(), {}
        self._queue.look(scene)
        items = self._decided(scene, record)
        self._prepared, self._known = scene, (record, items)
        return items

    def _decided(self, scene: Scene, record: ReviewRecord) -> tuple[ReviewItem, ...]:
        """Return all places of a scene that was looked at, ranked, with what was decided about them."""
        open_ones, decisions = self._queue.items(), record.decisions
        found = []
        for place, item in open_ones.items():
            decision = decisions.get(place)
            if decision is not None and decision.ground in self._known_grounds(place, scene):
                item = replace(item, state=decision.state)
            found.append(item)
        gone = (one for place, one in decisions.items() if place not in open_ones)
        found += [ReviewItem(one.place, one.kind, 0.0, ("in doubt no more",), 0, one.state) for one in gone]
        return tuple(sorted(found, key=lambda item: item.rank))

    def _known_grounds(self, place: Place, scene: Scene) -> tuple[str, ...]:
        """Return the grounds of a place of a scene; they are found again only where that has changed."""
        if place.at is At.proposal:
            return grounds_of(place, scene.document, scene)
        info = scene.document.objects.get(place.object_id)
        daughters = [one for each in scene.divisions.get(place.object_id, ()) for one in each.daughters]
        around = (place.object_id, place.other, None if info is None else info.parent, *daughters)
        stamps = tuple(None if one is None else scene.stamps.get(one) for one in around)
        known = self._grounds.get(place)
        if known is None or known[0] != stamps:
            known = self._grounds[place] = stamps, grounds_of(place, scene.document, scene)
        return known[1]

    def _decision(self, item: ReviewItem, state: ReviewState) -> Decision:
        return Decision(item.place, item.kind, state, self.ground_of(item.place))

    def _decide(self, items: Items, state: ReviewState, verb: str) -> None:
        asked = _several(items)
        there = [item for item in asked if is_there(item.place, self._state.document)]
        if asked and not there:
            raise PromptError(GONE)
        decisions = {item.place: self._decision(item, state) for item in there}
        record = self._state.document.review.with_decisions(decisions)
        what = "a place" if len(decisions) == 1 else f"{len(decisions)} places"
        self._steps.make(self._state.document.with_review(record), f"{verb} {what}")

    def _keep(self, sample: Sample, text: str) -> None:
        document = self._state.document
        self._steps.make(document.with_review(document.review.with_sample(sample)), text)

    def _reaches(self, place: Place, region: BoxYX) -> bool:
        box = self.box_of(place)
        return box is not None and (
            box[0] < region[2] and box[1] < region[3] and box[2] > region[0] and box[3] > region[1]
        )


def _several(items: Items) -> list[ReviewItem]:
    return [items] if isinstance(items, ReviewItem) else list(items)


def _floats(y0: float, x0: float, y1: float, x1: float) -> BoxYX:
    return float(y0), float(x0), float(y1), float(x1)


N = TypeVar("N", bound=StrEnum)


def _named(names: type[N], value: str) -> N:
    """Return the member of a value.

    Raises
    ------
    PromptError
        If there is none.
    """
    try:
        return names(value)
    except ValueError:
        raise PromptError(f"{value!r} cannot be used; choose one of {[one.value for one in names]}.") from None
