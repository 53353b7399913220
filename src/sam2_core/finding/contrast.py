"""How much objects stand out of what is around them, compared with the others of their frame.

Dirt, bubbles and what is out of focus look like cells, but fainter than the cells that the frame is about. Contrast is
a ratio of brightness, as the eye sees it, so that dim and bright nuclei are about alike. The reference is the mean
contrast of all objects, each as heavy as it is large, likely right and contrasted: so two rods count for more than ten
rings of dust, which have about a tenth of their contrast.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam2_core.finding.candidates import Candidate
from sam2_core.finding.found import BoxXYXY
from sam2_core.finding.picture import Picture
from sam2_core.finding.scores import score

AROUND = 0.15
"""Diameters around its box that are looked at with an object."""
EXTREMES = (5.0, 95.0)
"""Percentiles of brightness there."""
BLACK = 8 / 255
"""Is added to brightness, 0 to 1: less is the camera's."""
FULL = 0.5
"""Share of the reference from which on an object stands out enough."""


def prominence(picture: Picture, candidates: Sequence[Candidate]) -> list[float]:
    """Return from 0 to 1: 1 for candidates that stand out about as much as the others of the picture do."""
    if not candidates:
        return []
    areas = np.array([np.count_nonzero(each.mask) for each in candidates])
    contrasts = np.array(
        [_contrast(picture, each.box_xyxy, float(area)) for each, area in zip(candidates, areas, strict=True)]
    )
    weights = areas * [score(each) for each in candidates] * contrasts
    reference = float((weights * contrasts).sum() / max(float(weights.sum()), 1e-6))
    return [float(share) for share in np.clip(contrasts / max(FULL * reference, 1e-6), 0.0, 1.0)]


def _contrast(picture: Picture, box: BoxXYXY, area: float) -> float:
    """Return the logarithm of bright over dark in and around a box."""
    around = max(1, round(AROUND * np.sqrt(4 / np.pi * area)))
    dark, bright = np.percentile(picture.grey(picture.around(box, around)), EXTREMES)
    return float(np.log((bright + BLACK) / (dark + BLACK)))
