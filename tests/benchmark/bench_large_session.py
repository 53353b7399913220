"""How long a session of 2,000 tracks on 2,000 frames takes to save, to open, to show, and to save again after an edit.

``make bench NAME=bench_large_session.py`` prints seconds, and those of the processor, which a busy machine changes
less. The tracks are those of a dividing colony, about 580,000 masks; no model runs. BENCH_TRACKS and BENCH_FRAMES ask
for other numbers.
"""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
import tifffile
from drawn_colonies import colony, document_of, masks_of

from napari_sam2.io.saved_session import SavedSession, StackRecord
from napari_sam2.io.session_files import save_session
from napari_sam2.session.session import Session
from napari_sam2.stacks import open_stack

TRACKS, FRAMES = int(os.environ.get("BENCH_TRACKS", "2000")), int(os.environ.get("BENCH_FRAMES", "2000"))
SIZE = (64, 64)


@pytest.fixture
def folder(tmp_path):
    spans = colony(TRACKS, FRAMES)
    masks = masks_of(spans, SIZE, FRAMES)
    movie = tmp_path / "movie.tif"
    tifffile.imwrite(movie, np.zeros((FRAMES, *SIZE), np.uint8), photometric="minisblack", metadata={"axes": "TYX"})
    saved = SavedSession(document_of(spans), masks.items(), {}, str(movie), stack=StackRecord.of(open_stack(movie)))
    start = time.perf_counter()
    save_session(tmp_path / "movie.sam2", saved)
    del saved
    print(f"{len(spans)} tracks, {len(masks)} masks: written in {time.perf_counter() - start:.1f} s")
    return tmp_path / "movie.sam2"


def test_open_edit_save(folder):
    taken = {}

    def timed(name, action):
        start, worked = time.perf_counter(), time.process_time()
        result = action()
        taken[name] = time.process_time() - worked
        print(f"{name:40} {time.perf_counter() - start:6.2f} s, {taken[name]:6.2f} s of processor time")
        return result

    session = timed("open", lambda: Session.open(folder, predictor=object()))
    timed("rename an object (main thread)", lambda: session.rename_object(7, "mother"))
    timed("save, begun (main thread)", lambda: session.save(wait=False))
    timed("save, waited for", session.save)
    timed("save as, begun (main thread)", lambda: session.save(folder.with_name("other.sam2"), wait=False))
    timed("save as, waited for", session.save)
    timed("look for what is in doubt", session.review.prepared())
    session.close()
    assert taken["open"] < 10
