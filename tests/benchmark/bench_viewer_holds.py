"""How long the viewer room holds the main thread: 1,000 frames of 1024 x 1024, 100 objects on the frame in view.

``make bench NAME=bench_viewer_holds.py`` prints milliseconds of processor time per thing that a person does; nothing is
drawn, and no model runs. BENCH_PROMPTS_PER_OBJECT asks for another number of prompts (10: a thousand points).
"""

from __future__ import annotations

import os
import time

import dask.array
import numpy as np
from napari.components import ViewerModel

from napari_sam2.document.prompt import Prompt
from napari_sam2.masks.stored_masks import StoredMask
from napari_sam2.session.session import Session
from napari_sam2.viewer import bind, image_source

OBJECTS = 100
SHAPE = (1000, 1024, 1024)
HOLD_MS = 50


class NoRunner:
    busy = False

    def start(self, *job):
        """Run nothing: only the viewer is measured."""

    def cancel(self): ...


def milliseconds(action, times=9):
    taken = []
    for _ in range(times):
        start = time.process_time()
        action()
        taken.append((time.process_time() - start) * 1e3)
    return float(np.median(taken))


def filled_session(source, per_object):
    session = Session.open(source.stack, settings=source.settings, predictor=object())
    rows, columns = np.mgrid[:60, :60]
    disc = (30 - np.hypot(rows - 30, columns - 30)).astype(np.float32)
    for object_id, (y, x) in enumerate(np.random.default_rng(0).integers(0, 960, (OBJECTS, 2)).tolist(), 1):
        session.masks.put((object_id, 0), StoredMask.of_logits(y, x, disc))
    keys = [(object_id, frame) for object_id in range(1, OBJECTS + 1) for frame in range(per_object)]
    session.set_prompts({key: Prompt(*key, ((30.0, 5.0 * key[0]),), (1,)) for key in keys})
    return session


def test_what_a_person_does():
    viewer = ViewerModel()
    image = viewer.add_image(dask.array.zeros(SHAPE, chunks=(1, *SHAPE[1:]), dtype="uint8"), contrast_limits=(0, 255))
    source = image_source(image)
    session = filled_session(source, int(os.environ.get("BENCH_PROMPTS_PER_OBJECT", "1")))
    binding = bind(viewer, session, image, NoRunner())
    binding.show_frame(0)
    points, labels = binding.prompts.points, binding.labels.layers[0]
    places = iter(np.random.default_rng(1).uniform(50, 900, (1000, 2)))

    def stroke():
        with labels.block_history():
            labels.paint((0, *next(places)), 1, refresh=False)

    def update():
        session.events.masks_changed.emit(0, (1,))
        binding.flush()

    holds = {
        "hand labels of the stack to the layer": milliseconds(binding.labels.renew),
        "a result for the frame in view": milliseconds(update),
        "a result for another frame": milliseconds(lambda: session.events.masks_changed.emit(500, (1,))),
        "a look by the timer": milliseconds(binding.poll),
        "a click": milliseconds(lambda: points.add((0, *next(places)))),
        "undo": milliseconds(session.undo, 5),
        "another object": milliseconds(binding.next_object),
        "a stroke of the brush": milliseconds(stroke),
    }
    for name, taken in holds.items():
        print(f"{name:40} {taken:6.1f} ms")
    binding.unbind()
    session.close()
    assert max(holds.values()) < HOLD_MS
