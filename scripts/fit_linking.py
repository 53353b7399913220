"""Fits the weights of linking anew: `python scripts/fit_linking.py DATA_FOLDER [--found found_NAME.npz ...]`.

DATA_FOLDER holds one folder per movie with truth: `images.tif`, `masks.tif` whose ids last, `tracks.csv` with `id` and,
where cells divide, `parent_id`. `masks_linked_pseudo.tif` with `tracks_pseudo.csv` will do for the weights, but not for
the confidences. Synthetic movies with divisions, and of rods that become a colony, are drawn beside them. An NPZ of
`--found` holds what was found in one of the movies, `find_objects` with scores from 0.2: `labels` (T, H, W) and
`scores` (T, labels + 1); its NAME is a part of the name of the movie's folder. With it, links and divisions of
imperfect outlines are learned too.

1. Links: a logistic regression over all pairs near by, of which one at least is an object of the truth; every movie
   counts the same, a synthetic one a sixth. Everything is shown twice, the second time (half the weight) without
   intensities, as for phase contrast.
2. Divisions: a logistic regression over everything that could be one, with the gains of the links of step 1. `LEAD` is
   added to its constant.
3. Verdicts: a logistic regression over the divisions that linking chooses with those weights, all of them kept.
4. Confidences: the search runs with these weights, and what it chose is right or not: two logistic curves.

What is printed can be pasted into `napari_sam2/linking/judging.py`. The table says how well the weights rank: average
precision of links and divisions with the weights that were fitted, with those that are shipped, and with weights fitted
without that movie. The constants of judging.py are not fitted, but chosen by hand. Takes minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from linking_truths import Bools, Seen, drawn_rods, drawn_truth, read_truths, seen_as_drawn, seen_as_found
from scipy.optimize import minimize

from napari_sam2.linking import Kept, LinkingOptions, Node, judging
from napari_sam2.linking.detections import Floats, Ints
from napari_sam2.linking.forks import FORK_FEATURES, forks_of
from napari_sam2.linking.hypotheses import Movie
from napari_sam2.linking.pairs import LINK_FEATURES
from napari_sam2.linking.search import search
from napari_sam2.linking.tracks import Order, links_from, tracks_from
from napari_sam2.linking.verdicts import VERDICT_FEATURES, VERDICT_WEIGHTS, Verdicts
from sam2_core.training.synthetic import Style

STYLES: tuple[Style, ...] = ("fluorescence", "phase")
FITTED_SEEDS, HELD_SEEDS = range(100, 106), range(900, 906)
FITTED_RODS, HELD_RODS = range(100, 108), range(2000, 2006)
SYNTHETIC_LINKS, SYNTHETIC_FORKS, SYNTHETIC_SURE = 1 / 6, 0.75, 0.5
"""What a synthetic movie (links), division and choice counts, against one of a real movie."""
SYNTHETIC_VERDICTS = 0.35
WITHOUT_INTENSITY = 0.5
LINK_RIDGE, RIDGE, VERDICT_RIDGE = 1e-4, 1e-5, 3e-3
LEAD = 3.0
"""What divisions get beyond their odds, chosen by F1 in development movies: verdicts take back what does not hold."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Features (K, F) of links or divisions, which are right (K,), and what each counts (K,)."""

    features: Floats
    right: Bools
    weight: Floats

    @classmethod
    def joined(cls, parts: Sequence[Examples]) -> Examples:
        """Return all of them."""
        return cls(
            np.concatenate([each.features for each in parts]),
            np.concatenate([each.right for each in parts]),
            np.concatenate([each.weight for each in parts]),
        )

    def shown_twice(self, intensity: int) -> Examples:
        """Return these, and once more without the feature that the intensity makes."""
        dark = self.features.copy()
        dark[:, intensity] = 0
        return Examples.joined([self, Examples(dark, self.right, WITHOUT_INTENSITY * self.weight)])

    def fitted(self, ridge: float) -> Floats:
        """Return the weights (F,) of the logistic regression, with a penalty on features scaled to a spread of 1."""
        spread = self.features.std(axis=0)
        spread[spread == 0] = 1
        scaled, weight = self.features / spread, self.weight / self.weight.sum()

        def loss(at: Floats) -> tuple[float, Floats]:
            odds = scaled @ at
            fit = np.sum(weight * (np.logaddexp(0, odds) - self.right * odds)) + ridge * np.sum(at**2) / 2
            wrong = weight * (1 / (1 + np.exp(-odds)) - self.right)
            return float(fit), scaled.T @ wrong + ridge * at

        return minimize(loss, np.zeros(len(spread)), jac=True, method="L-BFGS-B").x / spread

    def precision(self, weights: Floats) -> float:
        """Return the average precision of ranking by those weights, NaN where nothing is right."""
        right = self.right[np.argsort(-(self.features @ weights), kind="stable")]
        precision = np.cumsum(right) / np.arange(1, len(right) + 1)
        return float(precision[right].mean()) if right.any() else np.nan


@dataclass(frozen=True, eq=False)
class Weights:
    """Of links and of divisions."""

    links: Floats
    forks: Floats


def link_examples(seen: Seen) -> Examples:
    """Return the pairs of frames next to each other, of which one at least is an object of the truth."""
    features, right = [], []
    for step in seen.steps:
        one, other = seen.ids[step.frame][step.pairs.first], seen.ids[step.frame + 1][step.pairs.second]
        known = (one > 0) | (other > 0)
        features.append(step.pairs.features()[known])
        right.append(((one == other) & (one > 0))[known])
    many = sum(map(len, right))
    counts = SYNTHETIC_LINKS if seen.truth.is_synthetic else 1.0
    return Examples(np.concatenate(features), np.concatenate(right), np.full(many, counts / many))


def fork_examples(seen: Seen, link_weights: Floats) -> Examples:
    """Return everything that could be a division of an object of the truth."""
    features, right = [np.zeros((0, len(FORK_FEATURES)))], [np.zeros(0, bool)]
    for step in seen.steps:
        if not len(step.pairs.first):
            continue
        gains = step.pairs.features() @ link_weights + judging.CONSTANCY
        forks = forks_of(step.before, step.after, step.drift, step.pairs, gains)
        mother = seen.ids[step.frame][forks.mother]
        is_daughter = []
        for side in (0, 1):
            daughter = seen.ids[step.frame + 1][forks.daughters[:, side]]
            begins = np.array([seen.first[int(each)] for each in daughter], np.int64)
            is_daughter.append((seen.mothers(daughter) == mother) & (begins >= step.frame))
        known = mother > 0
        features.append(forks.features[known])
        right.append((is_daughter[0] & is_daughter[1])[known])
    counts = SYNTHETIC_FORKS if seen.truth.is_synthetic else 1.0
    return Examples(np.concatenate(features), np.concatenate(right), np.full(sum(map(len, right)), counts))


def fitted(movies: Sequence[Seen], link_weights: Floats | None = None) -> Weights:
    """Return the weights of links, where none are given, and then of divisions that fit those movies best."""
    if link_weights is None:
        links = Examples.joined([link_examples(each).shown_twice(LINK_FEATURES.index("intensity")) for each in movies])
        link_weights = links.fitted(LINK_RIDGE)
    light = FORK_FEATURES.index("light asymmetry")
    forks = Examples.joined([fork_examples(each, link_weights).shown_twice(light) for each in movies])
    fork_weights = forks.fitted(RIDGE)
    fork_weights[FORK_FEATURES.index("one")] += LEAD
    return Weights(link_weights, fork_weights)


def chosen_examples(seen: Seen) -> tuple[Examples, Examples]:
    """Return the links and the divisions that the search chooses; features: what speaks for each of them, and 1."""
    movie = Movie(seen.frames, LinkingOptions())
    steps = search(movie, Kept())
    while True:
        try:
            next(steps)
        except StopIteration as end:
            chosen, rivals = end.value.chosen, end.value.rivals
            break
    ids = np.append(np.concatenate(seen.ids), 0)  # the last is that of no second target, -1
    source, one, other = ids[chosen.source], ids[chosen.targets[:, 0]], ids[chosen.targets[:, 1]]
    follows = _followers(ids[:-1])
    same = follows[chosen.source] == chosen.targets[:, 0]
    daughter, sister = seen.mothers(one) == source, seen.mothers(other) == source
    is_fork = chosen.is_fork
    right = np.where(is_fork, daughter & sister, same | daughter) & (source > 0)
    known = np.where(is_fork, source > 0, (source > 0) | (one > 0))
    says = np.clip(np.where(is_fork, chosen.gain - rivals, chosen.gain), -judging.MOST_GAIN, judging.MOST_GAIN)
    features = np.stack([says, np.ones_like(says)], axis=1)
    weight = np.full(len(says), SYNTHETIC_SURE if seen.truth.is_synthetic else 1.0)
    links, forks = known & ~is_fork, known & is_fork
    return (
        Examples(features[links], right[links], weight[links]),
        Examples(features[forks], right[forks], weight[forks]),
    )


def verdict_examples(seen: Seen) -> Examples:
    """Return the divisions that linking chooses before any is refused, seen with what comes before and after."""
    order = Order.of(seen.frames)
    movie = Movie(order.frames, LinkingOptions())
    steps = search(movie, Kept())
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found = end.value
            break
    links = links_from(movie, found.chosen, judging.confidence(found.chosen, found.rivals), order, Kept())
    linked = tracks_from(movie, links, order, seen.truth.images.shape[1:3])
    judge = Verdicts(linked, seen.frames, movie.sought)
    tracks = {track.track_id: track for track in linked.tracks}

    def known(nodes: Sequence[Node]) -> set[int]:
        return {int(seen.ids[frame][index]) for frame, index in nodes} - {0, -1}

    features, right = [np.zeros((0, len(VERDICT_FEATURES)))], []
    for division in linked.divisions:
        mother = known(tracks[division.mother].nodes[-3:])
        one, other = (known(tracks[each].nodes[:3]) for each in division.daughters[:2])
        pairs = [(a, b) for a in one for b in other if a != b]
        parents = seen.truth.parents
        right.append(any(parents.get(a) == parents.get(b) and parents.get(a) in mother for a, b in pairs))
        features.append(judge.features(division)[None])
    counts = SYNTHETIC_VERDICTS if seen.truth.is_synthetic else 1.0
    return Examples(np.concatenate(features), np.array(right, bool), np.full(len(right), counts))


def _followers(ids: Ints) -> Ints:
    """Return for each node (N,) the next one of the same object, -2 for none."""
    follows = np.full(len(ids), -2)
    last: dict[int, int] = {}
    for node, each in enumerate(ids.tolist()):
        if each > 0:
            if each in last:
                follows[last[each]] = node
            last[each] = node
    return follows


def show_ranking(movies: dict[str, list[Seen]], fits: dict[str, list[Weights]]) -> None:
    """Prints average precisions; movies by the row that they are in, the weights of each column by row."""
    print(f"\n{'average precision':40}{'links: ' + ' / '.join(fits):38}divisions")
    for (row, group), *of_row in zip(movies.items(), *fits.values(), strict=True):
        links = Examples.joined([link_examples(each) for each in group])
        of_links = " / ".join(f"{links.precision(fit.links):.4f}" for fit in of_row)
        forks = [Examples.joined([fork_examples(each, fit.links) for each in group]) for fit in of_row]
        ranked = [each.precision(fit.forks) for each, fit in zip(forks, of_row, strict=True)]
        many = forks[0].right.sum()
        of_forks = " / ".join(f"{each:.2f}" for each in ranked) + f", {many} of them" if many else "none"
        print(f"{row:40}{of_links:38}{of_forks}", flush=True)


def show_sureness(learned: Sequence[Seen], groups: dict[str, list[Seen]]) -> None:
    """Fits the confidences, and prints them with how sure they are in groups of movies, and how often right."""
    chosen = {seen: chosen_examples(seen) for seen in {*learned, *(each for some in groups.values() for each in some)}}
    for kind, name in enumerate(("SURE_LINK", "SURE_FORK")):
        curve = np.round(Examples.joined([chosen[seen][kind] for seen in learned]).fitted(RIDGE), 2)
        print(f"\n{name} = {tuple(curve.tolist())}  # shipped: {(judging.SURE_LINK, judging.SURE_FORK)[kind]}")
        for group, some in groups.items():
            odds = np.concatenate([np.zeros(0), *(chosen[seen][kind].features @ curve for seen in some)])
            right = np.concatenate([np.zeros(0), *(chosen[seen][kind].right for seen in some)])
            if len(right):
                sure = np.mean(1 / (1 + np.exp(-odds)))
                print(f"  {group}: {len(right)} chosen, sure of {sure:.3f}, right {right.mean():.3f}", flush=True)


def show_weights(name: str, weights: Floats, shipped: Floats) -> None:
    """Prints them as they are pasted, and those that are shipped as a comment."""
    for before, values in ((f"{name} = ", weights), ("# shipped:      ", shipped)):
        print(f"{before}np.array({np.round(values, 2).tolist()})", flush=True)


def main() -> None:
    """Reads the command line and does it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of movies with truth")
    parser.add_argument("--found", type=Path, nargs="+", default=[], help="what was found in them, as NPZ")
    parser.add_argument("--keep-links", action="store_true", help="fit divisions only, to links as they are judged now")
    chosen = parser.parse_args()
    truths = read_truths(chosen.folder)
    if not truths:
        parser.error(f"no folder in {chosen.folder} has images.tif, masks.tif and tracks.csv")
    drawn = [seen_as_drawn(drawn_truth(style, seed)) for style in STYLES for seed in FITTED_SEEDS]
    drawn += [seen_as_drawn(drawn_rods(seed)) for seed in FITTED_RODS]
    held = [seen_as_drawn(drawn_truth(style, seed)) for style in STYLES for seed in HELD_SEEDS]
    held_rods = [seen_as_drawn(drawn_rods(seed)) for seed in HELD_RODS]
    real = [seen_as_drawn(truth) for truth in truths]
    found = [seen_as_found(truths, path) for path in chosen.found]
    movies = [*real, *found, *drawn]

    shipped = Weights(judging.LINK_WEIGHTS, judging.FORK_WEIGHTS)
    links = shipped.links if chosen.keep_links else None
    fit = fitted(movies, links)
    show_weights("LINK_WEIGHTS", fit.links, shipped.links)
    show_weights("FORK_WEIGHTS", fit.forks, shipped.forks)
    without = {truth: fitted([each for each in movies if each.truth is not truth], links) for truth in truths}
    rows = {each.name: [each] for each in [*real, *found]} | {"synthetic": drawn}
    rows |= {"synthetic, not fitted on": held, "rods, not fitted on": held_rods}
    left_out = [*(without[each.truth] for each in [*real, *found]), fitted([*real, *found], links), fit, fit]
    show_ranking(rows, {"fitted": [fit] * len(rows), "shipped": [shipped] * len(rows), "without": left_out})

    judging.LINK_WEIGHTS, judging.FORK_WEIGHTS = np.round(fit.links, 2), np.round(fit.forks, 2)  # for the search
    show_weights(
        "VERDICT_WEIGHTS", Examples.joined([*map(verdict_examples, movies)]).fitted(VERDICT_RIDGE), VERDICT_WEIGHTS
    )
    sure = [each for each in movies if not each.truth.is_pseudo]
    groups = {"truth": [each for each in sure if not each.is_found], "found": [each for each in sure if each.is_found]}
    show_sureness(sure, groups | {"synthetic, not fitted on": [*held, *held_rods]})


if __name__ == "__main__":
    main()
