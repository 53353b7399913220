"""Walks through what may not happen to work in a real window: `python scripts/walk_through.py OUT [ITEM ...]`.

With mouse, wheel, keys, close and cancel, a fresh window for each item (`walk_items.py`), every second one in the light
theme. Prints a line an item with the longest time that our own code kept the window, writes a picture of each to OUT,
and exits with 1 where one fails. Needs a screen, or Xvfb:
``xvfb-run -s "-screen 0 1440x1000x24" python scripts/walk_through.py /tmp/walk``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import traceback
from pathlib import Path

from walk_find import found_cells_are_looked_at_and_tracked
from walk_items import ITEMS as EARLIER
from walk_items import Movie
from walk_review import a_whole_job_is_short, places_in_doubt_are_reviewed
from walk_window import Window

from napari_sam2._qt.holds import HoldRecord, record_holds

ITEMS = (*EARLIER, found_cells_are_looked_at_and_tracked, places_in_doubt_are_reviewed, a_whole_job_is_short)
THEMES = ("dark", "light")


def walked(number: int, movie: Movie, out: Path) -> str:
    """Walk through one item; "" or what was wrong."""
    window = Window(out, THEMES[number % 2])
    try:
        ITEMS[number - 1](window, movie)
        return ""
    except Exception as error:  # noqa: BLE001 - the other items are to be walked through all the same
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in line {place.lineno} ({place.line}): {error}"
    finally:
        window.picture(f"{number:02d}_{ITEMS[number - 1].__name__}")
        window.end()


def longest(record: HoldRecord, count: int = 4) -> str:
    """The longest holds, the longest of ours first: where, milliseconds of the processor, and those that passed."""
    ours = record.worst()
    places = [ours, *sorted((one for one in record.places.items() if one != ours), key=lambda one: -one[1].cpu_s)]
    told = (f"{place} {1e3 * held.cpu_s:.0f} ({1e3 * held.wall_s:.0f})" for place, held in places[: count + 1])
    return "ours " + ", ".join(told)


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("items", type=int, nargs="*", help="numbers of items; all by default")
    parser.add_argument("--find-in", type=Path, help="a TIFF (T, Y, X) for item 16; the sample by default")
    parser.add_argument("--frames", type=int, default=3, help="how much of it")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    movie, failed = Movie(chosen.find_in, chosen.frames), 0
    for number in chosen.items or range(1, len(ITEMS) + 1):
        with record_holds() as record:
            wrong = walked(number, movie, chosen.out)
        failed += bool(wrong)
        print(f"{'FAIL' if wrong else 'ok  '} {ITEMS[number - 1].__doc__}", f"\n     {wrong}" if wrong else "")
        print(f"     held longest: {longest(record)}", flush=True)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ.setdefault("NAPARI_SAM2_HOME", home)
        main()
