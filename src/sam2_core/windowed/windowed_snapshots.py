"""Windowed tracking as a snapshot, and back: the states behind the windows, where the windows were, and the prompts.

Nothing is computed here; what a state knows is written down by the predictor that it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sam2_core.inference.memory.snapshot_arrays import prompt_from_plain, prompt_to_plain
from sam2_core.inference.memory.snapshots import Arrays, Snapshot, below, check_fits, nothing_missing, with_prefix
from sam2_core.inference.video_calls import WholeFramePredictor
from sam2_core.windowed.following_window import FollowingWindow, Place
from sam2_core.windowed.prompt_calls import PromptCall
from sam2_core.windowed.window import Window
from sam2_core.windowed.window_view import WindowView
from sam2_core.windowed.windowed_state import WindowedState


def take_snapshot(predictor: WholeFramePredictor, state: WindowedState, whole_frames: int | None = None) -> Snapshot:
    """Return what a state knows, in which `predictor` answers behind each window."""
    views = list(dict.fromkeys(state.views.values()))
    snapshot = Snapshot.begun({**_must_fit(state), "views": []})
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


def restore_snapshot(predictor: WholeFramePredictor, state: WindowedState, snapshot: Snapshot) -> None:
    """Give a fresh state the objects of a snapshot; see `SAM2VideoPredictor.restore`."""
    check_fits(snapshot.meta, _must_fit(state))
    with nothing_missing():
        views = [_view(predictor, state, index, meta, snapshot) for index, meta in enumerate(snapshot.meta["views"])]
        for meta in snapshot.meta["objects"]:
            object_id = int(meta["id"])
            state.views[object_id] = views[meta["view"]]
            state.calls[object_id] = [_read(call, object_id, state.size, snapshot.tensors) for call in meta["calls"]]


def _must_fit(state: WindowedState) -> dict[str, Any]:
    return {"kind": "windows", "num_frames": state.num_frames, "size": list(state.size)}


def _places(source: FollowingWindow) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return where the window was placed, (F, 4) frame, y0, x0, long steps, and what for, (F, 2) y, x."""
    rows = [(frame, window.y0, window.x0, steps) for frame, (window, _, steps) in source.places]
    aims = [(y, x) for _, (_, (x, y), _) in source.places]
    return np.array(rows, np.int64).reshape(-1, 4), np.array(aims, np.float64).reshape(-1, 2)


def _view(
    predictor: WholeFramePredictor, state: WindowedState, index: int, meta: Mapping[str, Any], snapshot: Snapshot
) -> WindowView:
    source = FollowingWindow(state.movie, meta["side"])
    rows, aims = snapshot.tensors[f"places/{index}"].tolist(), snapshot.tensors[f"aims/{index}"].tolist()
    for (frame, y0, x0, *steps), (y, x) in zip(rows, aims, strict=True):  # earlier versions knew of no steps
        source.put(frame, Place(Window(x0, y0, source.width, source.height), (x, y), *steps))
    inner = Snapshot(below(f"views/{index}/", snapshot.tensors), meta["state"])
    restored = predictor.restore(source, inner, offload_state_to_cpu=state.offload_state_to_cpu)
    return state.view_of(source, restored, meta["tiled"])


def _written(call: PromptCall, mask_name: str, snapshot: Snapshot) -> dict[str, Any]:
    """Return a call as numbers and lists; its mask, if it has one, goes into the snapshot under a name."""
    plain, mask = prompt_to_plain(call.prompt)
    if mask is not None:
        snapshot.tensors[mask_name] = mask
        plain["mask"] = mask_name
    return {"frame": call.frame, "adds": call.adds, **plain}


def _read(plain: Mapping[str, Any], object_id: int, size: tuple[int, int], arrays: Arrays) -> PromptCall:
    mask = arrays[plain["mask"]] if "mask" in plain else None
    # written by earlier versions: no size of a mask, no word of the unit, which is pixels
    prompt = prompt_from_plain({"mask_size": size, "normalized": False, **plain}, mask)
    return PromptCall(int(plain["frame"]), object_id, prompt, adds=bool(plain.get("adds")))
