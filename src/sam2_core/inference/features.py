"""Where the image features of frames wait to be used again.

Features cost one pass of the encoder and can be thrown away at any time: the predictor asks a store, and encodes the
frame when the store has nothing. Here live the protocol and a small store in memory; `disk_features` has one that finds
on disk what memory forgot. A store never encodes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sam2_core.modeling.image_encoder import ImageFeatures


class FeatureStore(Protocol):
    """Keeps image features by frame index; may forget any of them at any time."""

    def __len__(self) -> int:
        """Return how many frames are kept in memory."""
        ...

    def get(self, frame: int) -> ImageFeatures | None:
        """Return the features of the frame, or None when they are not here."""
        ...

    def put(self, frame: int, features: ImageFeatures) -> ImageFeatures:
        """Keep the features of the frame, possibly forgetting others; return them as `get` will."""
        ...

    def key(self, frame: int) -> Hashable:
        """Return what stands for the image of a frame: stores in which it is the same share its features."""
        ...

    def clear(self) -> None:
        """Forget what frames looked like: another image, another contrast, or a window that was moved."""
        ...


class LruFeatures:
    """Keeps the features of the few frames that were used last, in memory; any other key serves as well as an index.

    Which frame goes is decided by when it was last used, not by its index, so tracking backward works as well as
    forward.

    Parameters
    ----------
    max_frames
        How many frames are kept, at least 1; another number holds from the next `put`. One frame of a model at 1024 px
        takes about 17 MB in float32.

    Raises
    ------
    ValueError
        `max_frames` below 1.
    """

    def __init__(self, max_frames: int = 4) -> None:
        if max_frames < 1:
            raise ValueError(f"max_frames is {max_frames}; keep at least 1 frame")
        self.max_frames = max_frames
        self._features: OrderedDict[Hashable, ImageFeatures] = OrderedDict()

    def __len__(self) -> int:
        """Return how many frames are kept now."""
        return len(self._features)

    def get(self, frame: Hashable) -> ImageFeatures | None:
        """Return the features of the frame and count it as used now, or None."""
        features = self._features.get(frame)
        if features is not None:
            self._features.move_to_end(frame)
        return features

    def put(self, frame: Hashable, features: ImageFeatures) -> ImageFeatures:
        """Keep the features of the frame and return them; of too many, forget those not used for longest."""
        self._features[frame] = features
        self._features.move_to_end(frame)
        while len(self._features) > self.max_frames:
            self._features.popitem(last=False)
        return features

    def key(self, frame: Hashable) -> Hashable:
        """Return this store and the frame: nobody else keeps features here."""
        return id(self), frame

    def clear(self) -> None:
        """Forget all frames."""
        self._features.clear()
