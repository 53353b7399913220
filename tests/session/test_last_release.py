"""A session that version 0.1.0 saved, in the middle of a run, opens with all that is in it, and its run goes on.

`tests/data/session_0_1` holds the folder, its stack, and what 0.1.0 said of it: the labels and statuses when it was
saved, and those after it had resumed the run itself.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_sam2.io import load_session
from napari_sam2.session import Session

SAVED = Path(__file__).parents[1] / "data" / "session_0_1"
IDS = (1, 2, 3, 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(SAVED, tmp_path, dirs_exist_ok=True)
    return tmp_path / "work.sam2"


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    return dict(np.load(SAVED / "expected.npz"))


def labels(session: Session) -> np.ndarray:
    return np.stack([session.labels(frame) for frame in range(session.frame_count)])


def test_prompts_objects_masks_and_settings_are_there(folder, expected):
    with Session.open(folder, device="cpu") as session:
        assert session.notes == ()
        assert np.array_equal(labels(session), expected["labels"])
        for one in IDS:
            assert np.array_equal(session.status(one), expected[f"status{one}"])
        objects, prompts = session.document.objects, session.document.prompts
        assert (objects[2].name, objects[2].locked, objects[4].visible) == ("mother", True, False)
        assert prompts[1, 0].points_yx == ((18.0, 20.0), (30.0, 40.0))
        assert prompts[1, 0].labels == (1, 0)
        assert prompts[2, 2].box_yx == (34.0, 44.0, 54.0, 66.0)
        assert {key for key, prompt in prompts.items() if prompt.mask is not None} == {(3, 0), (3, 4), (4, 5)}
        assert session.settings.estimated_diameter_px == pytest.approx(15.676, abs=1e-3)
        assert session.interrupted_run is not None


def test_its_run_goes_on_from_the_snapshot(folder, expected):
    with Session.open(folder, device="cpu") as session:
        updates = list(session.resume())
        forward = [update.frame_index for update in updates if update.leg == "forward"]
        assert forward == list(range(3, 8)), "the first frames were found before"
        for one in (1, 2, 3):
            assert np.array_equal(session.status(one), expected[f"resumed_status{one}"])
        prompted, tracked, absent = 1, 2, 5
        assert set(session.status(4)) <= {prompted, tracked, absent}, "decided; how, is up to the weights"
        now, then = labels(session), expected["resumed"]
        for one in (1, 2, 3):
            assert ((now == one) & (then == one)).sum() >= 0.98 * ((now == one) | (then == one)).sum()


def test_reading_it_changes_nothing(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    load_session(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
