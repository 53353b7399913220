"""What it costs to correct an automatic result, by the simulated curator of `napari_sam2.evaluation.curator`.

    python scripts/simulate_curator.py SESSION.sam2 TRUTH --policy queue --most 500 --every 50

SESSION is copied and the copy worked on; TRUTH is what `napari-sam2 evaluate --tracking` takes. One line is written for
every few actions: TRA, links found and right, F1 of divisions within two frames; at the end, how many of the places of
each kind were wrong.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from napari_sam2.evaluation.curator import Curator, Policy, by_kind, one_click_each, scored
from napari_sam2.evaluation.tracking import open_judged
from napari_sam2.evaluation.true_tracks import TrueTracks
from napari_sam2.session import Session


def main() -> None:
    """Read the command line, let the curator work, and write the curve to standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("session", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--images", help="the stack, if it is not where the session says")
    parser.add_argument("--policy", choices=[one.value for one in Policy], default="queue")
    parser.add_argument("--track", action="store_true", help="let the model carry on what is missed: a key each")
    parser.add_argument("--most", type=int, default=10_000, help="actions after which to stop")
    parser.add_argument("--every", type=int, default=50, help="actions between two lines")
    given = parser.parse_args()
    truth = TrueTracks(open_judged(given.truth))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.sam2"
        shutil.copytree(given.session, copy)
        with Session.open(copy, images=given.images) as session:
            curve(Curator(session, truth, Policy(given.policy), given.track), given.most, given.every)
    sys.stdout.write(f"one click per cell and a key per division: {one_click_each(truth)} actions\n")


def curve(curator: Curator, most: int, every: int) -> None:
    """Write the scores every few actions, until the queue is empty or enough was done."""
    line(curator, 0)
    looked_at, last = 0, 0
    for looked_at, _ in enumerate(curator.steps(), start=1):
        if curator.actions - last >= every:
            line(curator, looked_at)
            last = curator.actions
        if curator.actions >= most:
            break
    line(curator, looked_at)
    for kind, (count, share) in by_kind(curator.tally).items():
        sys.stdout.write(f"{kind}: {count} looked at, {share:.0%} wrong\n")


def line(curator: Curator, looked_at: int) -> None:
    """Write where the result stands."""
    now = scored(curator.session, curator.truth)
    sys.stdout.write(
        f"{curator.actions} actions, {looked_at} places: TRA {now.tra:.4f}, DET {now.det:.4f}, links found "
        f"{now.links_found:.4f}, right {now.links_right:.4f}, division F1 {now.division_f1[-1]:.2f}\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
