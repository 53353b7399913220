"""Sides take turns, and what is missing is said; no model is loaded here."""

from __future__ import annotations

import sys
from collections import deque

import numpy as np
import pytest
import torch
from benchmark.side import Clock, growth, held_kb
from benchmark.sides import OpenSide, pythons, take_turns


class Noting:
    """A side that only notes when it ran."""

    def __init__(self, name, notes):
        self.name, self.notes = name, notes

    def run(self):
        self.notes.append(self.name)
        return {"seconds": float(len(self.notes))}


def test_sides_run_in_turns_after_a_warm_up() -> None:
    notes: list[str] = []
    found = take_turns([Noting("a", notes), Noting("b", notes)], repeats=2)
    assert notes == ["a", "b"] * 3
    assert found == {"a": [{"seconds": 3.0}, {"seconds": 5.0}], "b": [{"seconds": 4.0}, {"seconds": 6.0}]}


def test_a_peer_without_its_python_is_left_out_with_a_line_that_says_how_to_get_it(capsys) -> None:
    found = pythons(["official", "transformers", "ours"], {"OFFICIAL_SAM2_PYTHON": "/a/python"})
    assert found == {"ours": sys.executable, "official": "/a/python"}
    said = capsys.readouterr().out
    assert "TRANSFORMERS_SAM2_PYTHON is not set" in said
    assert "make bench-peers" in said


def test_what_goes_wrong_in_a_worker_is_told_and_it_goes_on() -> None:
    with OpenSide("ours", "ours", sys.executable) as side:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="has no attribute 'no_such_task'"):
                side.prepare("no_such_task")


def test_a_worker_that_ends_is_told_with_its_last_words(tmp_path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no room left >&2\nexit 1\n")
    broken.chmod(0o755)
    with (
        OpenSide("broken", "ours", str(broken)) as side,
        pytest.raises(RuntimeError, match=r"'broken' ended during 'run': no room left"),
    ):
        side.run()


def test_what_a_state_holds_is_counted_once() -> None:
    tensor = torch.zeros(1000, dtype=torch.float32)
    empty = held_kb({"a": None})
    assert held_kb({"a": tensor, "b": tensor[:10], "c": [tensor]}) == pytest.approx(4.0 + empty, abs=0.5)
    assert held_kb(deque([bytes(5000), np.zeros(1000)])) == pytest.approx(13.0, abs=1.0)


def test_growth_is_noted_halfway_and_at_the_end() -> None:
    held: list[bytes] = []
    tracking = (held.append(bytes(10_000)) for _ in range(10))
    found = growth(tracking, {"objects": held, "state": [held, bytes(1000)]}, 10)
    half, end = found["half"], found["end"]
    assert (half["frame"], end["frame"]) == (5, 10)
    assert end["objects"] - half["objects"] == pytest.approx(50.0, abs=1.0)
    assert end["state"] - end["objects"] == pytest.approx(1.0, abs=0.2)


def test_the_clock_times_each_step() -> None:
    clock = Clock("cpu")
    assert len(clock.each(iter("abc"))) == 3
    assert min(clock.each(iter("abc"))) >= 0
