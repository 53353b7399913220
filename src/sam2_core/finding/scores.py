"""What a score means: how often a candidate with such evidence was right.

Two numbers turn the rank of a candidate into its score. They were fitted with `cells-nano` on stills that the head was
not trained on (nuclei and phase contrast, 1,480 candidates), and looked at afterwards on movies of other cells
(docs/find.md shows the curve). A candidate is right where it has an IoU of at least 0.5 with an object of the truth.
"""

from __future__ import annotations

import math

from sam2_core.finding.candidates import Candidate

SEED_CURVE = (13.0, 0.505)
"""Steepness, and the rank at which one in two is right: for seeds of the dense head."""
GRID_CURVE = (13.0, 0.6)
"""For points of a grid, where nothing but the decoder says what it saw; not calibrated for other checkpoints."""


def rank(candidate: Candidate) -> float:
    """Return by what candidates are ordered, 0 to 1: agreement and predicted IoU, as far as mask and head are sure."""
    if candidate.agreement is None:
        return candidate.predicted_iou * candidate.stability
    believed = 0.5 * candidate.agreement + 0.5 * candidate.predicted_iou
    return believed * candidate.stability * candidate.presence


def score(candidate: Candidate, prominence: float = 1.0) -> float:
    """Return how likely a candidate is right, 0 to 1.

    prominence: 0 to 1, less for what stands out less than other objects do (`contrast.prominence`).
    """
    steepness, middle = GRID_CURVE if candidate.agreement is None else SEED_CURVE
    return 1.0 / (1.0 + math.exp(-steepness * (rank(candidate) * prominence - middle)))
