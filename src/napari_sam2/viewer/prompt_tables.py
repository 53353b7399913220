"""Points and Shapes layers as tables of rows: made or checked, read, changed row by row, and coloured.

The features `object_id` and `polarity` ("in" or "out") say whom a row is for. Other features of a layer that a person
or a script brings are left as they are. What the rows mean is in `prompt_rows`, when they are read in `prompt_layers`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Layer, Points, Shapes

from napari_sam2.viewer.coordinates import moved, placement
from napari_sam2.viewer.current import Current
from napari_sam2.viewer.prompt_rows import PromptRow
from sam2_core.errors import PromptError

Array = np.ndarray[Any, Any]
ColorOf = Callable[[int], Array]
FEATURES = ("object_id", "polarity")
SYMBOLS = {"in": "disc", "out": "x", "": "triangle_up"}
BORDERS = {"in": (1.0, 1.0, 1.0, 1.0), "out": (1.0, 0.0, 0.0, 1.0), "": (1.0, 1.0, 0.0, 1.0)}
"""By polarity; "" for a row that counts for nothing."""
UNUSED_COLOR = np.array([0.6, 0.6, 0.6, 1.0])
_FACE_OPACITY = 0.15


def new_points(image: Image, size: tuple[int, int], current: Current) -> Points:
    """Return an empty Points layer for prompts on frames of `size` (height, width), lying as the image does."""
    return Points(
        np.empty((0, image.ndim)),
        ndim=image.ndim,
        name=f"{image.name}: points",
        features=_empty_features(),
        feature_defaults=defaults(current),
        size=max(3, round(max(size) / 60)),
        canvas_size_limits=(0, 24),  # a lower limit would draw a point at the origin on every frame that has none
        border_width=0.15,
        **placement(image),
    )


def new_shapes(image: Image, current: Current) -> Shapes:
    """Return an empty Shapes layer for boxes and outlines, lying as the image does."""
    return Shapes(
        ndim=image.ndim,
        name=f"{image.name}: boxes and outlines",
        features=_empty_features(),
        feature_defaults=defaults(current),
        **placement(image),
    )


def defaults(current: Current) -> dict[str, Any]:
    """Return the features that the next row gets."""
    return {"object_id": current.next_id, "polarity": current.polarity}


def check_adoptable(image: Image, layer: Layer) -> None:
    """Return nothing if a layer that was brought along can hold prompts for the image.

    Raises
    ------
    PromptError
        If it lacks the features or has another number of dimensions.
    """
    missing = [name for name in FEATURES if name not in layer.features]
    if missing:
        raise PromptError(
            f"{layer.name} has no feature {' and '.join(missing)}; give it object_id (1 or more) and polarity ('in' or "
            "'out') per row."
        )
    if layer.ndim != image.ndim:
        raise PromptError(
            f"{layer.name} has {layer.ndim} dimensions, but {image.name} has {image.ndim}; make it with one coordinate "
            "per dimension of the image."
        )


def rows_of(image: Image, layer: Points | Shapes, start: int, stop: int) -> list[PromptRow]:
    """Return the rows of a layer from `start` to `stop`, in its order, in data coordinates of the image."""
    ids, signs = _features(layer)
    about = zip(ids[start:stop], signs[start:stop], strict=True)
    if isinstance(layer, Points):
        coordinates = moved(layer, image, layer.data[start:stop])
        return [PromptRow("point", point[None], *one) for point, one in zip(coordinates, about, strict=True)]
    shapes = zip(layer.shape_type[start:stop], layer.data[start:stop], about, strict=True)
    return [PromptRow(str(kind), moved(layer, image, data), *one) for kind, data, one in shapes]


def fingerprint(layer: Points | Shapes) -> tuple[Any, ...]:
    """Return what shows, cheaply, that rows were pasted or edited in the features table, which napari does not tell."""
    return len(layer.data), *_features(layer)


def contents(layer: Points | Shapes) -> list[tuple[Any, ...]]:
    """Return all that each row of a layer is, to tell which of them have changed."""
    ids, signs = _features(layer)
    if isinstance(layer, Points):
        return list(zip(map(tuple, layer.data.tolist()), ids, signs, strict=True))
    shapes = zip(layer.shape_type, layer.data, ids, signs, strict=True)
    return [(str(kind), np.asarray(data).tobytes(), *about) for kind, data, *about in shapes]


def changed_rows(old: Sequence[Any], new: Sequence[Any]) -> tuple[int, int, int]:
    """Return from where, and up to where in the old and in the new, two lists of contents differ."""
    shorter = min(len(old), len(new))
    start = next((index for index in range(shorter) if old[index] != new[index]), shorter)
    left = shorter - start
    same = next((index for index in range(left) if old[-1 - index] != new[-1 - index]), left)
    return start, len(old) - same, len(new) - same


def replace_rows(image: Image, layer: Points | Shapes, gone: Sequence[int], new: Sequence[PromptRow]) -> None:
    """Take rows away and append others; the caller keeps the layer's events from being taken for a person's edits."""
    layer.selected_data = set()
    if gone:
        layer.remove(list(gone))
    if not new:
        return
    kept = len(layer.data)
    if isinstance(layer, Points):
        added = moved(image, layer, np.concatenate([row.vertices for row in new]))
        layer.data = np.concatenate([layer.data, added])
    else:
        vertices = [moved(image, layer, row.vertices) for row in new]
        layer.add(vertices, shape_type=[row.kind for row in new])
    table = layer.features.copy()
    ids, signs = table["object_id"].tolist(), table["polarity"].tolist()
    table["object_id"] = ids[:kept] + [row.object_id for row in new]
    table["polarity"] = signs[:kept] + [row.polarity for row in new]
    layer.features = table


def colour_rows(layer: Points | Shapes, about: Sequence[tuple[int, str]], color_of: ColorOf) -> None:
    """Colour rows by object and mark them by polarity; (0, "") for a row that counts for nothing."""
    if not about:
        return
    known = {object_id: _color(object_id, color_of) for object_id in {one for one, _ in about}}
    colors = np.array([known[object_id] for object_id, _ in about], dtype=np.float32)  # (N, 4)
    faces = colors.copy()
    if isinstance(layer, Points):
        _set(layer, "border_color", np.array([BORDERS[sign] for _, sign in about], dtype=np.float32))
        symbols = [SYMBOLS[sign] for _, sign in about]
        if [symbol.value for symbol in layer.symbol] != symbols:
            layer.symbol = symbols
    else:
        _set(layer, "edge_color", colors)
        faces[:, 3] = _FACE_OPACITY
    _set(layer, "face_color", faces)


def colour_next(layer: Points | Shapes, current: Current, color_of: ColorOf) -> None:
    """Let the next row have its object, polarity and colour; rows that are selected stay as they are."""
    layer.feature_defaults = {**layer.feature_defaults.iloc[0], **defaults(current)}
    color = _color(current.next_id, color_of)
    with layer.block_update_properties():
        if isinstance(layer, Points):
            layer.current_face_color = color
            layer.current_border_color = BORDERS[current.polarity]
            layer.current_symbol = SYMBOLS[current.polarity]
        else:
            layer.current_edge_color = color
            layer.current_face_color = [*color[:3], _FACE_OPACITY]


def _set(layer: Points | Shapes, name: str, colors: Array) -> None:
    """Set colours unless they are so already, which spares napari the drawing."""
    known = np.asarray(getattr(layer, name))
    if known.shape != colors.shape or not np.allclose(known, colors, atol=1e-6):
        setattr(layer, name, colors)


def _color(object_id: int, color_of: ColorOf) -> Array:
    return color_of(object_id) if object_id else UNUSED_COLOR


def _features(layer: Points | Shapes) -> tuple[list[Any], list[Any]]:
    """Return object id and polarity of each row, as they stand there."""
    return layer.features["object_id"].tolist(), layer.features["polarity"].tolist()


def _empty_features() -> dict[str, Array]:
    return {"object_id": np.zeros(0, dtype=np.int64), "polarity": np.zeros(0, dtype=object)}
