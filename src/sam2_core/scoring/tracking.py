"""How well a movie was tracked, labels and parents against those of the truth, as the field counts it.

Order: `judge_tracking` walks the frames of both once and pairs their objects, then counts. Two ways of pairing:

- as the Cell Tracking Challenge does, a truth object with the found one that covers more than half of it, so that one
  found object may stand for several: SEG (Maska et al. 2014), AOGM and with it DET, TRA, LNK (Matula et al. 2015), and
  CHOTA (Kaiser et al. 2024);
- one to one, at an IoU of 0.5 or more: links found, divisions, complete tracks, identity switches.

All numbers but the last are those of `traccuracy` 0.4 (`CTCMatcher`; `IOUMatcher(0.5, one_to_one=True)`), which the
tests compare. As there, a found object over several of the truth is one non-split, however many they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, eye_array

from sam2_core.errors import StackError
from sam2_core.scoring.detection import matched_pairs, pair_ious
from sam2_core.scoring.divisions import DivisionCounts, count_divisions, false_divisions
from sam2_core.scoring.ground_truth import Labels
from sam2_core.scoring.track_graph import Nodes, TrackGraph, chosen_at, track_graph

LEAST_IOU = 0.5
TOLERANCES = (0, 1, 2)
"""Frames by which a division may be early or late."""
_FN, _NS, _FP = 10.0, 5.0, 1.0  # what an error costs in AOGM: of objects,
_LINK_FN, _LINK_FP, _LINK_WS = 1.5, 1.0, 1.0  # and of links


@dataclass(frozen=True, slots=True)
class TrackingMetrics:
    """How well a movie was tracked; shares from 0 to 1, nan where the truth has nothing to judge.

    Attributes
    ----------
    seg, det, tra, lnk, chota
        Of the Cell Tracking Challenge; all of objects and links of the truth.
    fn_nodes, fp_nodes, ns_nodes
        Objects on a frame that were missed, found where there is none, found as one though several.
    fn_links, fp_links, ws_links
        Links missed, found where there is none, and found but a division in only one of both.
    links, links_found, links_right
        Links of the truth; share of them that was found; share of found ones that is in the truth.
    divisions, divisions_found
        How many the truth and the result have.
    division_f1
        2 TP / (truth + found) within 0, 1 and 2 frames.
    complete_tracks, complete_lineages
        Share of the truth's tracks between divisions, and of its trees, without any error.
    identity_switches
        How often an object of the truth goes on as another track.
    """

    seg: float
    det: float
    tra: float
    lnk: float
    chota: float
    fn_nodes: int
    fp_nodes: int
    ns_nodes: int
    fn_links: int
    fp_links: int
    ws_links: int
    links: int
    links_found: float
    links_right: float
    divisions: int
    divisions_found: int
    division_f1: tuple[float, ...]
    complete_tracks: float
    complete_lineages: float
    identity_switches: int


@dataclass(frozen=True, slots=True)
class PairedTracks:
    """Truth and result as graphs, and which nodes are the same; -1 for none.

    Attributes
    ----------
    covering
        (N,) found node that covers more than half of each node of the truth.
    ious
        (N,) IoU with that one, 0 where there is none.
    alike, alike_of
        (N,) found node of each node of the truth, one to one, and (M,) the other way round.
    """

    truth: TrackGraph
    found: TrackGraph
    covering: Nodes
    ious: NDArray[np.float64]
    alike: Nodes
    alike_of: Nodes


def judge_tracking(
    truth: Iterable[Labels],
    found: Iterable[Labels],
    truth_parents: Mapping[int, int] | None = None,
    found_parents: Mapping[int, int] | None = None,
) -> TrackingMetrics:
    """Return how well labels (H, W), frame by frame, follow the truth; both are read once, one frame at a time.

    truth_parents, found_parents: object id -> the one that it came from by division.

    Raises
    ------
    StackError
        If they differ in frames or size.
    """
    return tracking_metrics(paired_tracks(truth, found, truth_parents or {}, found_parents or {}))


def paired_tracks(
    truth: Iterable[Labels],
    found: Iterable[Labels],
    truth_parents: Mapping[int, int],
    found_parents: Mapping[int, int],
) -> PairedTracks:
    """Return truth and result as graphs whose nodes are paired; see `judge_tracking`."""
    ids: list[tuple[list[int], list[int]]] = []
    covering, ious, alike = [], [], []
    count = 0
    for frame, (true, seen) in enumerate(zip_longest(truth, found)):
        if true is None or seen is None or true.shape != seen.shape:
            raise StackError(
                f"The truth is {None if true is None else true.shape} on frame {frame} and the result "
                f"{None if seen is None else seen.shape}; both must have the same frames of the same size."
            )
        pairs = pair_ious(true, seen)
        ids.append((pairs.truth_ids.tolist(), pairs.found_ids.tolist()))
        rows, columns = np.nonzero(pairs.covered > 0.5)
        covering.append(_placed(rows, columns + count, len(pairs.truth_ids)))
        ious.append(np.where(pairs.covered > 0.5, pairs.ious, 0.0).max(axis=1, initial=0.0))
        one_to_one = matched_pairs(pairs.ious, LEAST_IOU)
        alike.append(_placed(one_to_one[:, 0], one_to_one[:, 1] + count, len(pairs.truth_ids)))
        count += len(pairs.found_ids)
    graphs = track_graph((one for one, _ in ids), truth_parents), track_graph((one for _, one in ids), found_parents)
    same = np.concatenate([*alike, np.zeros(0, np.int64)])
    known = np.flatnonzero(same >= 0)
    return PairedTracks(
        *graphs,
        np.concatenate([*covering, np.zeros(0, np.int64)]),
        np.concatenate([*ious, np.zeros(0)]),
        same,
        _placed(same[known], known, count),
    )


def tracking_metrics(paired: PairedTracks) -> TrackingMetrics:
    """Return the numbers of a paired truth and result."""
    truth, found = paired.truth, paired.found
    held = np.bincount(paired.covering[paired.covering >= 0], minlength=len(found))
    fn, fp, ns = int((paired.covering < 0).sum()), int((held == 0).sum()), int((held > 1).sum())
    fn_links, fp_links, ws_links = _link_errors(paired, held)
    links, objects = int(truth.linked.sum()), len(truth)
    of_objects = _FN * fn + _FP * fp + _NS * ns
    of_links = _LINK_FN * fn_links + _LINK_FP * fp_links + _LINK_WS * ws_links
    right = right_links(paired)
    divided = count_divisions(truth, found, paired.alike, paired.alike_of, max(TOLERANCES))
    complete = _complete(paired, right)
    return TrackingMetrics(
        seg=float(paired.ious.mean()) if objects else float("nan"),
        det=_share(of_objects, _FN * objects),
        tra=_share(of_objects + of_links, _FN * objects + _LINK_FN * links),
        lnk=_share(of_links, _LINK_FN * links),
        chota=_chota(paired, held),
        fn_nodes=fn,
        fp_nodes=fp,
        ns_nodes=ns,
        fn_links=fn_links,
        fp_links=fp_links,
        ws_links=ws_links,
        links=links,
        links_found=_ratio(int(right.sum()), links),
        links_right=_ratio(int(right.sum()), int(found.linked.sum())),
        divisions=divided.truth,
        divisions_found=divided.found,
        division_f1=_f1(divided),
        complete_tracks=complete[0],
        complete_lineages=complete[1],
        identity_switches=_switches(paired),
    )


def right_links(paired: PairedTracks) -> NDArray[np.bool_]:
    """Return (N,) whether the link to each node of the truth is in the result, between the nodes that are alike."""
    right: NDArray[np.bool_] = np.zeros(len(paired.truth), bool)
    before = paired.truth.before
    to = np.flatnonzero(paired.truth.linked & (paired.alike >= 0))
    to = to[paired.alike[before[to]] >= 0]
    right[to] = paired.found.before[paired.alike[to]] == paired.alike[before[to]]
    return right


def _link_errors(paired: PairedTracks, held: Nodes) -> tuple[int, int, int]:
    """Return how many links are missed, wrong, and of the wrong kind, between found objects that hold just one."""
    truth, found = paired.truth, paired.found
    covered = np.flatnonzero(paired.covering >= 0)
    true_of = _placed(paired.covering[covered], covered, len(found))
    to = np.flatnonzero(found.linked & (held == 1))
    to = to[held[found.before[to]] == 1]
    ends, starts = true_of[to], true_of[found.before[to]]
    there = truth.before[ends] == starts
    kind = truth.is_birth[ends[there]] != found.is_birth[to[there]]
    return int(truth.linked.sum() - there.sum()), int((~there).sum()), int(kind.sum())


def _chota(paired: PairedTracks, held: Nodes) -> float:
    """Return the higher order tracking accuracy: how far whole trees agree around each object that was found.

    For a pair of a track of the truth and a found one that share objects, both with their ancestors and descendants,
    the IoU of these trees in objects.
    """
    truth, found = paired.truth, paired.found
    seen = np.flatnonzero(paired.covering >= 0)
    tracks, found_tracks = _tree(truth), _tree(found)
    places = truth.tracklets[seen], found.tracklets[paired.covering[seen]]
    shared = coo_array((np.ones(len(seen)), places), shape=(tracks.shape[0], found_tracks.shape[0])).tocsr()
    missed = np.bincount(truth.tracklets[paired.covering < 0], minlength=tracks.shape[0])
    extra = np.bincount(found.tracklets[held == 0], minlength=found_tracks.shape[0])
    sizes, found_sizes = tracks @ (shared.sum(axis=1) + missed), found_tracks @ (shared.sum(axis=0) + extra)
    both = (tracks @ shared @ found_tracks.T).tocsr()
    rows, columns = shared.nonzero()
    agreed = np.asarray(both[rows, columns]).ravel()
    weights = np.asarray(shared[rows, columns]).ravel()
    association = float((weights * agreed / (sizes[rows] + found_sizes[columns] - agreed)).sum())
    everything = len(seen) + int(missed.sum()) + int(extra.sum())
    return float(np.sqrt(association / everything)) if everything else float("nan")


def _tree(graph: TrackGraph) -> csr_array:
    """Return (K, K): 1 where one track is the other, or comes from it, or it from the other."""
    count = int(graph.tracklets.max(initial=-1)) + 1
    births = np.flatnonzero(graph.is_birth)
    step = coo_array(
        (np.ones(len(births)), (graph.tracklets[graph.before[births]], graph.tracklets[births])), shape=(count, count)
    ).tocsr()
    reached = related = eye_array(count, format="csr")
    while reached.nnz:
        reached = reached @ step
        related = related + reached
    return related + related.T - eye_array(count, format="csr")


def _complete(paired: PairedTracks, right: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the share of tracks and of trees of which all objects and links were found and that do not divide more."""
    truth = paired.truth
    wrong = false_divisions(truth, paired.found, paired.alike_of)
    lost = (paired.alike < 0) | chosen_at(wrong, paired.alike)
    cut = truth.linked & ~right
    shares = []
    for part, broken in ((truth.tracklets, lost | (cut & ~truth.is_birth)), (truth.lineages, lost | cut)):
        count = int(part.max(initial=-1)) + 1
        shares.append(_ratio(count - len(np.unique(part[broken])), count))
    return shares[0], shares[1]


def _switches(paired: PairedTracks) -> int:
    """Return how often the found track changes along a track of the truth, over frames on which it was found."""
    seen = np.flatnonzero(paired.alike >= 0)
    tracks, found = paired.truth.tracklets[seen], paired.found.tracklets[paired.alike[seen]]
    order = np.argsort(tracks, kind="stable")  # nodes are in order of frames
    goes_on = np.diff(tracks[order]) == 0
    return int((goes_on & (np.diff(found[order]) != 0)).sum())


def _placed(places: Nodes, values: Nodes, size: int) -> Nodes:
    """Return (size,) the values at their places, -1 elsewhere."""
    filled = np.full(size, -1, np.int64)
    filled[places] = values
    return filled


def _f1(divided: DivisionCounts) -> tuple[float, ...]:
    """Return 2 TP / (truth + found) within each tolerance; nan where the truth does not divide."""
    return tuple(_ratio(2 * right, divided.truth and divided.truth + divided.found) for right in divided.right)


def _share(errors: float, worst: float) -> float:
    return 1.0 - min(errors, worst) / worst if worst else float("nan")


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
