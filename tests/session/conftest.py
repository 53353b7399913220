from __future__ import annotations

import pytest

from sam2_core import SAM2VideoPredictor


@pytest.fixture(scope="module")
def real(model) -> SAM2VideoPredictor:
    """A predictor on the smallest model: all that the real one does, in little time."""
    return SAM2VideoPredictor(model)
