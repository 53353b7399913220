from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.document.document import Document
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.prompt import Prompt
from napari_sam2.io import SavedSession
from napari_sam2.masks.mask_store import MaskStatus, StoredMask

SIZE = (24, 32)


def stored(object_id, frame, status=MaskStatus.tracked, leg="forward"):
    """A mask that tells by its place, its logits and its score to which object and frame it belongs."""
    rng = np.random.default_rng((object_id, frame))
    logits = rng.normal(4, 4, (5 + object_id, 6)).astype(np.float32)
    return StoredMask.of_logits(frame % 10, object_id, logits, status, float(logits[0, 0]), leg)


def drawn(object_id=3):
    mask = np.zeros(SIZE, bool)
    mask[4:9, 10:20] = True
    return Prompt(object_id, 2, ((5.0, 12.5),), (1,), None, mask)


@pytest.fixture
def document():
    prompts = [
        Prompt(1, 0, ((3.0, 4.0), (5.5, 6.25)), (1, 0)),
        Prompt(2, 0, (), (), (1.0, 2.0, 9.0, 12.5)),
        drawn(),
        Prompt(70000, 7, ((1.0, 1.0),), (1,)),
    ]
    return Document.of(prompts, [ObjectInfo(2, "mother"), ObjectInfo(1, "daughter µ", False, True, parent=2)])


@pytest.fixture
def masks():
    return [((object_id, frame), stored(object_id, frame)) for frame in range(4) for object_id in (3, 1, 2)]


@pytest.fixture
def saved(document, masks):
    return SavedSession(document, masks, {"model": "cells-nano", "fixed": {"Z": 3}}, None, "TYX")
