"""What a score means: how often a candidate with such evidence was right."""

from __future__ import annotations

from sam2_core.finding.candidates import Candidate


def rank(candidate: Candidate) -> float:
    """Return by what candidates are ordered, 0 to 1: agreement and predicted IoU, as far as the mask is stable."""
    return (0.5 * candidate.agreement + 0.5 * candidate.predicted_iou) * candidate.stability


def score(rank_of: float) -> float:
    """Return how likely a candidate of that rank is right, 0 to 1."""
    return rank_of
