"""The search for the best links of a movie: window after window of frames, each solved whole, its first part kept."""

from __future__ import annotations

from collections.abc import Collection, Generator
from dataclasses import dataclass

import numpy as np

from napari_sam2.linking.choice import Hypotheses, choose, joined, likeliest_origins, rivals_of
from napari_sam2.linking.detections import Floats
from napari_sam2.linking.hypotheses import HOPELESS, Movie
from napari_sam2.linking.options import Kept
from napari_sam2.linking.owners import Owners

STEP = 4
"""Frames that are decided by each window."""
AHEAD = 3
"""Frames beyond them that it looks at."""

OTHERS = 2
"""So many of the hypotheses for a detection that were not chosen are remembered."""


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search came to.

    Attributes
    ----------
    chosen
        The hypotheses that were chosen.
    rivals
        (K,) gain of the best one that each of these ruled out, 0 or more.
    others
        Of those that were not chosen the two best for each target; a division is there once for each daughter.
    """

    chosen: Hypotheses
    rivals: Floats
    others: Hypotheses


def search(movie: Movie, kept: Kept) -> Generator[tuple[int, int], None, Searched]:
    """Yield (frames done, all) and return what was chosen."""
    total = len(movie.frames)
    rules = Rules(movie, kept)
    waiting: dict[int, Hypotheses] = {}
    decided: list[Hypotheses] = []
    others: list[Hypotheses] = []
    rivals: list[Floats] = [np.zeros(0)]
    for begin in range(0, max(total - 1, 0), STEP):
        end = min(begin + STEP + AHEAD, total - 1)
        for frame in range(begin, end):
            if frame not in waiting:
                waiting[frame] = rules.allowed(_from_frame(movie, frame))
            yield min(frame + 1, begin + STEP), total
        hypotheses = rules.free(joined([waiting[frame] for frame in range(begin, end)]))
        chosen = choose(hypotheses)
        found = hypotheses.where(chosen)
        is_first = found.source < movie.starts[min(begin + STEP, total)]
        decided.append(found.where(is_first))
        rivals.append(rivals_of(chosen, hypotheses)[is_first])
        not_chosen = hypotheses.where(~chosen & (hypotheses.source < movie.starts[min(begin + STEP, total)]))
        others.append(likeliest_origins(not_chosen, OTHERS))
        rules.take(decided[-1])
        waiting = {frame: each for frame, each in waiting.items() if frame >= begin + STEP}
        movie.forget(begin + STEP - 1)
    yield total, total
    return Searched(joined(decided), np.concatenate(rivals), joined(others))


def without_divisions(movie: Movie, kept: Kept, found: Searched, mothers: Collection[int]) -> Searched:
    """Return what was found without the divisions of some nodes: they go on as the daughter that fits better."""
    chosen = found.chosen
    stays = ~(chosen.is_fork & np.isin(chosen.source, np.array(sorted(mothers), np.int64)))
    rules = Rules(movie, kept)
    rules.take(chosen.where(stays))
    added: list[Hypotheses] = []
    for frame in sorted({movie.node(number)[0] for number in mothers}):
        links = rules.allowed(_from_frame(movie, frame))
        links = links.where(~links.is_fork)
        added.append(links.where(choose(links)))
        rules.take(added[-1])
        movie.forget(frame)
    more = joined(added)
    rivals = np.concatenate([found.rivals[stays], np.zeros(len(more.gain))])
    return Searched(joined([chosen.where(stays), more]), rivals, found.others)


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
        self._goes_on = np.zeros(many, bool)
        self._has_origin = np.zeros(many + 1, bool)  # the last is that of the second target of a link, -1
        self._goes_on[[number(node) for node in kept.ends] + [number(before) for before, _ in kept.links]] = True
        self._has_origin[[number(node) for node in kept.begins] + [number(after) for _, after in kept.links]] = True
        self._many = many
        self._owners = Owners(movie, kept.owners)
        self._apart = np.array(sorted(number(a) * many + number(b) for a, b in kept.apart), np.int64)

    def allowed(self, hypotheses: Hypotheses) -> Hypotheses:
        """Return those that no person rules out and that are worth a thought, if only as what else may be."""
        some = hypotheses.where(hypotheses.gain > -HOPELESS)
        apart = np.isin(some.source * self._many + some.targets[:, 0], self._apart)
        apart |= some.is_fork & np.isin(some.source * self._many + some.targets[:, 1], self._apart)
        return self.free(some.where(~apart & self._owners.agrees(some)))

    def free(self, hypotheses: Hypotheses) -> Hypotheses:
        """Return those whose nodes are not taken."""
        taken = self._goes_on[hypotheses.source] | self._has_origin[hypotheses.targets].any(axis=1)
        return hypotheses.where(~taken)

    def take(self, hypotheses: Hypotheses) -> None:
        """Take the nodes of what was chosen."""
        self._goes_on[hypotheses.source] = True
        self._has_origin[hypotheses.targets[hypotheses.targets >= 0]] = True
