"""Tables and JSON of measurements: what is written is what was measured."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from benchmark.report import DOCS, Report, Row, keep, put_between

ROWS = [
    Row("a frame", "ms", {"ours": [10.0, 30.0, 20.0], "peer": [50.0, 40.0]}),
    Row("start-up", "s", {"ours": [0.5]}, note="ours alone"),
    Row("frames per second", "", {"ours": [2.0], "peer": [1.0]}, ratio=False),
]
MACHINE = {
    "processor": "a chip",
    "units": ["AVX2", "AVX-512"],
    "cores": 2,
    "threads": 1,
    "memory_gb": 8,
    "device": "cpu",
    "versions": {"torch": "2"},
    "commit": "abc",
    "date": "2026-01-31",
}
REPORT = Report("speed", {"ours": "this", "peer": "a peer"}, [("peer", "ours")], ROWS, MACHINE)
PAGE = "# Numbers\n<!-- begin speed -->\nold\n<!-- end speed -->\nrest\n<!-- begin files -->\n<!-- end files -->\n"


def test_the_table_holds_medians_and_ratios() -> None:
    assert REPORT.as_markdown().splitlines() == [
        "**a chip** (AVX2, AVX-512), 2 cores",
        "",
        "|  | this | a peer | a peer / this |",
        "| --- | ---: | ---: | ---: |",
        "| a frame | 20 ms | 45 ms | 2.25 x |",
        "| start-up | 0.5 s | – | – |",
        "| frames per second | 2 | 1 | – |",
        "",
        "- start-up: ours alone",
        "",
        "threads: 1, 8 GB; device cpu; torch 2; commit abc; 2026-01-31",
    ]


def test_a_note_that_two_rows_share_is_said_once() -> None:
    rows = [Row(what, "s", {"ours": [1.0]}, note="a few frames") for what in ("here", "there")]
    lines = Report("speed", {"ours": "this"}, [], rows).as_markdown().splitlines()
    assert [line for line in lines if line.startswith("- ")] == ["- here and there: a few frames"]


def test_json_keeps_every_repeat(tmp_path) -> None:
    path = keep(REPORT, quick=True, docs=tmp_path, trials=tmp_path / "trials")
    kept = json.loads(path.read_text())
    assert kept["machine"] == MACHINE
    assert kept["rows"][0] == {
        "what": "a frame",
        "unit": "ms",
        "repeats": {"ours": [10.0, 30.0, 20.0], "peer": [50.0, 40.0]},
        "medians": {"ours": 20.0, "peer": 45.0},
        "ratios": {"peer / ours": 2.25},
    }
    assert kept["rows"][2]["ratios"] == {"peer / ours": None}
    assert Report.of_json(kept).as_markdown() == REPORT.as_markdown()


def test_a_trial_leaves_the_documentation_alone(tmp_path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(PAGE)
    assert keep(REPORT, quick=True, docs=tmp_path, trials=tmp_path / "trials").parent.name == "trials"
    assert page.read_text() == PAGE
    assert not (tmp_path / "benchmarks").exists()


def test_a_full_run_replaces_its_own_table_and_lists_all_files(tmp_path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(PAGE)
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "other.json").write_text("{}")
    for _ in range(2):
        keep(REPORT, quick=False, docs=tmp_path)
    text = page.read_text()
    assert "old" not in text
    assert text.count(REPORT.as_markdown()) == 1
    assert text.startswith("# Numbers\n<!-- begin speed -->\n**a chip**")
    assert "\n<!-- end speed -->\nrest\n" in text
    own = "speed.a-chip-avx2-avx-512.json"
    links = f"- [other.json](benchmarks/other.json)\n- [{own}](benchmarks/{own})"
    assert f"<!-- begin files -->\n{links}\n<!-- end files -->" in text


def test_what_another_processor_measured_stays(tmp_path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(PAGE)
    later = replace(REPORT, machine={**MACHINE, "processor": "another chip", "date": "2026-02-01"})
    for report in (REPORT, later, REPORT):
        keep(report, quick=False, docs=tmp_path)
    assert f"{later.as_markdown()}\n\n{REPORT.as_markdown()}\n<!-- end speed" in page.read_text()


@pytest.mark.parametrize("page", ["nothing", PAGE + PAGE])
def test_a_page_without_one_place_for_the_table_is_refused(page) -> None:
    with pytest.raises(ValueError, match="begin speed"):
        put_between(page, "speed", "table")


def test_backslashes_in_a_table_stay_as_they_are() -> None:
    assert put_between("<!-- begin a -->\n<!-- end a -->", "a", r"\1 \d") == "<!-- begin a -->\n\\1 \\d\n<!-- end a -->"


def test_the_documentation_has_a_place_for_each_table() -> None:
    programs = Path(__file__).parent.glob("bench_*.py")
    names = [name for path in programs for name in re.findall(r'publish\("(\w+)"', path.read_text())]
    assert len(names) == len(set(names)) >= 7
    page = (DOCS / "benchmarks.md").read_text()
    for name in [*names, *(f"{name}_gpu" for name in names), "files"]:
        assert f"<!-- begin {name} -->\nthe table\n<!-- end" in put_between(page, name, "the table")
