"""How smoothly the objects table scrolls as a tree: 2,000 tracks on 2,000 frames, in a window of 1200 x 900.

``make bench NAME=bench_lineage_table.py`` prints milliseconds of processor time per thing that a person does.
BENCH_TRACKS and BENCH_FRAMES ask for other numbers.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from drawn_colonies import colony, document_of, masks_of
from qtpy.QtGui import QColor

from napari_sam2._qt.objects_cells import RowSize
from napari_sam2._qt.objects_model import ObjectsModel
from napari_sam2._qt.objects_table import ObjectsTable
from napari_sam2.lineage.arranging import Order

TRACKS, FRAMES = int(os.environ.get("BENCH_TRACKS", "2000")), int(os.environ.get("BENCH_FRAMES", "2000"))
HOLD_MS = 50


def milliseconds(action, times=9):
    taken = []
    for _ in range(times):
        start = time.process_time()
        action()
        taken.append((time.process_time() - start) * 1e3)
    return float(np.median(taken)), max(taken)


def test_what_a_person_does(qtbot):
    spans = colony(TRACKS, FRAMES)
    masks = masks_of(spans, (512, 512), FRAMES)
    session = SimpleNamespace(document=document_of(spans), masks=masks, status=masks.statuses)
    model = ObjectsModel(lambda object_id: QColor.fromHsv(object_id * 37 % 360, 200, 250), "dark")
    table = ObjectsTable(model)
    qtbot.addWidget(table)
    table.resize(1200, 900)
    table.show()
    qtbot.waitExposed(table)
    start = time.process_time()
    model.set_session(session)
    holds = {"show a session": [(time.process_time() - start) * 1e3] * 2}
    print(f"{len(spans)} tracks, {len(masks)} masks, {max(model.forest.generation.values()) + 1} generations")
    places = np.random.default_rng(0)

    def scroll():
        bar = table.verticalScrollBar()
        bar.setValue(int(places.integers(0, bar.maximum() + 1)))
        table.viewport().grab()

    def step():
        bar = table.verticalScrollBar()
        bar.setValue(bar.value() + 20)
        table.viewport().grab()

    def edit():
        one = int(places.integers(1, len(spans)))
        session.document = session.document.with_object(replace(session.document.objects[one], name="cell"))
        model.reload()
        table.viewport().grab()

    def come_in():
        for one in range(1, 301):
            masks.put((one, spans[one][1]), masks.get((one, spans[one][1])))
        model.refresh(range(1, 301))
        table.viewport().grab()

    for size in RowSize:
        table.show_rows(size)
        holds[f"{size.name}: jump to another place"] = milliseconds(scroll, 40)
        table.verticalScrollBar().setValue(0)
        holds[f"{size.name}: scroll on by 20 px"] = milliseconds(step, 60)
        holds[f"{size.name}: next frame"] = milliseconds(lambda: (table.set_frame(5), table.viewport().grab()))
    table.show_rows(RowSize.roomy)
    holds["rename an object"] = milliseconds(edit)
    holds["masks of 300 objects changed"] = milliseconds(come_in)
    holds["fold all"] = milliseconds(lambda: model.fold(model.forest.daughters, True), 1)
    holds["unfold all"] = milliseconds(lambda: model.fold(model.forest.daughters, False), 1)
    holds["find"] = milliseconds(lambda: model.want(replace(model.wanted, text=str(places.integers(1, 2000)))))
    holds["show all"] = milliseconds(lambda: model.want(replace(model.wanted, text="")), 1)
    holds["sort by length"] = milliseconds(lambda: model.want(replace(model.wanted, order=Order.length)), 1)
    holds["sort by lineage"] = milliseconds(lambda: model.want(replace(model.wanted, order=Order.lineage)), 1)
    table.selectAll()
    holds["rename with all chosen"] = milliseconds(edit)
    for name, (taken, most) in holds.items():
        print(f"{name:36} {taken:6.1f} ms, at most {most:6.1f} ms")
    assert max(taken for taken, _ in holds.values()) < HOLD_MS
