"""Which links and divisions hold together: the ones with the highest sum of gains of which no two need the same node.

Hypotheses fall apart into groups that share no node. A group of links alone is an assignment; one with a division is
an integer programme (`scipy.optimize.milp`), as a division takes two nodes at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, sparse
from scipy.sparse import csgraph

from napari_sam2.linking.detections import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Hypotheses:
    """What may hold: K links and divisions.

    Attributes
    ----------
    source
        (K,) number of the node that goes on.
    targets
        (K, 2) numbers of the nodes that it goes on as; the second is -1 for a link.
    gain
        (K,) log of the odds that it holds; only what is above 0 is ever chosen.
    """

    source: Ints
    targets: Ints
    gain: Floats

    @classmethod
    def none(cls) -> Hypotheses:
        """Return no hypotheses."""
        return cls(np.zeros(0, np.int64), np.zeros((0, 2), np.int64), np.zeros(0))

    @classmethod
    def of_links(cls, source: Ints, target: Ints, gain: Floats) -> Hypotheses:
        """Return links only."""
        return cls(source, np.stack([target, np.full_like(target, -1)], axis=1), gain)

    @property
    def is_fork(self) -> npt.NDArray[np.bool_]:
        """(K,) which of them are divisions."""
        return self.targets[:, 1] >= 0

    def where(self, chosen: npt.NDArray[np.bool_] | Ints) -> Hypotheses:
        """Return some of them."""
        return Hypotheses(self.source[chosen], self.targets[chosen], self.gain[chosen])


def joined(parts: list[Hypotheses]) -> Hypotheses:
    """Return all of them as one."""
    if not parts:
        return Hypotheses.none()
    return Hypotheses(
        np.concatenate([each.source for each in parts]),
        np.concatenate([each.targets for each in parts]),
        np.concatenate([each.gain for each in parts]),
    )


def choose(hypotheses: Hypotheses) -> npt.NDArray[np.bool_]:
    """Return (K,) which hypotheses make the highest sum of gains without sharing a node."""
    chosen = np.zeros(len(hypotheses.gain), bool)
    hopeful = np.flatnonzero(hypotheses.gain > 0)
    if not len(hopeful):
        return chosen
    need = _needs(hypotheses.where(hopeful))
    _, group = csgraph.connected_components(need.T @ need, directed=False)
    sizes = np.bincount(group)
    chosen[hopeful[sizes[group] == 1]] = True
    order = np.argsort(group, kind="stable")
    for members in np.split(order, np.cumsum(sizes)[:-1]):
        if len(members) > 1:
            some = hypotheses.where(hopeful[members])
            best = _packed(some) if some.is_fork.any() else _assigned(some)
            chosen[hopeful[members[best]]] = True
    return chosen


def rivals_of(chosen: npt.NDArray[np.bool_], hypotheses: Hypotheses) -> Floats:
    """Return for each of the chosen the highest gain of those not chosen that need one of its nodes, 0 or more."""
    many = int(max(hypotheses.source.max(initial=-1), hypotheses.targets.max(initial=-1))) + 2
    of_source, of_target = np.zeros(many), np.zeros(many)  # the last is that of no second target, -1
    others, found = hypotheses.where(~chosen), hypotheses.where(chosen)
    np.maximum.at(of_source, others.source, others.gain)
    for side in (0, 1):
        np.maximum.at(of_target, others.targets[:, side], others.gain)
    of_target[-1] = 0
    return np.maximum(of_source[found.source], of_target[found.targets].max(axis=1))


def likeliest_origins(hypotheses: Hypotheses, many: int) -> Hypotheses:
    """Return of all that leads to a node the best `many`, links and divisions, by target; one from each source."""
    links, forks = hypotheses.where(~hypotheses.is_fork), hypotheses.where(hypotheses.is_fork)
    turned = Hypotheses(forks.source, forks.targets[:, ::-1], forks.gain)
    every = joined([links, forks, turned])
    target = every.targets[:, 0]
    order = np.lexsort((every.source, -every.gain, target))
    _, of_pair = np.unique(np.stack([target[order], every.source[order]], axis=1), axis=0, return_index=True)
    order = order[np.sort(of_pair)]
    rank = np.arange(len(order)) - np.searchsorted(target[order], target[order])
    return every.where(order[rank < many])


def _needs(hypotheses: Hypotheses) -> sparse.csr_matrix:
    """Return (nodes, K): 1 where a hypothesis needs a node to go on from, or to go on as."""
    fork = np.flatnonzero(hypotheses.is_fork)
    every = np.arange(len(hypotheses.gain))
    nodes = np.concatenate(
        [2 * hypotheses.source, 2 * hypotheses.targets[:, 0] + 1, 2 * hypotheses.targets[fork, 1] + 1]
    )
    _, dense = np.unique(nodes, return_inverse=True)
    columns = np.concatenate([every, every, fork])
    return sparse.csr_matrix((np.ones(len(columns)), (dense, columns)))


def _assigned(links: Hypotheses) -> Ints:
    """Return the places of the links of the best assignment."""
    sources, rows = np.unique(links.source, return_inverse=True)
    targets, columns = np.unique(links.targets[:, 0], return_inverse=True)
    gains = np.zeros((len(sources), len(targets)))
    places = np.full(gains.shape, -1)
    gains[rows, columns], places[rows, columns] = links.gain, np.arange(len(links.gain))
    found = places[optimize.linear_sum_assignment(gains, maximize=True)]
    return found[found >= 0]


def _packed(hypotheses: Hypotheses) -> Ints:
    """Return the places of the hypotheses of the best packing."""
    need = _needs(hypotheses)
    result = optimize.milp(
        -hypotheses.gain,
        integrality=np.ones(len(hypotheses.gain)),
        bounds=optimize.Bounds(0, 1),
        constraints=optimize.LinearConstraint(need, -np.inf, 1),
    )
    return np.flatnonzero(result.x > 0.5)
