"""How likely links and divisions are: their features weighed, as logs of odds.

The weights are logistic regressions, fitted on the development movies: nuclei of breast cancer cells (with divisions),
T98G, yeast, a fly epithelium, and synthetic fluorescence and phase contrast with divisions; with intensities and
without. Numbers measured on those movies are therefore not those of unseen data (docs/linking.md).
"""

from __future__ import annotations

import numpy as np

from napari_sam2.linking.detections import Floats

LINK_WEIGHTS = np.array([-3.95, -2.35, -1.44, -0.36, -1.44, 0.26, -0.10, 5.41])
FORK_WEIGHTS = np.array([1.0, -0.5, -2.25, -4.1, -0.63, -0.27, -1.3, -0.5, -3.1, -1.5, -1.1, -3.3, -0.87, 0.065, 0.4])
CONSTANCY = 4.0
"""What speaks for an object's being there on the next frame at all, as log odds."""
MISSED = 2.0
"""What speaks against each frame on which an object was missed."""


def link_gains(features: Floats) -> Floats:
    """Return the gain (K,) of links with those features (K, LINK_FEATURES)."""
    return features @ LINK_WEIGHTS + CONSTANCY


def fork_odds(features: Floats) -> Floats:
    """Return the log odds (K,) of divisions with those features (K, FORK_FEATURES)."""
    return features @ FORK_WEIGHTS
