"""What a fine-tuning leaves behind for people: a checkpoint, a model card, a curve, and a name in the model list.

The checkpoint has the official layout, so every loader of SAM 2 weights reads it. The card (Markdown) says what the
model is: base, data, settings, scores before and after, seed, versions. The curve is drawn with Pillow.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from sam2_core.checkpoints.registry import BUNDLED_NAME, ModelEntry, add_model, models
from sam2_core.checkpoints.save import save_checkpoint
from sam2_core.errors import CheckpointError
from sam2_core.training.finetuning import LEARNING_RATES, Finetuning, HeldOutLook
from sam2_core.training.held_out_scores import Scores

FileKind = Literal["safetensors", "pt"]
REASONS = {
    "finished": "all steps were done",
    "early": "the held-out frames no longer improved",
    "time": "the time was over",
    "cancelled": "it was stopped by hand",
}
_SIZE, _MARGIN = (900, 420), (60, 40, 60, 50)  # left, top, right, bottom
_COLOURS = {"loss": (150, 150, 150), "click": (31, 119, 180), "tracked": (214, 96, 20)}


@dataclass(frozen=True, slots=True)
class ModelStory:
    """What a run itself does not know: the new name, the base model, its configuration, and the data in words."""

    name: str
    base: str
    config: str
    images: str
    labels: str


@dataclass(frozen=True, slots=True)
class FinetuneFiles:
    """Where the checkpoint, the card and the curve are, and the entry in the model list."""

    checkpoint: Path
    card: Path
    curve: Path
    entry: ModelEntry


def check_new_name(name: str, folder: Path) -> None:
    """Returns nothing if a model of that name may be made in a folder.

    Raises
    ------
    CheckpointError
        If the name cannot be one, ships, or is that of another model of the user.
    """
    if not re.fullmatch(r"[\w.-]+", name) or name.endswith((".pt", ".pth", ".safetensors")):
        raise CheckpointError(f"{name!r} cannot be the name of a model; use letters, digits, '-' and '_'")
    for entry in models():
        if not entry.answers_to(name):
            continue
        elsewhere = entry.path is None or entry.path.parent != folder.expanduser().resolve()
        if elsewhere and (entry.path is None or entry.path.is_file() or entry.name == BUNDLED_NAME):
            raise CheckpointError(f"there is a model named {entry.name} already; choose another name: --name NAME")


def write_files(run: Finetuning, story: ModelStory, kind: FileKind = "safetensors") -> FinetuneFiles:
    """Saves the best weights of a run, and registers them under their name.

    kind: `safetensors` stores float16 (half the size), `pt` full precision.

    Raises
    ------
    CheckpointError
        If the name is one that ships, or a file cannot be written.
    """
    text = {"config": story.config, "base": story.base, "train": run.settings.train, "steps": str(run.best.step)}
    path = run.folder / f"{story.name}.{kind}"
    checkpoint = save_checkpoint(path, run.best_state_dict(), text, half=kind == "safetensors")
    curve = run.folder / f"{story.name}_curve.png"
    draw_curve(run.looks).save(curve)
    card = run.folder / f"{story.name}.md"
    card.write_text(model_card(run, story, curve.name), encoding="utf-8")
    return FinetuneFiles(checkpoint, card, curve, add_model(story.name, checkpoint, story.config))


def model_card(run: Finetuning, story: ModelStory, curve_name: str) -> str:
    """The card as Markdown."""
    verdict = (
        f"The best weights are those after step {run.best.step}."
        if run.best.step
        else "**No step was better than the base model on the held-out frames: these are the base model's weights.**"
    )
    parts = [
        f"# {story.name}",
        f"Fine-tuned from `{story.base}` on {datetime.now(UTC):%Y-%m-%d}. Use it by its name: "
        f"`napari-sam2 track STACK --prompts PROMPTS --out LABELS --model {story.name}`.",
        "## Scores on the held-out frames",
        _table(["", "base model", "this model"], score_rows(run)),
        verdict + " Held-out frames come from the same stack: on other movies expect less, and look at the masks.",
        "## Data",
        _list(_data_facts(run, story)),
        "## Training",
        _list(_training_facts(run, story)),
        f"![curve]({curve_name})",
        _table(
            ["step", "loss", "IoU click", "IoU followed"],
            [look_row(look.step, look.loss, look.scores) for look in run.looks],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _data_facts(run: Finetuning, story: ModelStory) -> list[str]:
    data = run.data
    return [
        f"images: {story.images}",
        f"labels: {story.labels}",
        "{} frames of {} x {} px".format(*data.source_shape),
        f"taken as {'a movie' if data.is_movie else 'stills'}, {data.objects} labelled objects",
        f"trained on frames {_frames(data.training_frames)}; held out {_frames(data.held_out_frames)}",
        f"typical object diameter at the scale of training: {data.held_out.info.diameter_px:.0f} px",
    ]


def _training_facts(run: Finetuning, story: ModelStory) -> list[str]:
    settings = run.settings
    trained = sum(value.numel() for value in run.trained.values())
    rate = LEARNING_RATES[settings.train] if settings.learning_rate is None else settings.learning_rate
    ended = REASONS[run.reason] if run.reason else "it is still running"
    return [
        f"parts trained: {settings.train} ({trained:,} parameters); all others as in {story.base}",
        f"{run.step} steps; it ended because {ended}",
        f"windows of {run.size} px, learning rate {rate:g}, seed {settings.seed}, on {run.model.device.type}",
        f"configuration: {story.config}",
        ", ".join(f"{name} {version}" for name, version in versions().items()),
    ]


def versions() -> dict[str, str]:
    """Versions of what decides the numbers."""
    packages = {name: metadata.version(name) for name in ("napari-sam2", "torch", "numpy")}
    return {"python": platform.python_version()} | packages


def _frames(frames: Sequence[int]) -> str:
    if len(frames) > 2 and frames[-1] - frames[0] == len(frames) - 1:
        return f"{frames[0]} to {frames[-1]}"
    return ", ".join(str(frame) for frame in frames)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def look_row(step: int, loss: float | None, scores: Scores) -> list[str]:
    """One look at the held-out frames as the cells of a table: step, loss, IoU after a click and when followed."""
    return [str(step), _number(loss), _number(scores.click), _number(scores.tracked)]


def score_rows(run: Finetuning) -> list[list[str]]:
    """The scores of the base model and of the best weights as rows of a table."""
    before, best = run.before.scores, run.best.scores
    return [
        ["IoU after one click", _number(before.click), _number(best.click)],
        ["IoU when followed", _number(before.tracked), _number(best.tracked)],
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _list(facts: Sequence[str]) -> str:
    return "\n".join(f"- {fact}" for fact in facts)


def draw_curve(looks: Sequence[HeldOutLook]) -> Image.Image:
    """A picture of the loss (right axis) and the IoUs on the held-out frames (left axis, 0 to 1) over the steps."""
    image = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = _MARGIN[0], _MARGIN[1], _SIZE[0] - _MARGIN[2], _SIZE[1] - _MARGIN[3]
    last = max(looks[-1].step, 1)
    highest = max([look.loss for look in looks if look.loss is not None], default=1.0) or 1.0
    for tenth in range(0, 11, 2):
        y = bottom - (bottom - top) * tenth / 10
        draw.line([(left, y), (right, y)], fill=(225, 225, 225))
        draw.text((left - 30, y - 6), f"{tenth / 10:.1f}", fill="black", font=ImageFont.load_default())
        draw.text((right + 8, y - 6), f"{highest * tenth / 10:.2f}", fill=_COLOURS["loss"])

    def line(name: str, value_of: Callable[[HeldOutLook], float | None], highest: float) -> None:
        points = [(look.step, value_of(look)) for look in looks]
        places = [
            (left + (right - left) * step / last, bottom - (bottom - top) * min(value / highest, 1.0))
            for step, value in points
            if value is not None
        ]
        draw.line(places, fill=_COLOURS[name], width=3)
        for x, y in places:
            draw.ellipse([(x - 3, y - 3), (x + 3, y + 3)], fill=_COLOURS[name])

    line("loss", lambda look: look.loss, highest)
    line("click", lambda look: look.scores.click, 1.0)
    line("tracked", lambda look: look.scores.tracked, 1.0)
    _legend(draw, left, last, looks[-1].scores)
    return image


def _legend(draw: ImageDraw.ImageDraw, left: int, last: int, scores: Scores) -> None:
    names = {"click": "IoU after one click", "tracked": "IoU when followed", "loss": "training loss (right axis)"}
    shown = [name for name in names if name != "tracked" or scores.tracked is not None]
    for index, name in enumerate(shown):
        draw.text((left + 180 * index, 14), names[name], fill=_COLOURS[name])
    for quarter in range(5):
        x = left + (_SIZE[0] - left - _MARGIN[2]) * quarter / 4
        draw.text((x - 6, _SIZE[1] - _MARGIN[3] + 8), f"{last * quarter / 4:g}", fill="black")
    draw.text((left, _SIZE[1] - 24), "step", fill="black")
