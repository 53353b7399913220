"""Windowed tracking as a snapshot, and back: the states behind the windows, where the windows were, and the prompts.

Nothing is computed here; what a state knows is written down by the predictor that it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sam2_core.inference.memory.snapshots import (
    Arrays,
    Snapshot,
    below,
    check_fits,
    nothing_missing,
    packed_bits,
    unpacked_bits,
    with_prefix,
)
from sam2_core.windowed.following_window import FollowingWindow, Place, RecentFrames, Window
from sam2_core.windowed.prompt_calls import PromptCall
from sam2_core.windowed.windowed_state import View, WindowedState


def take_snapshot(predictor: Any, state: WindowedState, whole_frames: int | None = None) -> Snapshot:
    """Return what a state knows, in which `predictor` answers behind each window."""
    views = list(dict.fromkeys(state.views.values()))
    snapshot = Snapshot.begun({**_must_fit(state.movie), "views": []})
    for index, view in enumerate(views):
        inner = predictor.snapshot(state.narrowed(view).state, whole_frames=whole_frames)
        snapshot.tensors.update(with_prefix(f"views/{index}/", inner.tensors))
        snapshot.tensors[f"places/{index}"], snapshot.tensors[f"aims/{index}"] = _places(view.source)
        side = None if view.source.shows_all else view.source.height
        snapshot.meta["views"].append({"side": side, "tiled": view.tiling is not None, "state": inner.meta})
    for object_id, view in state.views.items():
        calls = [_written(call, f"masks/{object_id}/{n}", snapshot) for n, call in enumerate(state.calls[object_id])]
        snapshot.meta["objects"].append({"id": object_id, "view": views.index(view), "calls": calls})
    return snapshot


def restore_snapshot(predictor: Any, movie: RecentFrames, snapshot: Snapshot, options: dict[str, Any]) -> WindowedState:
    """Return a state over the same movie that knows what a snapshot says.

    Raises
    ------
    CheckpointError
        It was taken in another way or with another model, or is incomplete.
    StackError
        It was taken of frames of another number or size.
    """
    check_fits(snapshot.meta, _must_fit(movie))
    state = WindowedState(movie, options)
    with nothing_missing():
        views = [_view(predictor, state, index, meta, snapshot) for index, meta in enumerate(snapshot.meta["views"])]
        for meta in snapshot.meta["objects"]:
            object_id = int(meta["id"])
            state.views[object_id] = views[meta["view"]]
            state.calls[object_id] = [_read(call, object_id, state.size, snapshot.tensors) for call in meta["calls"]]
    return state


def _must_fit(movie: RecentFrames) -> dict[str, Any]:
    return {"kind": "windows", "num_frames": len(movie), "size": [movie.height, movie.width]}


def _places(source: FollowingWindow) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return where the window was placed, (F, 3) frame, y0, x0, and what for, (F, 2) y, x."""
    rows = [(frame, window.y0, window.x0) for frame, (window, _) in source.places]
    aims = [aim_yx for _, (_, aim_yx) in source.places]
    return np.array(rows, np.int64).reshape(-1, 3), np.array(aims, np.float64).reshape(-1, 2)


def _view(predictor: Any, state: WindowedState, index: int, meta: Mapping[str, Any], snapshot: Snapshot) -> View:
    source = FollowingWindow(state.movie, meta["side"])
    rows, aims = snapshot.tensors[f"places/{index}"].tolist(), snapshot.tensors[f"aims/{index}"].tolist()
    for (frame, y0, x0), (y, x) in zip(rows, aims, strict=True):
        source.put(frame, Place(Window(y0, x0, source.height, source.width), (y, x)))
    inner = Snapshot(below(f"views/{index}/", snapshot.tensors), meta["state"])
    return state.view_of(source, predictor.restore(source, inner, **state.options), meta["tiled"])


def _written(call: PromptCall, mask_name: str, snapshot: Snapshot) -> dict[str, Any]:
    """Return a call as numbers and lists; its mask, if it has one, goes into the snapshot under a name."""
    if call.mask is not None:
        snapshot.tensors[mask_name] = packed_bits(call.mask)
        return {"frame": call.frame, "mask": mask_name}
    box = None if call.box_xyxy is None else call.box_xyxy.tolist()
    points = {"points_xy": call.points_xy.tolist(), "labels": call.labels.tolist()}
    return {"frame": call.frame, **points, "box_xyxy": box, "adds": call.adds}


def _read(plain: Mapping[str, Any], object_id: int, size: tuple[int, int], arrays: Arrays) -> PromptCall:
    frame = int(plain["frame"])
    if "mask" in plain:
        return PromptCall.of_mask(frame, object_id, unpacked_bits(arrays[plain["mask"]], size), size)
    points_xy = np.array(plain["points_xy"], np.float32).reshape(-1, 2)
    box = None if plain["box_xyxy"] is None else np.array(plain["box_xyxy"], np.float32)
    return PromptCall(frame, object_id, points_xy, np.array(plain["labels"], np.int32), box, adds=bool(plain["adds"]))
