"""How likely links and divisions are: their features weighed, as logs of odds.

The weights are logistic regressions, fitted on the development movies: nuclei of breast cancer cells (with divisions),
T98G, yeast, a fly epithelium, and synthetic fluorescence and phase contrast with divisions; with intensities and
without. Numbers measured on those movies are therefore not those of unseen data (docs/linking.md). An earlier form of
`scripts/fit_linking.py` fitted those of links; those of divisions were fitted again with synthetic colonies of rods.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from napari_sam2.linking.choice import Hypotheses
from napari_sam2.linking.detections import Floats

LINK_WEIGHTS = np.array([-1.73, -3.16, -4.96, -0.55, -3.26, 1.29, -0.10, 8.25])
FORK_WEIGHTS = np.array(
    [
        *[0.38, 0.33, -1.93, -3.27, 3.75, -2.15, -0.58, 0.21, -2.5, -0.68],
        *[3.27, -6.72, -6.44, -4.26, 5.48, 3.01, -0.56, 0.05, -0.05],
    ]
)
CONSTANCY = 8.0
"""What speaks for an object's being there on the next frame at all, as log odds: objects hardly ever vanish."""
MISSED = 5.0
"""What speaks against an object's being missed on one frame, and `LONGER` against each further one."""
LONGER = 1.0


def link_gains(features: Floats) -> Floats:
    """Return the gain (K,) of links with those features (K, LINK_FEATURES)."""
    return features @ LINK_WEIGHTS + CONSTANCY


def missed(gap: int) -> float:
    """Return what speaks against links over a gap of that many frames, at least one."""
    return MISSED + LONGER * (gap - 1)


def fork_odds(features: Floats) -> Floats:
    """Return the log odds (K,) of divisions with those features (K, FORK_FEATURES)."""
    return features @ FORK_WEIGHTS


SURE_LINK = (0.46, -0.91)
SURE_FORK = (0.46, 0.08)
"""Weights of a link's gain, or of a division's lead over its best rival, and of 1 in the log odds of being right."""
MOST_GAIN = 20.0
NONE: Mapping[int, float] = MappingProxyType({})


def confidence(chosen: Hypotheses, rivals: Floats, verdicts: Mapping[int, float] = NONE) -> Floats:
    """Return how likely each hypothesis that was chosen is right, 0 to 1; rivals (K,) are the gains of its best ones.

    Measured afterwards on what was chosen: a link is as sure as its own gain, a division as its lead, or as its log
    odds by the number of the mother, where she was looked at once more.
    """
    says = np.where(chosen.is_fork, chosen.gain - rivals, chosen.gain)
    weights = np.where(chosen.is_fork[:, None], SURE_FORK, SURE_LINK)
    odds = weights[:, 0] * np.clip(says, -MOST_GAIN, MOST_GAIN) + weights[:, 1]
    for place in np.flatnonzero(chosen.is_fork):
        odds[place] = verdicts.get(int(chosen.source[place]), odds[place])
    return 1 / (1 + np.exp(-odds))
