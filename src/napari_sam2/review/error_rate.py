"""How many links, masks or divisions are wrong, stated from a random sample that a person judged.

A place is drawn without replacement, each with the same chance: a link between two frames (mother and daughter
included), an object on a frame, or a division. The interval is Wilson's score interval without correction for
continuity (Newcombe, Statistics in Medicine 17, 1998, method 3), as `scipy.stats` computes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from napari_sam2.document.document import Document
from napari_sam2.document.reviews import Sample, Sampled
from napari_sam2.lineage.tracks import Track, links_of
from sam2_core.errors import PromptError

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """What a sample says.

    Attributes
    ----------
    looked_at, wrong
        Places that a person judged, and how many of them were wrong.
    drawn, among
        Places of the sample, and how many there were to draw from.
    low, high
        95 % Wilson interval of the share that is wrong.
    """

    of: Sampled
    seed: int
    looked_at: int
    wrong: int
    drawn: int
    among: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Share that is wrong, 0 to 1; nan where nobody looked yet."""
        return self.wrong / self.looked_at if self.looked_at else float("nan")

    @property
    def sentence(self) -> str:
        """What it says, for the methods section of a paper."""
        if not self.looked_at:
            return f"No {self.of.value} were judged yet."
        was = "was" if self.wrong == 1 else "were"
        return (
            f"Of {self.looked_at} {self.of.value} drawn at random from {self.among} (seed {self.seed}) and judged by "
            f"eye, {self.wrong} {was} wrong: {self.share:.1%} (95 % Wilson interval {self.low:.1%} to {self.high:.1%})."
        )


def error_rate(sample: Sample) -> ErrorRate:
    """Return what a sample says by now."""
    answers = [answer for answer in sample.answers if answer is not None]
    wrong = sum(not answer for answer in answers)
    low, high = wilson(wrong, len(answers))
    return ErrorRate(sample.of, sample.seed, len(answers), wrong, len(sample.places), sample.among, low, high)


def wilson(wrong: int, looked_at: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a share, `wrong` of `looked_at`; 0 to 1 where nobody looked."""
    if not looked_at:
        return 0.0, 1.0
    from scipy.stats import binomtest

    interval = binomtest(wrong, looked_at).proportion_ci(LEVEL, "wilson")
    return float(interval.low), float(interval.high)


def drawn(of: Sampled, tracks: Mapping[int, Track], document: Document, count: int, seed: int) -> Sample:
    """Return a sample of places of a kind; all of them, in random order, where there are fewer than asked for.

    Raises
    ------
    PromptError
        If there are none, or none are asked for.
    """
    places = _places(of, tracks, document)
    if not places or count < 1:
        raise PromptError(f"{count} of {len(places)} {of.value} cannot be drawn; track something, and ask for some.")
    chosen = np.random.default_rng(seed).permutation(len(places))[:count]
    picked = tuple(places[number] for number in chosen.tolist())
    return Sample(of, seed, len(places), picked, (None,) * len(picked))


def _places(of: Sampled, tracks: Mapping[int, Track], document: Document) -> list[tuple[int, int]]:
    """Return all places of a kind, (object_id, frame), ascending."""
    if of is Sampled.links:
        return sorted(then for _, then in links_of(tracks))
    if of is Sampled.masks:
        return sorted((object_id, frame) for object_id, track in tracks.items() for frame in track.frames)
    return sorted((one.mother, one.frame) for one in document.divisions)
