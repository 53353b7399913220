"""The search for the best links of a movie: window after window of frames, each solved whole, its first part kept."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from napari_sam2.linking.choice import Hypotheses, choose, joined
from napari_sam2.linking.hypotheses import Movie
from napari_sam2.linking.options import Kept

STEP = 4
"""Frames that are decided by each window."""
AHEAD = 3
"""Frames beyond them that it looks at."""


def search(movie: Movie, kept: Kept) -> Generator[tuple[int, int], None, Hypotheses]:
    """Yield (frames done, all) and return the hypotheses that were chosen."""
    total = len(movie.frames)
    rules = Rules(movie, kept)
    waiting: dict[int, Hypotheses] = {}
    decided: list[Hypotheses] = []
    for begin in range(0, max(total - 1, 0), STEP):
        end = min(begin + STEP + AHEAD, total - 1)
        for frame in range(begin, end):
            if frame not in waiting:
                waiting[frame] = rules.allowed(_from_frame(movie, frame))
            yield min(frame + 1, begin + STEP), total
        hypotheses = rules.free(joined([waiting[frame] for frame in range(begin, end)]))
        found = hypotheses.where(choose(hypotheses))
        first = found.where(found.source < movie.starts[min(begin + STEP, total)])
        rules.take(first)
        decided.append(first)
        for frame in range(begin, begin + STEP):
            waiting.pop(frame, None)
    yield total, total
    return joined(decided)


def _from_frame(movie: Movie, frame: int) -> Hypotheses:
    """Return what may hold from a frame on."""
    last = min(frame + 1 + movie.options.longest_gap, len(movie.frames) - 1)
    gaps = [movie.links(frame, later) for later in range(frame + 2, last + 1)]
    return joined([movie.steps(frame), *gaps])


class Rules:
    """Which hypotheses may still be chosen: those that neither a person nor an earlier choice rules out."""

    def __init__(self, movie: Movie, kept: Kept) -> None:
        many = int(movie.starts[-1])
        number = movie.number
        self._no_source = np.zeros(many, bool)
        self._no_target = np.zeros(many + 1, bool)  # the last is that of the second target of a link, -1
        self._no_source[[number(node) for node in kept.ends] + [number(before) for before, _ in kept.links]] = True
        self._no_target[[number(node) for node in kept.begins] + [number(after) for _, after in kept.links]] = True
        self._many = many
        self._apart = np.array(sorted(number(a) * many + number(b) for a, b in kept.apart), np.int64)

    def allowed(self, hypotheses: Hypotheses) -> Hypotheses:
        """Return those that no person rules out and that are worth a thought."""
        source, targets = hypotheses.source, hypotheses.targets
        apart = np.isin(source * self._many + targets[:, 0], self._apart)
        apart |= hypotheses.is_fork & np.isin(source * self._many + targets[:, 1], self._apart)
        return self.free(hypotheses.where(~apart & (hypotheses.gain > 0)))

    def free(self, hypotheses: Hypotheses) -> Hypotheses:
        """Return those whose nodes are not taken."""
        taken = self._no_source[hypotheses.source] | self._no_target[hypotheses.targets].any(axis=1)
        return hypotheses.where(~taken)

    def take(self, hypotheses: Hypotheses) -> None:
        """Take the nodes of what was chosen."""
        self._no_source[hypotheses.source] = True
        self._no_target[hypotheses.targets[hypotheses.targets >= 0]] = True
