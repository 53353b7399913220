"""Label stacks in: one whole number per pixel, in whatever file it stands; of an indexed picture the index counts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_sam2.stacks.stack import Movie, open_stack
from sam2_core.errors import StackError


def open_labels(
    path_or_array: str | Path | Any,
    axes: str | None = None,
    track_axis: str | None = None,
    fixed: Mapping[str, int] | None = None,
) -> Movie:
    """Return the frames of a label stack, with (H, W) values per frame.

    Parameters
    ----------
    axes
        As for images.
    track_axis, fixed
        Those of the images: labels along T and Z are cut as these are. Of others all is one movie.

    Raises
    ------
    StackError
        If it cannot be read, or holds colours or several channels.
    """
    try:
        stack = open_stack(path_or_array, axes, indexed=True)
    except StackError as error:
        if isinstance(path_or_array, str | Path) and _is_of_cellpose(Path(path_or_array)):
            raise StackError(
                f"{Path(path_or_array).name} is Cellpose's own file, which is not read; save the masks as TIFF or PNG "
                "from Cellpose, and give those."
            ) from error
        raise
    values = stack.size("C") * (stack.size("S") - (stack.size("S") in (2, 4)))
    if values > 1:
        raise StackError(
            f"{stack.name} has {values} values per pixel (axes {stack.axes}, shape {stack.shape}), and labels are one "
            "whole number per pixel, not colours: save them as gray or indexed pictures, or as a stack of one channel. "
            "If an axis was misread, name the axes, e.g. TYX."
        )
    if stack.size("T") == 1 or stack.size("Z") == 1:
        return stack.movie()
    return stack.movie(track_axis, fixed={axis: index for axis, index in (fixed or {}).items() if axis in "TZ"})


def _is_of_cellpose(path: Path) -> bool:
    return path.name.endswith("_seg.npy") and path.is_file()
