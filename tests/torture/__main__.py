"""The long torture: walks, damaged files, kills, full disks; `make torture` runs it.

Units are played by worker processes; what ends or hangs one is a fault of the unit in work, and another one takes over
behind it. At the end a table is printed and written; the exit code is 1 if there was a fault, each with the way to it.

    python -m torture --jobs 2 --seed 7 --out torture
    python -m torture --only files --seed 7 --unit 123     # one unit again, in this process
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue

from torture.report import table, written
from torture.worker import PARTS, Part

TESTS = Path(__file__).parents[1]


@dataclass
class Tally:
    """What a part has come to so far."""

    part: Part
    units: int
    results: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def done(self) -> int:
        return sum(self.results.values())

    def add(self, result: str, fault: str, about: dict[str, object], again: str) -> None:
        with self.guard:
            self.results[result] += 1
            self.counts.update({name: value for name, value in about.items() if isinstance(value, int)})
            if fault:
                self.faults.append(f"{fault}\n    again: {again}")
                print(f"\n{self.faults[-1]}", flush=True)


class Played:
    """One part, played by several workers, each with every n-th unit."""

    def __init__(self, name: str, tally: Tally, options: argparse.Namespace) -> None:
        self._name = name
        self._tally = tally
        self._options = options

    def run(self) -> None:
        begun, jobs = time.monotonic(), self._options.jobs
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(self._worker, range(jobs)))
        self._tally.seconds = time.monotonic() - begun

    def _worker(self, start: int) -> None:
        while start < self._tally.units:
            start = self._until_it_ends(start)

    def _until_it_ends(self, start: int) -> int:
        """Play units from `start` on in one process; return where to go on."""
        options, jobs = self._options, self._options.jobs
        numbers = [options.seed, start, self._tally.units, jobs]
        command = [sys.executable, "-m", "torture.worker", self._name, *map(str, numbers)]
        with (
            tempfile.TemporaryFile() as said,
            subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, stderr=said, text=True) as process,
        ):
            unit, ended = self._read(process, start)
            if not ended:
                return self._tally.units
            said.seek(max(0, said.seek(0, os.SEEK_END) - 2000))
            last = said.read().decode(errors="replace").strip().splitlines()[-3:]
            self._tally.add("fault", f"{self._name} {unit}: {ended}; it last said {last}", {}, self._again(unit))
            return unit + jobs

    def _read(self, process: subprocess.Popen[str], start: int) -> tuple[int, str]:
        """Count what a process says; return the unit it was at, and why it ended where that is a fault."""
        lines: Queue[str | None] = Queue()
        threading.Thread(target=_pass_on, args=(process, lines), daemon=True).start()
        unit, at_work = start, True
        while True:
            try:
                line = lines.get(timeout=self._tally.part.longest_s)
            except Empty:
                process.kill()
                return unit, f"nothing came for {self._tally.part.longest_s} s"
            if line is None:
                return unit, f"the process ended with {process.wait()}" if at_work or process.wait() else ""
            entry = json.loads(line)
            unit, at_work = entry["unit"], "begun" in entry
            if not at_work:
                self._tally.add(entry["result"], entry["fault"], entry["about"], self._again(unit))
                self._show()

    def _again(self, unit: int) -> str:
        return f"PYTHONPATH=tests python -m torture --only {self._name} --seed {self._options.seed} --unit {unit}"

    def _show(self) -> None:
        tally = self._tally
        if sys.stdout.isatty() or tally.done % max(1, tally.units // 20) == 0:
            end = "\r" if sys.stdout.isatty() else "\n"
            print(f"{tally.part.title}: {tally.done} of {tally.units}, {len(tally.faults)} faults", end=end, flush=True)


def _pass_on(process: subprocess.Popen[str], lines: Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="torture", description="Walks, damaged files, kills and full disks.")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS), help="parts; all by default")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes side by side")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000, help="another one, other torture")
    parser.add_argument("--part", type=float, default=1.0, help="which part of the units, e.g. 0.1 for a trial")
    parser.add_argument("--unit", type=int, help="play this unit alone, here, and shrink what fails")
    parser.add_argument("--out", type=Path, default=Path("torture"), help="folder for torture.md and torture.json")
    return parser.parse_args()


def _one(options: argparse.Namespace) -> int:
    part = PARTS[options.only[0]]
    named = {"shrink": True} if part.module == "walks" else {}
    outcome = part.player()(options.seed, options.unit, **named)  # type: ignore[call-arg]
    print(outcome.fault or outcome)
    return int(bool(outcome.fault))


def main() -> int:
    """Return 1 if there was a fault."""
    options = _options()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if options.unit is not None:
        return _one(options)
    print(f"seed {options.seed}, {options.jobs} processes", flush=True)
    tallies = []
    for name in options.only:
        units = max(1, round(PARTS[name].units * options.part))
        tallies.append(Tally(PARTS[name], units))
        Played(name, tallies[-1], options).run()
    written(tallies, options.out, options.seed)
    print("\n" + table(tallies))
    return int(any(tally.faults for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())
