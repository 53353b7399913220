"""Judging a random sample by eye: place after place, right or wrong, and the error rate that follows from it.

What is drawn and answered is kept by `session.review`; each is a step that can be undone.
"""

from __future__ import annotations

from collections.abc import Callable

from psygnal import Signal

from napari_sam2.document.reviews import At, Place, ReviewRecord, Sample, Sampled
from napari_sam2.review.error_rate import ErrorRate, error_rate
from napari_sam2.session.session import Session

_AT = {Sampled.links: At.step, Sampled.masks: At.step, Sampled.divisions: At.division}


class Sampling:
    """The way through the random samples of one session; `notify` is told what they say.

    `changed` is emitted when another place is in view, or something was answered.

    Attributes
    ----------
    of
        What is judged now, None where nothing is.
    number
        Which place of the sample is in view, from 0.
    """

    changed = Signal()

    def __init__(self, session: Session, go_to: Callable[[Place], None], notify: Callable[[str], None]) -> None:
        self.of: Sampled | None = None
        self.number = 0
        self._session = session
        self._go_to = go_to
        self._notify = notify

    @property
    def sample(self) -> Sample | None:
        """What is judged now; None where nothing is, or it was undone."""
        return None if self.of is None else self._session.document.review.samples.get(self.of)

    @property
    def place(self) -> Place | None:
        """The place in view."""
        sample = self.sample
        if sample is None or not self.number < len(sample.places):
            return None
        object_id, frame = sample.places[self.number]
        return Place(_AT[sample.of], object_id, frame)

    @property
    def rate(self) -> ErrorRate | None:
        """What the sample says by now."""
        sample = self.sample
        return None if sample is None else error_rate(sample)

    def draw(self, of: Sampled, count: int, seed: int) -> None:
        """Draw a sample, and go to its first place.

        Raises
        ------
        PromptError
            If there is nothing to draw from.
        """
        earlier = self._session.document.review.samples.get(of)
        self._session.review.sample(of, count, seed)
        if earlier is not None and any(answer is not None for answer in earlier.answers):
            self._notify(f"The earlier sample of {of.value} was replaced; Undo brings its answers back.")
        self.go_on(of)

    def go_on(self, of: Sampled) -> None:
        """Go to the first place of a sample that nobody judged yet; to the first one where all were."""
        self.of, self.number = of, 0
        sample = self.sample
        if sample is not None and None in sample.answers:
            self.number = sample.answers.index(None)
        self._go()

    def right(self) -> None:
        """Say that the place in view is right, and go to the next."""
        self._answer(True)

    def wrong(self) -> None:
        """Say that the place in view is wrong, and go to the next."""
        self._answer(False)

    def back(self) -> None:
        """Go to the place before, to judge it again."""
        self.number = max(self.number - 1, 0)
        self._go()

    def follow_step(self, before: ReviewRecord) -> None:
        """Go to the place whose answer an undo or redo has changed, of several the first; before: all answers then."""
        sample = self.sample
        old = None if self.of is None else before.samples.get(self.of)
        if sample is None or old is sample:
            return
        if old is None or old.places != sample.places:
            self.go_on(sample.of)
            return
        pairs = enumerate(zip(old.answers, sample.answers, strict=True))
        self.number = next((number for number, (was, now) in pairs if was != now), self.number)
        self._go()

    def stop(self) -> None:
        """Judge no more for now; what was answered is kept."""
        self.of = None
        self.changed.emit()

    def _answer(self, is_right: bool) -> None:
        sample = self.sample
        if self.of is None or sample is None:
            self._notify("No sample is being judged; draw one.")
            return
        self._session.review.answer(self.of, self.number, is_right)
        answers = list(enumerate(sample.answered(self.number, is_right).answers))
        left = [number for number, answer in (*answers[self.number :], *answers) if answer is None]
        rate = self.rate
        if left:
            self.number = left[0]
            self._go()
        elif rate is not None:
            self._notify(rate.sentence)
            self.changed.emit()

    def _go(self) -> None:
        if self.place is not None:
            self._go_to(self.place)
        self.changed.emit()
