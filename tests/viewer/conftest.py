from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import pytest
from disc_predictor import DiscPredictor
from napari.components import ViewerModel

from napari_sam2.engine.jobs import CancelToken
from napari_sam2.session.session import Session
from napari_sam2.viewer import InlineRunner, bind, image_source

FRAMES, HEIGHT, WIDTH = 6, 40, 60


class SteppedRunner:
    """Runs a job one update per `step`, so that a test can do something in the middle of it."""

    def __init__(self, session):
        self._session = session
        self._running = None

    @property
    def busy(self):
        return self._running is not None

    def start(self, job, on_update, on_done, on_error):
        token = CancelToken()
        self._running = (self._session.run(job, token), token, on_update, on_done)

    def cancel(self):
        if self._running is not None:
            self._running[1].cancel()

    def step(self):
        """Bring one update, or the end of the job."""
        updates, token, on_update, on_done = self._running
        update = None if token.cancelled else next(updates, None)
        if update is not None:
            on_update(update)
            return
        updates.close()
        self._running = None
        on_done()

    def finish(self):
        while self.busy:
            self.step()


@dataclass
class Desk:
    """A viewer with an image, a session on it, and all that the person was told."""

    viewer: ViewerModel
    image: object
    session: Session
    runner: object
    messages: list[str] = field(default_factory=list)
    binding: object = None

    @property
    def points(self):
        return self.binding.prompts.points

    @property
    def shapes(self):
        return self.binding.prompts.shapes

    @property
    def labels(self):
        return self.binding.labels.layers[0]

    def shown(self):
        """The labels in view, as napari holds them."""
        return np.asarray(self.labels._slice.image.raw)


def _desk(data=None, *, viewer=None, stepped=False, adopt=(), sliders=None, predictor=None, **layer):
    viewer = viewer or ViewerModel()
    data = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8) if data is None else data
    image = viewer.add_image(data, **{"name": "movie", "contrast_limits": (0, 200), **layer})
    viewer.dims.set_current_step(range(viewer.dims.ndim), sliders or (0,) * viewer.dims.ndim)
    source = image_source(image, point=viewer.dims.point)
    session = Session.open(source.stack, settings=source.settings, predictor=predictor or DiscPredictor())
    desk = Desk(viewer, image, session, (SteppedRunner if stepped else InlineRunner)(session))
    desk.binding = bind(viewer, session, image, desk.runner, notify=desk.messages.append, adopt=adopt)
    desk.binding.redraw.clock = itertools.count().__next__  # a second between looks, so a refresh is always due
    return desk


@pytest.fixture
def make_desk():
    made = []

    def make(*args, **kwargs):
        made.append(_desk(*args, **kwargs))
        return made[-1]

    yield make
    for desk in made:
        desk.binding.unbind()
        desk.session.close()


@pytest.fixture
def desk(make_desk):
    return make_desk()
