"""Image features that are kept on disk, and found again whoever asks: another run, another session, another process.

Order: a frame's key is made of the model (weights and configuration), the precision it runs in, and what it is shown:
the values of the frame, cut to its window if there is one, and the contrast limits. So the key says stack, intensity,
window and frame by their content: a stack that was changed is never mistaken for the old one, and one that was moved or
renamed is found again. What memory does not hold is looked for under that key in a `FeatureFolder`. What is read is
checked by a checksum; a file that is damaged or foreign is removed and the frame encoded again.

Values are kept as they are, so a run gives the same masks whether features are made or found. A folder that is not
`exact` takes half as much: there float32 values are rounded to half precision (float16: 11 significant bits, a relative
error of at most 0.05 %), before their first use too.
"""

from __future__ import annotations

import hashlib
import logging
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from sam2_core.inference.feature_folder import FeatureFolder
from sam2_core.inference.features import FeatureStore, LruFeatures
from sam2_core.inference.frames.opened_frames import OpenedFrames
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.modeling.sam2 import Sam2Model

VERSION = "1"
"""Raised when frames are prepared, encoded or written in another way: older files are then not found any more."""
SLOW_FROM_PX = 512
"""On a CPU, models of this input size and more take seconds for what is read in hundredths of one."""
LEVELS = ("stride16", "stride8", "stride4")
_log = logging.getLogger(__name__)


class FeatureStores:
    """Makes the feature store of each state of a predictor; the model is fingerprinted once.

    Parameters
    ----------
    cache
        Whether features are kept on disk, in the user's folder, or in which one; None where encoding is slow.
    max_frames
        How many frames a store keeps in memory.
    """

    def __init__(self, cache: bool | FeatureFolder | None, max_frames: int) -> None:
        self._folder = FeatureFolder() if cache is None or cache is True else cache or None
        self._only_where_slow = cache is None
        self._max_frames = max_frames
        self._model_name = ""

    def folder(self, model: Sam2Model) -> FeatureFolder | None:
        """Return where features of a model are kept on disk, if they are."""
        is_slow = model.device.type == "cpu" and model.image_size >= SLOW_FROM_PX
        return self._folder if is_slow or not self._only_where_slow else None

    def open(self, frames: OpenedFrames, model: Sam2Model, dtype: torch.dtype | None) -> FeatureStore:
        """Return a store for features of frames by a model that runs in `dtype`, None for plain float32."""
        folder = self.folder(model)
        if folder is None:
            return LruFeatures(self._max_frames)
        self._model_name = self._model_name or fingerprint(model)
        name = f"{VERSION} {self._model_name} {dtype} {folder.exact}"
        return DiskFeatures(folder, frames, model, name, LruFeatures(self._max_frames))


class DiskFeatures:
    """The features of one stack: the frames used last in memory, the others in a folder that many stacks may share.

    The `name` says what they depend on besides the frame: model, precision and rounding. A frame is read once for its
    key until `clear`.
    """

    def __init__(
        self, folder: FeatureFolder, frames: OpenedFrames, model: Sam2Model, name: str, memory: LruFeatures
    ) -> None:
        self.folder = folder
        self._frames = frames
        self._device, self._views = model.device, model.other_views
        self._name = name
        self._memory = memory
        self._keys: dict[int, str] = {}

    def __len__(self) -> int:
        """Return how many frames are kept in memory."""
        return len(self._memory)

    def get(self, frame: int) -> ImageFeatures | None:
        """Return the features of the frame from memory or disk, or None.

        Raises
        ------
        StackError
            The frame cannot be read.
        """
        features = self._memory.get(frame)
        if features is None:
            features = self._read(self.key(frame))
            if features is not None:
                views = [self._read(key) for key in self._keys_of_views(frame)]
                whole = tuple(view for view in views if view is not None)
                features = replace(features, views=whole if len(whole) == len(views) else ())
                self._memory.put(frame, features)
        return features

    def put(self, frame: int, features: ImageFeatures) -> ImageFeatures:
        """Keep the features of the frame, and return them as they are kept; each other view has a file of its own."""
        kept = self._written(self.key(frame), features)
        views = zip(self._keys_of_views(frame), features.views, strict=False)  # all of them are there, or none
        views_kept = tuple(self._written(key, view) for key, view in views)
        return self._memory.put(frame, replace(kept, views=views_kept))

    def clear(self) -> None:
        """Forget what frames looked like; the files stay, and are found again by what is seen then."""
        self._memory.clear()
        self._keys.clear()

    def key(self, frame: int) -> str:
        """Return what the features of a frame are found by, 40 hexadecimal digits."""
        if frame not in self._keys:
            self._keys[frame] = _key(self._name, self._frames, frame)
        return self._keys[frame]

    def _keys_of_views(self, frame: int) -> list[str]:
        texts = [f"{self.key(frame)} {view.name}" for view in self._views]
        return [hashlib.blake2b(text.encode(), digest_size=20).hexdigest() for text in texts]

    def _written(self, key: str, features: ImageFeatures) -> ImageFeatures:
        """Write features to disk, if they are not there, and return them as they are read from it."""
        levels = dict(zip(LEVELS, features.maps, strict=True))
        maps = {level: _rounded(values, self.folder.exact) for level, values in levels.items()}
        about = {"key": key, "checksum": str(_checksum(maps))}
        about |= {level: _form(values) for level, values in levels.items()}
        self.folder.write(key, save(maps, about))
        return _restored(maps, about, self._device)

    def _read(self, key: str) -> ImageFeatures | None:
        path = self.folder.find(key)
        if path is None:
            return None
        try:
            return _read(path, key, self._device)
        except OSError as error:  # another process deleted it meanwhile, or it may not be read
            _log.debug("%s cannot be read: %s", path, error)
            return None
        except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.folder.remove(path, f"{type(error).__name__}: {error}")
            return None


def fingerprint(model: Sam2Model) -> str:
    """Return what tells a model from all others: its configuration and every value of its weights."""
    digest = hashlib.blake2b(repr(model.config).encode(), digest_size=20)
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(_values(tensor))
    return digest.hexdigest()


def bytes_per_frame(model: Sam2Model, exact: bool = True) -> int:
    """Return how much the features of a frame take on disk, about; less where they are made in half precision."""
    grid = model.image_size // 16
    return 4 * model.config.d_model * grid * grid * (4 if exact else 2)  # 1 + 1 + 2 times d_model * grid * grid


def _key(encoding: str, frames: OpenedFrames, index: int) -> str:
    frame = np.ascontiguousarray(frames[index])
    digest = hashlib.blake2b(
        f"{encoding} {frames.contrast_limits} {frame.dtype.str} {frame.shape}".encode(), digest_size=20
    )
    digest.update(frame.view(np.uint8).reshape(-1).data)
    return digest.hexdigest()


def _rounded(features: Tensor, exact: bool) -> Tensor:
    """Return features as they are written, on the CPU; values too large for half precision keep their own."""
    values = features.detach().to("cpu").contiguous()
    if exact or values.dtype != torch.float32:
        return values
    half = values.half()
    return half if bool(half.isfinite().all()) else values


def _read(path: Path, key: str, device: torch.device) -> ImageFeatures:
    """Return what a file holds, or raise whatever says that it is not whole or not of this key."""
    with safe_open(path, framework="pt", device="cpu") as file:
        about = file.metadata()
        maps = {level: file.get_tensor(level) for level in LEVELS}
    if about["key"] != key or about["checksum"] != str(_checksum(maps)):
        raise ValueError("its content is not what was written")
    return _restored(maps, about, device)


def _form(features: Tensor) -> str:
    """Return type and memory layout as words: the same values in another layout are computed with otherwise rounded."""
    last = not features.is_contiguous() and features.is_contiguous(memory_format=torch.channels_last)
    return f"{str(features.dtype).removeprefix('torch.')} {'channels_last' if last else 'contiguous_format'}"


def _restored(maps: dict[str, Tensor], about: dict[str, str], device: torch.device) -> ImageFeatures:
    """Return written features in the form that they had."""
    levels = []
    for level in LEVELS:
        dtype, layout = (getattr(torch, word) for word in about[level].split())
        levels.append(maps[level].to(device, dtype, copy=True).contiguous(memory_format=layout))
    return ImageFeatures(*levels)


def _checksum(maps: dict[str, Tensor]) -> int:
    checksum = 0
    for level in LEVELS:
        checksum = zlib.crc32(_values(maps[level]), checksum)
    return checksum


def _values(tensor: Tensor) -> memoryview:
    """Return the bytes of a tensor."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data
