"""How long the review takes with 300 objects on 500 frames: on the main thread, and in the look that follows an edit.

``make bench NAME=bench_review.py`` prints milliseconds of processor time per thing that a person does; nothing is
drawn on a screen, and no model runs. BENCH_OBJECTS and BENCH_FRAMES ask for another size.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import deque

import dask.array
import numpy as np
from napari.components import ViewerModel

from napari_sam2.document.objects import LinkStatus, ObjectInfo
from napari_sam2.document.reviews import At
from napari_sam2.masks.stored_masks import MaskStatus, StoredMask
from napari_sam2.session.session import Session
from napari_sam2.viewer import InlineRunner, bind, image_source
from napari_sam2.viewer.film_strip import film_of
from napari_sam2.viewer.roles import roles_at

OBJECTS, FRAMES = int(os.environ.get("BENCH_OBJECTS", "300")), int(os.environ.get("BENCH_FRAMES", "500"))
SIDE, DISC = 1024, 26
HOLD_MS, NEXT_MS = 50, 100
WITH_NAPARI = ("first place", "accept, and next", "fix (connect), and next", "fix (step), and next")
"""Two turns in a window, the second of which has napari show another frame."""


def discs():
    """A few discs of different sizes, so that masks differ and are made once."""
    rows, columns = np.mgrid[:DISC, :DISC]
    away = np.hypot(rows - DISC / 2 + 0.5, columns - DISC / 2 + 0.5)
    return [(radius - away).astype(np.float32) for radius in np.linspace(9, 12, 7)]


def linked(session):
    """Tracks that wander, every third of them cut in two, some of them with a jump: what a linker leaves."""
    rng, shapes = np.random.default_rng(0), discs()
    masks, ids = {}, 0
    grid = int(np.ceil(OBJECTS**0.5))
    for number in range(OBJECTS):
        ids += 1
        y, x = ((np.array(divmod(number, grid)) + 0.5) * (SIDE - 60) / grid).tolist()
        for frame in range(FRAMES):
            y, x = y + rng.normal(0, 0.8), x + rng.normal(0, 0.8)
            if number % 3 == 0 and frame == FRAMES // 2 + number % 7:
                ids += 1
            jump = 18 if number % 5 == 0 and frame % 100 == 60 else 0
            place = int(np.clip(y, 0, SIDE - DISC)), int(np.clip(x + jump, 0, SIDE - DISC))
            mask = StoredMask.of_logits(*place, shapes[(number + frame) % len(shapes)], MaskStatus.found)
            masks[ids, frame] = mask
    for key, mask in masks.items():
        session.masks.put(key, mask)
    infos = [ObjectInfo(one, links=LinkStatus.linked) for one in range(1, ids + 1)]
    session.edits._steps.make(session.document.with_objects(infos), "link cells")


def taken_ms(action):
    start = time.process_time()
    result = action()
    return (time.process_time() - start) * 1e3, result


class Elsewhere:
    """Keeps what a worker would do, to be measured apart."""

    def __init__(self):
        self.waiting = deque()

    def __call__(self, function, then):
        self.waiting.append((function, then))

    def work(self):
        """Milliseconds in the worker, and of what it hands over on the main thread."""
        function, then = self.waiting.popleft()
        worked, result = taken_ms(function)
        handed, _ = taken_ms(lambda: then(result))
        return worked, handed


def film(session, going):
    place = going.item.place
    return film_of(session, place.frame, session.review.box_of(place), roles_at(place, going.fixes), 110)


def test_what_a_person_does_in_a_review():
    viewer = ViewerModel()
    image = viewer.add_image(
        dask.array.zeros((FRAMES, SIDE, SIDE), chunks=(1, SIDE, SIDE), dtype="uint8"), contrast_limits=(0, 255)
    )
    source = image_source(image)
    session = Session.open(source.stack, settings=source.settings, predictor=object())
    linked(session)
    binding = bind(viewer, session, image, InlineRunner(session))
    going, elsewhere = binding.reviewing, Elsewhere()
    going.elsewhere, going.is_followed = elsewhere, True
    binding.follow_timer()  # as a window does: many objects are drawn in a turn of their own
    binding.redraw.clock = itertools.count().__next__
    binding.review(True)
    begun, _ = taken_ms(going.look)
    first, handed = elsewhere.work()
    main = {"begin to look": begun, "take what was found": handed}
    aside = {"first look": first}
    main["first place"], _ = taken_ms(going.next)
    print(f"{len(going.places.items)} places, {len(session.masks)} masks")

    def then_look(name, action):
        taken, _ = taken_ms(action)
        main[name] = max(main.get(name, 0.0), taken)
        main["a turn of the timer"] = max(main.get("a turn of the timer", 0.0), taken_ms(binding.poll)[0])
        begins, _ = taken_ms(going.look)
        worked, took = elsewhere.work()
        main["begin to look"] = max(main["begin to look"], begins)
        main["take what was found"] = max(main["take what was found"], took)
        aside[f"look after: {name}"] = max(aside.get(f"look after: {name}", 0.0), worked)

    for _ in range(3):
        then_look("accept, and next", going.accept)
    for _ in range(3):
        going.show(next(one for one in going.listed if one.place.at is At.end))
        then_look("fix (connect), and next", lambda: going.fix(1))
        then_look("undo of it", session.undo)
    for _ in range(3):
        going.show(next(one for one in going.listed if one.place.at is At.step))
        then_look("fix (step), and next", lambda: going.fix(1))
    for _ in range(3):
        then_look("next", going.next)
        main["prepare the film strip"], made = taken_ms(lambda: film(session, going))
        aside["make the film strip"], _ = taken_ms(made)
    for told in (main, aside):
        print("on the main thread" if told is main else "in a worker")
        for name, taken in told.items():
            print(f"  {name:32} {taken:8.1f} ms")
    binding.unbind()
    session.close(discard=True)
    assert max(main.values()) < NEXT_MS
    assert max(taken for name, taken in main.items() if name not in WITH_NAPARI) < HOLD_MS
