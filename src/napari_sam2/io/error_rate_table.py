"""How many links, masks or divisions are wrong, one row per random sample that a person judged, as CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from napari_sam2.document.document import Document
from napari_sam2.io.atomic import write_atomically
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.io.results import Results
from napari_sam2.review.error_rate import ErrorRate, error_rate
from sam2_core.errors import PromptError

COLUMNS = ("of", "seed", "among", "drawn", "looked_at", "wrong", "share", "low_95", "high_95", "sentence")


def error_rates(document: Document) -> list[ErrorRate]:
    """Return what each sample of a document says, at least one.

    Raises
    ------
    PromptError
        If no sample was drawn.
    """
    if not document.review.samples:
        raise PromptError(
            "there is no error rate: no sample was drawn. Draw one with session.review.sample() and judge it, or "
            "leave the table out."
        )
    return [error_rate(sample) for sample in document.review.samples.values()]


def export_error_rates(path: str | Path, results: Results) -> None:
    """Write one row per kind that was sampled; `sentence` says it for the methods section of a paper.

    `among` counts the places that there were to draw from; `low_95` and `high_95` are the 95 % Wilson interval of
    `share`, which is wrong / looked_at and empty where nobody looked yet.

    Raises
    ------
    StackError
        If the file cannot be written, or is the stack itself.
    PromptError
        If no sample was drawn.
    """
    check_not_raw(path, results.movie.stack)
    rates = error_rates(results.document)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for rate in rates:
        share = f"{rate.share:.4f}" if rate.looked_at else ""
        counts = (rate.of.value, rate.seed, rate.among, rate.drawn, rate.looked_at, rate.wrong)
        writer.writerow([*counts, share, f"{rate.low:.4f}", f"{rate.high:.4f}", rate.sentence])
    write_atomically(Path(path), text.getvalue().encode("utf-8"))
