"""What the model looks at: whole frames, or a window that follows each object; and a sentence that says why.

`ViewRequest` is what a person asked for, checked before any model is loaded; `choose_view` decides when the size of
the model's input is known. In doubt whole frames are looked at: only the size of an object tells how large a window
must be.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sam2_core.errors import StackError
from sam2_core.inference.video_calls import VideoPredictor, WholeFramePredictor

SMALLEST_SEEN_PX = 31
"""An object that takes fewer pixels of the model's input on the whole frame (12 % of 256) is looked at in a window."""
MUCH_LARGER = 2.5
"""A frame so many times larger than the model's input is worth a hint when the size of the objects is not known."""


class ViewChoice(StrEnum):
    """What the model looks at."""

    auto = "auto"
    full = "full"
    windows = "windows"


@dataclass(frozen=True, slots=True)
class ViewRequest:
    """What was asked for, and how large an object typically is.

    Attributes
    ----------
    diameter_px
        In pixels of the frame, None if nothing tells it.
    source
        Where the diameter is from, for messages.
    is_sure
        Whether a person told it; what the model found by itself may be a clump around a small object.
    """

    view: ViewChoice
    diameter_px: float | None
    source: str
    is_sure: bool = True


@dataclass(frozen=True, slots=True)
class ChosenView:
    """A predictor that looks as chosen, and a sentence for people."""

    predictor: VideoPredictor
    sentence: str


def view_request(view: ViewChoice, object_diameter: float) -> ViewRequest:
    """Return the request for objects of a diameter in pixels that is given.

    Raises
    ------
    StackError
        If the diameter cannot be one.
    """
    if not object_diameter >= 1:
        raise StackError(f"--object-diameter {object_diameter:g} cannot be used; give pixels of the image, 1 or more.")
    return ViewRequest(view, object_diameter, "as given")


def is_small(diameter_px: float, model_px: int, frame_size: tuple[int, int]) -> bool:
    """Return whether an object takes too few pixels of the model's input on whole frames of (height, width)."""
    return diameter_px * model_px / max(frame_size) < SMALLEST_SEEN_PX


def choose_view(request: ViewRequest, predictor: WholeFramePredictor, frame_size: tuple[int, int]) -> ChosenView:
    """Return a predictor that looks at frames (height, width) as the request asks; "auto" goes by the object's size."""
    from sam2_core.windowed.windowed_predictor import WindowedPredictor  # needs torch, as a predictor does

    height, width = frame_size
    diameter, model_px = request.diameter_px, predictor.image_size
    if diameter is None:
        return ChosenView(predictor, _without_size(request, frame_size, model_px))
    seen = diameter * model_px / max(height, width)
    why = (
        f"an object of {diameter:.3g} px ({request.source}) takes {seen:.0f} of the model's {model_px} pixels on the "
        f"whole frame of {width} x {height}"
    )
    windowed = WindowedPredictor(predictor, diameter, second_look=_knows_cells(predictor))
    small = request.view is ViewChoice.auto and is_small(diameter, model_px, frame_size)
    if windowed.shows_whole(frame_size) or not (small or request.view is ViewChoice.windows):
        return ChosenView(predictor, f"View: full frame; {why}.{_doubt(request, frame_size, model_px)}")
    side = windowed.side_on(frame_size)
    windows = f"View: windows of {side} x {side} px that follow the objects"
    return ChosenView(windowed, f"{windows}; {why}.{_choice(request)}")


def _knows_cells(predictor: WholeFramePredictor) -> bool:
    """Return whether the size of a predictor's masks may choose windows: that of one of our own models, for cells."""
    from sam2_core.inference.video_predictor import SAM2VideoPredictor

    if not isinstance(predictor, SAM2VideoPredictor):
        return False
    return predictor.model.config.prompt_encoder.click_map and predictor.options.semantics == "interactive"


def _doubt(request: ViewRequest, frame_size: tuple[int, int], model_px: int) -> str:
    """Return a hint where small objects would be missed: the model sees less than there is, and measured by itself."""
    if request.is_sure or request.view is not ViewChoice.auto or max(frame_size) <= model_px:
        return ""
    return " If objects are much smaller than that, give --object-diameter in pixels: windows then follow them."


def _choice(request: ViewRequest) -> str:
    """Return how a person would choose windows that the model's own measure chose."""
    return "" if request.is_sure else " To choose yourself, give --object-diameter in pixels."


def _without_size(request: ViewRequest, frame_size: tuple[int, int], model_px: int) -> str:
    height, width = frame_size
    if request.view is ViewChoice.full or max(frame_size) <= MUCH_LARGER * model_px:
        return "View: full frame."
    return (
        f"View: full frame; the model sees the {width} x {height} pixels as {model_px} x {model_px}. If objects are "
        "small, give --object-diameter in pixels, and they are looked at in windows."
    )
