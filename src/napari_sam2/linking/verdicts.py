"""Whether a division holds, seen with what came before and after it: `search` knows only a few frames of it.

A daughter that vanishes or divides again at once, a track that ended beside the mother shortly before (two cells that
were one detection come apart again), or daughters that stay larger than she was, speak against one; a mother that
became smaller before, as cells do that round up, or that is long, as rods are, speaks for it. A logistic regression
weighs that, fitted as `judging` says, on divisions that were chosen among the development movies' true and found
objects, and in synthetic colonies of rods.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from napari_sam2.linking.detections import Detection, Floats, Node, Population
from napari_sam2.linking.forks import MOST_ELONGATION
from napari_sam2.linking.linked import End, Linked, LinkedDivision, LinkedTrack

VERDICT_FEATURES = (
    "odds", "union", "daughters end", "ended beside", "daughters divide", "condensed", "long", "one",
)  # fmt: skip
VERDICT_WEIGHTS = np.array([0.69, -1.98, -3.34, -2.05, -0.59, 6.5, 1.14, -0.53])
LEAST_VERDICT = -0.5
"""Log odds from which on a division is believed: one that is missed costs more than one that is too many."""
LOOK = 3
"""Frames before and after over which areas are taken, and daughters stay one."""
USUAL = 5
"""Frames before the mother's last one that say how large she usually was."""
BESIDE = 1.5
"""Diameters within which a track that ended belongs to the same place."""
MOST_ODDS = (-4.0, 6.0)
MOST_CONDENSED = 0.5


class Verdicts:
    """Says of the divisions of tracks how likely they are; frames hold the detections that nodes name."""

    def __init__(self, linked: Linked, frames: Sequence[Sequence[Detection]], sought: range) -> None:
        self._frames = frames
        self._tracks = {track.track_id: track for track in linked.tracks}
        self._moved = np.cumsum(linked.drift, axis=0)
        self._last = sought[-1] if sought else 0
        areas = [each.area for frame in frames for each in frame]
        self._diameter = float(np.sqrt(4 * np.median(areas) / np.pi)) if areas else 1.0
        self._ended: Mapping[int, list[Floats]] = self._ends()

    def odds(self, division: LinkedDivision) -> float:
        """Return the log odds that a division is right."""
        return float(self.features(division) @ VERDICT_WEIGHTS)

    def features(self, division: LinkedDivision) -> Floats:
        """Return what a division is judged by (len(VERDICT_FEATURES),)."""
        mother = self._tracks[division.mother]
        daughters = [self._tracks[each] for each in division.daughters]
        begin, last = division.frame, self._last
        after = [self._area(track.nodes[:LOOK]) for track in daughters]
        sure = np.log(division.confidence / max(1 - division.confidence, 1e-6) + 1e-6)
        soon = [track for track in daughters if track.last_frame <= min(begin + LOOK, last - 1)]
        values = [
            np.clip(sure, *MOST_ODDS),
            np.log(sum(after) / self._area(mother.nodes[-LOOK:])),
            sum(track.ends is End.dies for track in soon),
            min(self._ended_beside(mother.nodes[-1], begin), 2),
            sum(track.ends is End.divides and track.last_frame < begin + LOOK for track in daughters),
            np.clip(-self._change(mother), 0, MOST_CONDENSED),
            self._elongation(mother.nodes[-LOOK:]),
            1.0,
        ]
        return np.array(values, np.float64)

    def _area(self, nodes: Sequence[Node]) -> float:
        return float(np.median([self._frames[frame][index].area for frame, index in nodes]))

    def _elongation(self, nodes: Sequence[Node]) -> float:
        seen = Population([self._frames[frame][index] for frame, index in nodes])
        return min(float(np.median(seen.elongation)), MOST_ELONGATION)

    def _change(self, track: LinkedTrack) -> float:
        """Return the log of how much larger a mother is in the end than she was before."""
        before = track.nodes[-1 - USUAL : -1]
        return float(np.log(self._area(track.nodes[-1:]) / self._area(before))) if len(before) > 1 else 0.0

    def _place(self, node: Node) -> Floats:
        """Return where a detection is, less what all move together."""
        frame, index = node
        return np.array(self._frames[frame][index].centroid_yx) - self._moved[frame]

    def _ends(self) -> dict[int, list[Floats]]:
        """Return where tracks end without daughters, by frame."""
        found: dict[int, list[Floats]] = defaultdict(list)
        for track in self._tracks.values():
            if track.ends in (End.dies, End.leaves):
                found[track.last_frame].append(self._place(track.nodes[-1]))
        return found

    def _ended_beside(self, node: Node, frame: int) -> int:
        """Return how many tracks ended beside a detection on the frames before one."""
        near = BESIDE * self._diameter
        ends = [place for before in range(frame - USUAL, frame) for place in self._ended.get(before, ())]
        return int(np.count_nonzero(np.hypot(*(np.array(ends) - self._place(node)).T) < near)) if ends else 0


def verdicts(linked: Linked, frames: Sequence[Sequence[Detection]], sought: range) -> Iterator[tuple[Node, float]]:
    """Yield the last detection of each mother with the log odds of her division; none for those that a person said."""
    judge = Verdicts(linked, frames, sought)
    tracks = {track.track_id: track for track in linked.tracks}
    said = {link.before for link in linked.links if link.is_kept}
    for division in linked.divisions:
        mother = tracks[division.mother].nodes[-1]
        if mother not in said:
            yield mother, judge.odds(division)
