"""A short run of what `make torture` runs for long: some walks, damaged files, a kill and a full disk.

The seed is fixed, so that a failure is one of the change at hand; another seed every time is the long run's.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from torture.pictures import Picture, between, unlike
from torture.session_walk import SessionWalk
from torture.specimens import worked
from torture.viewer_walk import ViewerWalk
from torture.walks import walk

TESTS = Path(__file__).parents[1]


def test_walks_through_a_session():
    assert walk(SessionWalk, seed=1, walks=40)["walks"] >= 40


def test_walks_through_a_viewer():
    assert walk(ViewerWalk, seed=1, walks=8)["walks"] >= 8


@pytest.mark.parametrize(("part", "units"), [("files", 60), ("kills", 3), ("disks", 3)])
def test_a_little_of(part, units):
    command = [sys.executable, "-m", "torture.worker", part, "1", "1", str(units + 1), "1"]
    played = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=True)
    outcomes = [line for line in played.stdout.splitlines() if '"result"' in line]
    assert len(outcomes) == units
    assert not [line for line in outcomes if '"result": "fault"' in line]


def test_pictures_tell_what_is_unlike(tmp_path):
    """The walks see nothing that this does not see."""
    with worked(tmp_path) as session:
        before = Picture.of(session)
        assert not unlike(before, Picture.of(session))
        session.rename_object(1, "mother")
        renamed = Picture.of(session)
        assert "document" in unlike(before, renamed)
        session.edit_mask(2, 4, session.masks.mask(3, 2))
        painted = Picture.of(session)
        assert "mask (2, 4)" in unlike(renamed, painted)
        assert not between([before, renamed, painted], renamed)
        assert "mask (2, 4)" in between([before, renamed], painted)
