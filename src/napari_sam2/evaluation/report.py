"""The table of an evaluation, as Markdown for people and docs and as JSON for programs.

A `ReportRow` is one run on one stack; `About` says what it was made with. nan is written as a dash and as null.
Nothing is computed here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_sam2.evaluation.movies import MovieRun
from napari_sam2.io.atomic import make_folder, write_atomically
from napari_sam2.io.text_files import encoded
from sam2_core.inference.video_calls import VideoPredictor
from sam2_core.scoring.detection import ScoreBin
from sam2_core.scoring.metrics import movie_metrics, object_means, still_metrics

if TYPE_CHECKING:
    import torch

Kind = Literal["frames", "stills", "movie", "tracking"]

_COLUMNS: dict[Kind, dict[str, str]] = {
    "frames": {
        "true_diameter": "of the truth",
        "frames": "frames",
        "truth": "objects",
        "found": "found",
        "ap50": "AP50",
        "ap75": "AP75",
        "ap": "AP50:95",
        "f1": "F1",
        "seg": "SEG",
    },
    "stills": {"objects": "objects", "mean_iou": "mean IoU", "recall": "IoU >= 0.5"},
    "movie": {
        "objects": "objects",
        "object_frames": "object-frames",
        "j": "J",
        "recall": "recall at 0.5",
        "j10": "J@10",
        "mean_iou_all": "with prompted frame",
        "shown_with_mask": "there: mask",
        "gone_without_mask": "gone: none",
        "gone_frames": "frames gone",
    },
    "tracking": {
        "seg": "SEG",
        "det": "DET",
        "tra": "TRA",
        "lnk": "LNK",
        "chota": "CHOTA",
        "links_found": "links found",
        "links_right": "links right",
        "division_f1_0": "division F1",
        "division_f1_1": "within 1",
        "division_f1_2": "within 2 frames",
        "complete_tracks": "complete tracks",
        "complete_lineages": "complete lineages",
        "identity_switches": "identity switches",
        "fn_nodes": "missed",
        "fp_nodes": "extra",
        "ns_nodes": "not split",
        "fn_links": "links missed",
        "fp_links": "links extra",
        "ws_links": "links of the wrong kind",
        "divisions": "divisions",
        "divisions_found": "divisions found",
    },
}
_TITLES: dict[Kind, str] = {
    "frames": "Everything in a frame",
    "stills": "Stills",
    "movie": "Movies",
    "tracking": "Tracking",
}
_SECONDS: dict[Kind, str] = {"frames": "s/frame", "stills": "s/object", "movie": "s/object-frame"}


@dataclass(frozen=True, slots=True)
class About:
    """What the numbers were made with: model, device, precision, settings, seeds."""

    model: str
    device: str
    precision: str
    settings: Mapping[str, str] = field(default_factory=dict)
    seeds: str = "none: the protocol draws no random numbers"

    def with_settings(self, **settings: object) -> About:
        """Return the same with more settings: underscores of the names become spaces."""
        words = {name.replace("_", " "): str(value) for name, value in settings.items()}
        return replace(self, settings={**self.settings, **words})


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One run on one stack.

    Attributes
    ----------
    stack, kind, run
        Which stack, "movie", "stills", "frames" or "tracking", and which prompts, "find", "baseline" or which result.
    values
        Name of a metric -> value.
    seconds
        Per object-frame (movies), object (stills) or frame (everything in it).
    diameter_px
        Typical object diameter that the predictor was told, or found; nan where each still has its own.
    by_object
        Object -> mean IoU, or frame -> AP at IoU 0.5.
    by_score
        What the scores of found objects were worth.
    """

    stack: str
    kind: Kind
    run: str
    values: Mapping[str, float]
    seconds: float
    diameter_px: float = math.nan
    by_object: Mapping[str, float] = field(default_factory=dict)
    by_score: Sequence[ScoreBin] = ()


def about_model(model: str, predictor: VideoPredictor) -> About:
    """Return what the table says about a model: its name, and the device, precision and input of its predictor."""
    import torch

    device = getattr(predictor, "device", torch.device("cpu"))
    precision = getattr(predictor, "precision", "float32")
    return About(model, _device_words(device), precision, {"model input": f"{predictor.image_size} px"})


def movie_row(stack: str, run: MovieRun, diameter_px: float) -> ReportRow:
    """Return the row of one run on a movie."""
    scores = list(run.scores.values())
    means = {str(object_id): value for object_id, value in object_means(scores).items()}
    seconds = run.watch.seconds / max(1, len(scores))
    return ReportRow(stack, "movie", run.name, asdict(movie_metrics(scores)), seconds, diameter_px, means)


def stills_row(
    stack: str, run: str, ious: Mapping[str, float], seconds: float, diameter_px: float = math.nan
) -> ReportRow:
    """Return the row of one prompt on stills, from object -> IoU and the seconds of all."""
    values = asdict(still_metrics(list(ious.values())))
    return ReportRow(stack, "stills", run, values, seconds / max(1, len(ious)), diameter_px, ious)


def as_markdown(about: About | None, rows: Sequence[ReportRow]) -> str:
    """Return what was used, where a model was, and one table per kind."""
    lines = [] if about is None else [_about_words(about)]
    for kind in _COLUMNS:
        chosen = [row for row in rows if row.kind == kind]
        if chosen:
            lines += ["", f"### {_TITLES[kind]}", "", *_markdown_table(*table_of(chosen))]
    scored = [row for row in rows if row.by_score]
    if scored:
        lines += ["", "### What scores are worth", "", *_markdown_table(*score_table(scored))]
    return "\n".join(lines).lstrip() + "\n"


def _about_words(about: About) -> str:
    settings = "; ".join(f"{name} {value}" for name, value in about.settings.items()) or "defaults"
    return (
        f"Model {about.model}, device {about.device}, precision {about.precision}. Settings: {settings}. "
        f"Seeds: {about.seeds}."
    )


def table_of(rows: Sequence[ReportRow]) -> tuple[list[str], list[list[str]]]:
    """Return the header and the text cells of rows of one kind."""
    kind = rows[0].kind
    names = _COLUMNS[kind]
    if kind == "tracking":
        cells = [[row.stack, row.run, *(_number(row.values[name], 3) for name in names)] for row in rows]
        return ["stack", "result", *names.values()], cells
    header = ["stack", "diameter (px)", "prompt", *names.values(), _SECONDS[kind]]
    return header, [
        [
            row.stack,
            _number(row.diameter_px, 1),
            row.run,
            *(_number(row.values[name], 3) for name in names),
            _number(row.seconds, 4),
        ]
        for row in rows
    ]


def score_table(rows: Sequence[ReportRow]) -> tuple[list[str], list[list[str]]]:
    """Return the header and the text cells of what scores were worth: the share of objects that was right, by score."""
    header = ["stack", "score", "prompt", "objects", "mean score", "share that is right"]
    return header, [
        [row.stack, f"{each.low:.1f} to {each.high:.1f}", row.run, str(each.objects)]
        + [_number(value, 2) for value in (each.mean_score, each.right)]
        for row in rows
        for each in row.by_score
    ]


def as_json(about: About | None, rows: Sequence[ReportRow]) -> str:
    """Return everything, object by object, as a JSON document."""
    document = {
        "format": "napari-sam2-evaluation",
        "version": 1,
        "about": None if about is None else asdict(about),
        "rows": [asdict(row) for row in rows],
    }
    return json.dumps(_without_nan(document), indent=1)


def write_report(folder: Path, about: About | None, rows: Sequence[ReportRow]) -> tuple[Path, Path]:
    """Return the paths of evaluation.md and evaluation.json, written to a folder that is made if it is not there."""
    make_folder(folder)
    table, data = folder / "evaluation.md", folder / "evaluation.json"
    write_atomically(table, encoded(as_markdown(about, rows)))
    write_atomically(data, encoded(as_json(about, rows)))
    return table, data


def _device_words(device: torch.device) -> str:
    import torch

    if device.type == "cpu":
        return f"{device}, {torch.get_num_threads()} threads"
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", "---:", "---", *["---:"] * (len(header) - 3)]
    return ["| " + " | ".join(cells) + " |" for cells in (header, rule, *rows)]


def _number(value: float, digits: int) -> str:
    if isinstance(value, int):
        return str(value)
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _without_nan(value: Any) -> Any:
    """Return a document in which nan is None: JSON has no nan."""
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    return [_without_nan(entry) for entry in value] if isinstance(value, list) else value
