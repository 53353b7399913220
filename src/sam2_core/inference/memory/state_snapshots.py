"""An inference state as a snapshot, and back: tracking goes on from it as if it had never stopped.

Written down are, of every object, its prompts, the answers that no propagation has taken up, and its memory; not the
frames and not their image features, which are read and computed again. Entries that the memory keeps in full stay in
full, packed ones stay packed. How an entry becomes arrays is the business of `snapshot_arrays`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sam2_core.inference.memory.inference_state import InferenceState, TrackedObject
from sam2_core.inference.memory.memory_bank import PackedMask
from sam2_core.inference.memory.snapshot_arrays import (
    Homes,
    entries_from_arrays,
    entries_to_arrays,
    prompt_from_plain,
    prompt_to_plain,
)
from sam2_core.inference.memory.snapshots import Arrays, Snapshot, below, check_fits, nothing_missing, with_prefix
from sam2_core.modeling.sam2 import Sam2Model


def take_snapshot(model: Sam2Model, semantics: str, state: InferenceState, whole_frames: int | None = None) -> Snapshot:
    """Return what a state knows; see `SAM2VideoPredictor.snapshot`."""
    snapshot = Snapshot.begun(_must_fit(model, semantics, state))
    for index, (object_id, tracked) in enumerate(state.objects.items()):
        arrays, prompts = _written(tracked, whole_frames)
        snapshot.tensors.update(with_prefix(f"{index}/", arrays))
        snapshot.meta["objects"].append({"id": object_id, "prompts": prompts})
    return snapshot


def restore_snapshot(
    model: Sam2Model,
    semantics: str,
    state: InferenceState,
    snapshot: Snapshot,
    new_object: Callable[[], TrackedObject],
) -> None:
    """Give a fresh state the objects of a snapshot; see `SAM2VideoPredictor.restore`."""
    check_fits(snapshot.meta, _must_fit(model, semantics, state))
    side = model.config.low_res_size
    homes = Homes(model.device, state.storage_device, (side, side))
    with nothing_missing():
        for index, meta in enumerate(snapshot.meta["objects"]):
            tracked = new_object()
            _read_into(tracked, below(f"{index}/", snapshot.tensors), meta["prompts"], homes)
            state.objects[int(meta["id"])] = tracked


def _must_fit(model: Sam2Model, semantics: str, state: InferenceState) -> dict[str, Any]:
    """Return what must be the same where a snapshot is taken and where it is restored."""
    config = model.config
    shape = {"image_size": config.image_size, "d_model": config.d_model, "mem_dim": config.mem_dim}
    frames = {"num_frames": state.num_frames, "size": list(state.size)}
    return {"kind": "state", "model": config.name, **shape, "semantics": semantics, **frames}


def _written(tracked: TrackedObject, whole_frames: int | None) -> tuple[Arrays, list[dict[str, Any]]]:
    """Return the arrays and the prompts of an object."""
    bank = tracked.bank
    entries = bank.tracked if whole_frames is None else bank.packed_but(whole_frames)
    packed = {frame: entry for frame, entry in entries.items() if isinstance(entry.mask, PackedMask)}
    kinds = {
        "conditioning": bank.conditioning.items(),
        "whole": [(frame, entry) for frame, entry in entries.items() if frame not in packed],
        "packed": packed.items(),
        "pending": [(frame, entry) for (frame, _), entry in tracked.pending.items()],
    }
    arrays: Arrays = {
        "recent": np.array(bank.recent, np.int64),
        "passed": np.array(list(bank.direction.items()), np.int64).reshape(-1, 2),  # frame, whether backward
        "outdated": np.array(sorted(tracked.outdated), np.int64).reshape(-1, 2),  # frame, whether backward
        "conditions": np.array([conditions for _, conditions in tracked.pending], np.bool_),
    }
    for kind, some in kinds.items():
        arrays |= with_prefix(f"{kind}/", entries_to_arrays(some))
    prompts = []
    for frame, prompt in tracked.prompts.items():
        plain, mask = prompt_to_plain(prompt)
        prompts.append({"frame": frame, **plain})
        arrays |= {} if mask is None else {f"prompt/{frame}": mask}
    return arrays, prompts


def _read_into(tracked: TrackedObject, arrays: Arrays, prompts: list[dict[str, Any]], homes: Homes) -> None:
    """Fill a new object with what `_written` wrote."""
    bank = tracked.bank
    bank.conditioning.update(entries_from_arrays(below("conditioning/", arrays), homes))
    bank.tracked.update(entries_from_arrays(below("packed/", arrays), homes))
    bank.tracked.update(entries_from_arrays(below("whole/", arrays), homes))
    bank.direction.update((int(frame), bool(backward)) for frame, backward in arrays["passed"])
    bank.recent.extend(int(frame) for frame in arrays["recent"])
    tracked.outdated.update((int(frame), bool(backward)) for frame, backward in arrays.get("outdated", ()))
    pending = entries_from_arrays(below("pending/", arrays), homes)
    for (frame, entry), conditions in zip(pending, arrays["conditions"], strict=True):
        tracked.pending[frame, bool(conditions)] = entry
    for plain in prompts:
        tracked.prompts[plain["frame"]] = prompt_from_plain(plain, arrays.get(f"prompt/{plain['frame']}"))
