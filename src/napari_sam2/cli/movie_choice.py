"""Movies on the command line: what the options of `track` and `embed` choose from a stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from napari_sam2.stacks import ContrastLimits, ModelMovie, Stack, open_stack
from sam2_core.errors import StackError


@dataclass(frozen=True, slots=True)
class MovieChoice:
    """Axes, scene, tracked axis, channels, fixed axes and contrast as they were given; see `options`."""

    axes: str | None = None
    scene: str | None = None
    track_axis: str | None = None
    channel: Sequence[str] | None = None
    fixed: Sequence[str] | None = None
    contrast: tuple[float, float] | None = None

    @property
    def held(self) -> dict[str, int]:
        """Where axes are held, by letter."""
        return fixed_axes(self.fixed or ())

    def stack(self, stack: str) -> Stack:
        """Return the stack of which a movie is chosen."""
        return open_stack(stack, self.axes, self.scene)

    def open(self, stack: str) -> ModelMovie:
        """Return the movie as the model sees it."""
        movie = self.stack(stack).movie(self.track_axis, self.channel or None, self.held)
        return ModelMovie(movie, contrast_limits(self.contrast))

    def settings(self, movie: ModelMovie) -> dict[str, Any]:
        """Return the fields of `SessionSettings` that make a session see the movie that was opened."""
        return {
            "track_axis": movie.movie.track_axis,
            "fixed": self.held,
            "channels": self.channel or None,
            "contrast_limits": None if self.contrast is None else [self.contrast],
        }


def fixed_axes(entries: Sequence[str]) -> dict[str, int]:
    """Return axis -> index from words like Z=3.

    Raises
    ------
    StackError
        If a word is of another form.
    """
    fixed = {}
    for entry in entries:
        axis, _, index = entry.partition("=")
        if len(axis) != 1 or not index.isdigit():
            raise StackError(f"--fixed {entry} is not understood; write an axis and an index, for example --fixed Z=3.")
        fixed[axis.upper()] = int(index)
    return fixed


def contrast_limits(contrast: tuple[float, float] | None) -> ContrastLimits | None:
    """Return the limits for all channels from LOW HIGH; None where the stack is to tell them."""
    return None if contrast is None else ContrastLimits((contrast[0],), (contrast[1],))
