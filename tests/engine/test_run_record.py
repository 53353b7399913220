"""A run that a session folder tells of: it is what was written, or refused."""

from __future__ import annotations

import pytest

from napari_sam2.engine.jobs import PropagateRequest, Span
from napari_sam2.engine.run_record import RunInWork

RUN = RunInWork(PropagateRequest("both", range(9)), (Span("forward", 1, 0, range(1, 9)),), 0, {"forward": [1, 2]})


def test_a_run_is_read_as_it_was_written() -> None:
    read = RunInWork.from_record(RUN.record(), RUN.done(), 0)
    assert read == RUN


@pytest.mark.parametrize("leg", ["sideways", 1, [1, 1], None])
def test_a_leg_that_is_none_is_refused(leg: object) -> None:
    record = RUN.record()
    record["spans"][0][0] = leg
    with pytest.raises((KeyError, TypeError, ValueError)):
        RunInWork.from_record(record, {}, 0)


@pytest.mark.parametrize("frames", [["x"], [None], [[1]]])
def test_finished_frames_that_are_none_are_refused(frames: list[object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        RunInWork.from_record(RUN.record(), {"forward": frames}, 0)
