"""A predictor that finds every bright piece of a frame by itself; how bright it is, is how sure it is."""

from __future__ import annotations

import numpy as np
from disc_predictor import DiscPredictor
from scipy import ndimage

from sam2_core.finding.found import FoundObject, FoundObjects

TILES = 4


class FindingPredictor(DiscPredictor):
    """Looks at `TILES` tiles a frame, `on_tile(done)` is called after each; what is not above `dark` is background."""

    def __init__(self, on_tile=None, dark=0):
        super().__init__()
        self._dark = dark
        self.requests = []
        self.closed = 0
        self._on_tile = on_tile or (lambda done: None)

    def find_steps(self, image, request):
        self.requests.append(request)
        plane = np.asarray(image) if request.region is None else np.where(request.region, image, 0)
        pieces, _ = ndimage.label(plane > self._dark)
        try:
            for done in range(1, TILES + 1):
                self._on_tile(done)
                yield done, TILES
        finally:
            self.closed += 1
        found = []
        for piece, (rows, columns) in enumerate(ndimage.find_objects(pieces), start=1):
            inside = pieces[rows, columns] == piece
            box = (columns.start, rows.start, columns.stop, rows.stop)
            score = float(plane[rows, columns][inside].max()) / 255
            found.append(FoundObject(box, inside, (columns.start, rows.start), score))
        found.sort(key=lambda one: -one.score)
        kept = tuple(one for one in found if one.score >= request.min_score)
        diameter = request.diameter_px or 9.0
        return FoundObjects(kept, plane.shape, diameter, request.diameter_px is not None, "pieces")


def unsure_of_size(steps):
    """The same search, which cannot tell how large cells are."""

    def unsure(image, request):
        result = yield from steps(image, request)
        return type(result)((), result.frame_hw, None, False, "pieces", "Nothing tells how large cells are.")

    return unsure
