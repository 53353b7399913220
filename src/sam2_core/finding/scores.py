"""What a score means: how often a candidate with such evidence was right."""

from __future__ import annotations

from sam2_core.finding.candidates import Candidate


def rank(candidate: Candidate) -> float:
    """Return by what candidates are ordered, 0 to 1: agreement and predicted IoU, as far as mask and head are sure."""
    believed = 0.5 * candidate.agreement + 0.5 * candidate.predicted_iou
    return believed * candidate.stability * candidate.presence


def score(rank_of: float) -> float:
    """Return how likely a candidate of that rank is right, 0 to 1."""
    return rank_of
