"""How good a model is on a labelled stack's held-out frames: IoU after one click, and IoU of objects followed.

The click is judged as in `validation.evaluate_stills` (a window around each object), the tracking as in
`validation.evaluate_movie` (one click on the first held-out frame, followed through the next ones; on whole frames, or
on a close-up of them where objects are small, as they are tracked in windows then).
Both look at few, evenly picked objects and frames, so that a training can afford it every few steps; which ones
depends on the labels alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sam2_core.errors import StackError
from sam2_core.modeling.sam2 import Sam2Model
from sam2_core.scoring.ground_truth import evenly, judged_ids
from sam2_core.scoring.metrics import movie_metrics
from sam2_core.training.labelled_stack import LabelledStack
from sam2_core.training.pack import Record
from sam2_core.training.validation import FollowedMovie, LabelledImage, StillSettings, evaluate_movie, evaluate_stills

SMALL_SHARE = 0.12  # of the frame's longer side: objects below it are tracked in windows
CLOSE_UP_SHARE = 0.2  # of the side of a close-up


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """How much is judged: clicked objects and the frames they lie on, followed objects and frames."""

    clicked_objects: int = 24
    clicked_frames: int = 6
    followed_objects: int = 8
    followed_frames: int = 6


@dataclass(frozen=True, slots=True)
class Scores:
    """Mean IoU after one click, and of the frames after it when objects are followed (None for stills)."""

    click: float
    tracked: float | None = None

    @property
    def mean(self) -> float:
        """What decides which weights are the best."""
        return self.click if self.tracked is None else (self.click + self.tracked) / 2


class HeldOutFrames:
    """The objects that are judged, picked once; `scores` judges a model on them.

    Raises
    ------
    StackError
        No object on the held-out frames can be judged.
    """

    def __init__(self, data: LabelledStack, size: int, settings: ScoreSettings | None = None) -> None:
        chosen = settings or ScoreSettings()
        self.stills = _stills(data.held_out, chosen)
        per_image = max(-(-chosen.clicked_objects // max(len(self.stills), 1)), 1)
        self.settings = StillSettings(size=size, most_objects=per_image)
        self.movie = _movie(data.held_out, size, chosen) if data.is_movie else None
        if not self.stills:
            raise StackError(
                "no object on the held-out frames can be judged: all are smaller than 40 px at the scale of training "
                "or touch the border; label more frames"
            )

    def scores(self, model: Sam2Model) -> Scores:
        """How good a model is; it is left in evaluation mode."""
        click = float(evaluate_stills(model, self.stills, self.settings).mean())
        if self.movie is None:
            return Scores(round(click, 4))
        followed = movie_metrics(evaluate_movie(model, self.movie, only_first_frame=True))
        return Scores(round(click, 4), round(followed.j, 4))


def _stills(held_out: Record, settings: ScoreSettings) -> list[LabelledImage]:
    pairs = zip(held_out.images, held_out.labels, strict=True)
    judged = [LabelledImage(image, labels) for image, labels in pairs if judged_ids(labels)]
    return evenly(judged, settings.clicked_frames)


def _movie(held_out: Record, size: int, settings: ScoreSettings) -> FollowedMovie | None:
    """The first held-out frames with a few objects; None where none of them is there on a second frame."""
    rows, columns = _close_up(held_out)
    images = held_out.images[: settings.followed_frames, rows, columns]
    labels = held_out.labels[: settings.followed_frames, rows, columns]
    later = np.unique(labels[1:])
    ids = [identity for identity in judged_ids(labels[0]) if identity in later]
    if not ids:
        return None
    followed = evenly(ids, settings.followed_objects)
    kept: NDArray[np.uint16] = np.where(np.isin(labels, followed), labels, 0).astype(np.uint16)
    return FollowedMovie(images, kept, size)


def _close_up(held_out: Record) -> tuple[slice, slice]:
    """Rows and columns that are looked at: all, or around the object nearest to the middle where objects are small."""
    height, width = held_out.info.shape[1:]
    ids = judged_ids(held_out.labels[0])
    if held_out.info.diameter_px >= SMALL_SHARE * max(height, width) or not ids:
        return slice(None), slice(None)
    side = round(held_out.info.diameter_px / CLOSE_UP_SHARE)
    centres = np.array(ndimage.center_of_mass(held_out.labels[0] > 0, held_out.labels[0], ids))  # (objects, 2)
    y, x = centres[np.hypot(centres[:, 0] - height / 2, centres[:, 1] - width / 2).argmin()]
    return _around(y, side, height), _around(x, side, width)


def _around(centre: float, side: int, length: int) -> slice:
    start = min(max(round(centre - side / 2), 0), max(length - side, 0))
    return slice(start, start + side)
