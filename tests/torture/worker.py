"""One process that plays units of one part of the torture, a line of JSON each; `__main__` starts it and counts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module

from torture.outcome import Outcome


@dataclass(frozen=True)
class Part:
    """What the torture is made of: how many units it has in the end, and which function plays one."""

    title: str
    module: str
    play: str
    units: int
    longest_s: int
    """Of one unit; a process that says nothing for so long is ended, and that is a fault."""

    def player(self) -> Callable[[int, int], Outcome]:
        module = import_module(f"torture.{self.module}")
        if self.module == "files":
            module.begin()
        return getattr(module, self.play)


PARTS = {
    "session": Part("walks through a session, ten each", "walks", "play_session", 170, 900),
    "viewer": Part("walks through a viewer, ten each", "walks", "play_viewer", 30, 1800),
    "files": Part("damaged files", "files", "play", 5000, 180),
    "kills": Part("killed processes", "kills", "play", 200, 300),
    "disks": Part("full disks and folders that may only be read", "disks", "play", 61, 300),
}


def main() -> None:
    """Play the units that the arguments name: part, seed, first, last, step."""
    part, seed, start, stop, step = PARTS[sys.argv[1]], *map(int, sys.argv[2:6])
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the program under torture says goes elsewhere
    play = part.player()
    for unit in range(start, stop, step):
        out.write(json.dumps({"unit": unit, "begun": True}) + "\n")
        out.write(json.dumps({"unit": unit, **asdict(play(seed, unit))}) + "\n")


if __name__ == "__main__":
    main()
