"""Writes the mean of exported weights: `python scripts/average_weights.py FIRST SECOND --out MEAN`."""

from __future__ import annotations

import argparse
from pathlib import Path

from sam2_core.training.weights_export import export_mean


def main() -> None:
    """Reads the command line and does it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, nargs="+", help="one may come twice; the last says how long was trained")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--decoder-shares", type=float, nargs="+", help="of each, in mask decoder and prompt encoder")
    parser.add_argument("--head", type=Path, help="weights whose dense head is kept as it is")
    chosen = parser.parse_args()
    export_mean(chosen.weights, chosen.out, chosen.decoder_shares, chosen.head)


if __name__ == "__main__":
    main()
