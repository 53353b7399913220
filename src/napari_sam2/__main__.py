"""Where `napari-sam2` begins, also as `python -m napari_sam2`.

Ctrl-C ends it without a traceback from the first import on: the imports of the command line take a second or two, in
which nothing is begun that could be kept. The exit code is 130 then (`cli.interrupt.STOPPED`).
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> int:
    """Return the exit code of one command, with the arguments of the process."""
    is_usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else it is ignored, as by nohup
    if is_usual:
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(128 + number))
    from napari_sam2.cli import main as run

    if is_usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return run()


if __name__ == "__main__":
    sys.exit(main())
