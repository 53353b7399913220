"""Image features by frame and window: each window is encoded once on a frame, whoever looks through it.

`SeenFeatures` is the store of the state behind one window, over one that all windows have in common.
"""

from __future__ import annotations

from collections.abc import Hashable, Sized

from sam2_core.inference.features import FeatureStore, LruFeatures
from sam2_core.modeling.image_encoder import ImageFeatures
from sam2_core.windowed.following_window import FollowingWindow
from sam2_core.windowed.window import Window

SPARE_FEATURES = 4
"""Windows whose image features are kept besides one for each object."""


class SeenFeatures:
    """The image features of what one window shows, as a predictor's state asks for them: by frame.

    For each of the `objects`, as they are now, one window is kept, and some to spare. The predictor's `own` store is
    asked where memory has none, if it finds features on disk.
    """

    def __init__(self, shared: LruFeatures, objects: Sized, source: FollowingWindow, own: FeatureStore) -> None:
        self._shared = shared
        self._objects = objects
        self._source = source
        self._own = None if isinstance(own, LruFeatures) else own
        self._shown: dict[int, Window] = {}

    def __len__(self) -> int:
        """Return how many are kept in memory, for all windows."""
        return len(self._shared)

    def get(self, frame: int) -> ImageFeatures | None:
        """Return the features of what the window shows on the frame, None when they are not here."""
        features = self._shared.get(self.key(frame))
        if features is None and self._own is not None:
            self._forget_moved(frame)
            features = self._own.get(frame)
            if features is not None:
                self._share(frame, features)
        return features

    def put(self, frame: int, features: ImageFeatures) -> ImageFeatures:
        """Keep the features of what the window shows on the frame; return them as `get` will."""
        if self._own is not None:
            self._forget_moved(frame)
            features = self._own.put(frame, features)
        return self._share(frame, features)

    def key(self, frame: int) -> Hashable:
        """Return frame and window: whoever looks through the same one shares the features."""
        return frame, self._source.window(frame)

    def clear(self) -> None:
        """Forget everything, also what others see."""
        self._shown.clear()
        self._shared.clear()
        if self._own is not None:
            self._own.clear()

    def _share(self, frame: int, features: ImageFeatures) -> ImageFeatures:
        self._shared.max_frames = len(self._objects) + SPARE_FEATURES
        return self._shared.put(self.key(frame), features)

    def _forget_moved(self, frame: int) -> None:
        """Have the predictor's own store forget what frames showed through a window that was moved."""
        window = self._source.window(frame)
        if self._own is not None and self._shown.setdefault(frame, window) != window:
            self._shown = {frame: window}
            self._own.clear()
