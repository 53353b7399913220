"""The sides of a comparison: this project and its peers, each a process that keeps its model, run in turns.

`open_sides` starts those that are there; a peer needs an environment variable that names a Python which has it, and is
left out with a line that says how to get it. `take_turns` has all of them do the same task again and again: A B C A B
C, so that what else happens on the machine meets all alike.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sam2_core.kernels.processor import processor

WORKER = Path(__file__).with_name("side_worker.py")
PEERS = {"official": "OFFICIAL_SAM2_PYTHON", "transformers": "TRANSFORMERS_SAM2_PYTHON"}
OWN_PRECISION = "auto"
"""The side of this project in the precision that a device computes fastest; the other one is in float32."""
NAMES = {
    "ours": "this project",
    OWN_PRECISION: 'this, precision="auto"',
    "official": "official sam2",
    "transformers": "transformers",
}
HOW = "{name} is left out: {variable} is not set. `make bench-peers` makes an environment that has it."


@dataclass(frozen=True, slots=True)
class Wanted:
    """A package with a model, the side of its square input in pixels, and the precision on a CPU."""

    package: str
    model: str
    image_size: int
    precision: str = "float32"


def everyone(model: str, image_size: int) -> dict[str, Wanted]:
    """Return all packages with the same model, by the name of the package."""
    return {package: Wanted(package, model, image_size) for package in NAMES if package != OWN_PRECISION}


def everyone_and_auto(model: str, image_size: int) -> dict[str, Wanted]:
    """Return the same, and this project in the fastest precision too, where a processor has two."""
    own = {OWN_PRECISION: Wanted("ours", model, image_size, "auto")} if processor().takes_bfloat16 else {}
    return {**everyone(model, image_size), **own}


class OpenSide:
    """One running worker; its name is the column of what it measures."""

    def __init__(self, name: str, package: str, python: str) -> None:
        self.name = name
        self.package = package
        self.hello: dict[str, Any] = {}
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed on exit
        environment = {**os.environ, "TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [python, str(WORKER), package],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._errors.close()

    def open(self, wanted: Wanted, device: str) -> Self:
        """Return this side with its model loaded."""
        setting = {"model": wanted.model, "image_size": wanted.image_size, "precision": wanted.precision}
        self.hello = self.ask("open", device=device, **setting)
        return self

    def prepare(self, task: str, **arguments: Any) -> None:
        """Have a task ready to run."""
        self.ask("prepare", task=task, **arguments)

    def run(self) -> dict[str, Any]:
        """Return what the prepared task took."""
        return self.ask("run")

    def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Return the answer to one request.

        Raises
        ------
        RuntimeError
            The side reports an error, or has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # then there is no answer either
            self._process.stdin.write(json.dumps({"do": what, "with": arguments}) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"the side {self.name!r} ended during {what!r}: {self._errors.read()[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"the side {self.name!r} cannot {what} {arguments}: {answer['error']}")
        return answer


def pythons(wanted: Iterable[str], environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the interpreter of each side that is there; a line is printed for each that is not."""
    found = {}
    for name in sorted(wanted, key=list(NAMES).index):
        python = sys.executable if name == "ours" else environment.get(PEERS[name])
        if python:
            found[name] = python
        else:
            print(HOW.format(name=NAMES[name], variable=PEERS[name]))
    return found


@contextmanager
def open_sides(wanted: Mapping[str, Wanted]) -> Iterator[list[OpenSide]]:
    """Give those of the sides that are there, with the model loaded; BENCH_DEVICE picks another device."""
    device = os.environ.get("BENCH_DEVICE", "")
    there = pythons({side.package for side in wanted.values()})
    with ExitStack() as stack:
        started = [
            (stack.enter_context(OpenSide(name, side.package, there[side.package])), side)
            for name, side in wanted.items()
            if side.package in there
        ]
        yield [opened.open(side, device) for opened, side in started]


def take_turns(sides: Iterable[OpenSide], repeats: int, warm_up: bool = True) -> dict[str, list[dict[str, Any]]]:
    """Return the answers of each side to running its prepared task so many times, one after the other in each round."""
    sides = list(sides)
    if warm_up:
        for side in sides:
            side.run()
    rounds = [{side.name: side.run() for side in sides} for _ in range(repeats)]
    return {side.name: [answers[side.name] for answers in rounds] for side in sides}


def versions(sides: Iterable[OpenSide]) -> dict[str, str]:
    """Return the versions of all sides by name."""
    return {name: version for side in sides for name, version in side.hello["versions"].items()}
