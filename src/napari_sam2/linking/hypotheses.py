"""All that may hold between the frames of a movie: links to the next frames, and divisions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from napari_sam2.linking.choice import Hypotheses, joined
from napari_sam2.linking.detections import Detection, Floats, Ints, Node, Population, sighted
from napari_sam2.linking.drift import drift_between
from napari_sam2.linking.forks import forks_of
from napari_sam2.linking.judging import fork_odds, link_gains, missed
from napari_sam2.linking.options import LinkingOptions
from napari_sam2.linking.pairs import Pairs, pairs_between

HOPELESS = 8.0
"""A link that is worth so much less than the best one at both of its ends is not looked at."""


class Movie:
    """The detections of all frames, numbered through: a node has the number `starts[frame] + index`.

    `sought` are the frames on which objects were sought: those on which any is seen where it is None.
    """

    def __init__(
        self, frames: Sequence[Sequence[Detection]], options: LinkingOptions, sought: range | None = None
    ) -> None:
        self.options = options
        self.frames = frames
        self.sought = sought or sighted(frames)
        counts = [len(each) for each in frames]
        self.starts: Ints = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        areas = np.array([each.area for frame in frames for each in frame], np.float64)
        self.diameter = float(np.median(np.sqrt(4 * areas / np.pi))) if len(areas) else 1.0
        self._populations: dict[int, Population] = {}
        self._drifts: dict[int, Floats] = {}
        self._judged: dict[tuple[int, int], tuple[Pairs, Floats]] = {}

    def number(self, node: Node) -> int:
        """Return the number of a node."""
        return int(self.starts[node[0]]) + node[1]

    def node(self, number: int) -> Node:
        """Return the node of a number."""
        frame = int(np.searchsorted(self.starts, number, side="right")) - 1
        return frame, int(number - self.starts[frame])

    def score(self, node: Node) -> float:
        """Return how sure a detection is."""
        return self.frames[node[0]][node[1]].score

    def extent(self) -> tuple[int, int]:
        """Return the rows and columns that detections reach."""
        boxes = [(*one.corner_yx, *one.mask.shape) for each in self.frames for one in each]
        return max((y0 + h for y0, _, h, _ in boxes), default=1), max((x0 + w for _, x0, _, w in boxes), default=1)

    def common_drift(self) -> Floats:
        """Return (T, 2): the median drift of the detections of the frame before; 0 for the first frame."""
        common = np.zeros((len(self.frames), 2))
        for frame, field in self._drifts.items():
            if len(field):
                common[frame + 1] = np.median(field, axis=0)
        return common

    def population(self, frame: int) -> Population:
        """Return the detections of a frame."""
        if frame not in self._populations:
            self._populations[frame] = Population(self.frames[frame])
        return self._populations[frame]

    def forget(self, frame: int) -> None:
        """Forget what is known between frames before that one but for the drift, so that long movies fit."""
        for old in [each for each in self._populations if each < frame]:
            del self._populations[old]
        for pair in [each for each in self._judged if each[0] < frame]:
            del self._judged[pair]

    def drift(self, frame: int) -> Floats:
        """Return the drift (N, 2) of the detections of a frame on their way to the next one."""
        if frame not in self._drifts:
            before, after = self.population(frame), self.population(frame + 1)
            still = np.zeros((before.count, 2))
            self._drifts[frame] = drift_between(before, after, self.diameter) if self.options.drift else still
        return self._drifts[frame]

    def carried(self, frame: int, later: int) -> Floats:
        """Return the drift (N, 2) of the detections of a frame on their way to a later one."""
        way = self.drift(frame).copy()
        here = self.population(frame).yx
        for between in range(frame + 1, later):
            there = self.population(between)
            if there.count:
                _, nearest = cKDTree(there.yx).query(here + way)
                way += self.drift(between)[nearest]
        return way

    def links(self, frame: int, later: int) -> Hypotheses:
        """Return the links from a frame to one after it over frames between, on which the object was missed.

        Those that are worth less than a direct link from or to one of the two are left out.
        """
        pairs, gain = self._pairs(frame, later)
        gain = gain - missed(later - frame - 1)
        from_first, to_second = self._best(frame)[0], self._best(later - 1)[1]
        wins = (gain > from_first[pairs.first]) & (gain > to_second[pairs.second])
        source, target = pairs.first[wins] + self.starts[frame], pairs.second[wins] + self.starts[later]
        return Hypotheses.of_links(source, target, gain[wins])

    def steps(self, frame: int) -> Hypotheses:
        """Return the links and divisions from a frame to the next."""
        pairs, gain = self._pairs(frame, frame + 1)
        from_first, to_second = self._best(frame)
        wins = (gain > from_first[pairs.first] - HOPELESS) | (gain > to_second[pairs.second] - HOPELESS)
        source, target = pairs.first + self.starts[frame], pairs.second + self.starts[frame + 1]
        links = Hypotheses.of_links(source[wins], target[wins], gain[wins])
        if not self.options.divisions:
            return links
        return joined([links, self._divisions(frame)])

    def _divisions(self, frame: int) -> Hypotheses:
        """Return likely divisions of detections of a frame into two of the next.

        They gain their odds and what the better one of their links alone would win.
        """
        pairs, gain = self._pairs(frame, frame + 1)
        if not len(gain):
            return Hypotheses.none()
        forks = forks_of(self.population(frame), self.population(frame + 1), self.drift(frame), pairs, gain)
        odds = fork_odds(forks.features)
        wins = odds > 0  # any other is worth less than one of its links
        mothers, daughters = forks.mother[wins] + self.starts[frame], forks.daughters[wins] + self.starts[frame + 1]
        return Hypotheses(mothers, daughters, odds[wins] + np.maximum(gain[forks.places[wins]].max(axis=1), 0))

    def _best(self, frame: int) -> tuple[Floats, Floats]:
        """Return the best gain, 0 or more, of links from each detection of a frame, and to each of the next."""
        pairs, gain = self._pairs(frame, frame + 1)
        from_first, to_second = np.zeros(self.population(frame).count), np.zeros(self.population(frame + 1).count)
        np.maximum.at(from_first, pairs.first, gain)
        np.maximum.at(to_second, pairs.second, gain)
        return from_first, to_second

    def _pairs(self, frame: int, later: int) -> tuple[Pairs, Floats]:
        """Return the pairs of detections of two frames, and their gains as links."""
        if (frame, later) not in self._judged:
            reach = self.options.most_distance * self.diameter
            pairs = pairs_between(self.population(frame), self.population(later), self.carried(frame, later), reach)
            self._judged[frame, later] = pairs, link_gains(pairs.features())
        return self._judged[frame, later]
