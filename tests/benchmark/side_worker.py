"""A process that keeps one side open and answers requests, one JSON object a line: ``open``, ``prepare``, ``run``.

``python side_worker.py ours|official|transformers``, run by the Python that has the package. What libraries print goes
to the error stream, so that answers stand alone. Every answer holds ``seconds``; an error is answered with its words.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
import types
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).parents[1]))  # for stand_ins


class Worker:
    """The side that was opened, and the action that was prepared last."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.side: Any = None
        self.action: Any = None

    def open(self, **setting: Any) -> dict[str, Any]:
        import torch
        from side import Setting

        if torch.version.cuda is None:  # torchvision registers kernels that its CPU build lacks
            sys.modules["torchvision._meta_registrations"] = types.ModuleType("torchvision._meta_registrations")
        chosen = setting.pop("device") or ("cuda" if torch.cuda.is_available() else "cpu")
        self.side = importlib.import_module(f"{self.name}_side").Side(Setting(device=chosen, **setting))
        device = torch.cuda.get_device_name() if chosen == "cuda" else chosen
        return {"device": device, "threads": torch.get_num_threads(), "versions": self.side.versions()}

    def prepare(self, task: str, **arguments: Any) -> dict[str, Any]:
        self.action = None  # its memory can go before the next is prepared
        self.action = getattr(self.side, task)(**arguments)
        return {}

    def run(self) -> dict[str, Any]:
        began = self.side.clock()
        found = self.action()
        return {"seconds": self.side.clock() - began, **(found or {})}


def main(name: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(name)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request["do"])(**request["with"])
        except Exception:  # noqa: BLE001 - the process that asked is told, and decides
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
