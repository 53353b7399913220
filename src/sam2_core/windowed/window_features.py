"""Image features by frame and window: each window is encoded once on a frame, whoever looks through it.

A predictor's state asks its store by frame alone. `SeenFeatures` is such a store for the state behind one window, and
`SharedFeatures` what all of them have in common. Nothing is encoded here.
"""

from __future__ import annotations

from collections.abc import Hashable, Sized
from typing import Any

from sam2_core.inference.features import LruFeatures
from sam2_core.windowed.following_window import FollowingWindow, Window

SPARE_FEATURES = 4
"""Windows whose image features are kept besides one for each object."""


class SharedFeatures:
    """Image features of the windows looked through last, by frame and window: one for each object, and some to spare.

    Parameters
    ----------
    objects
        Those that are looked at, as they are now.
    """

    def __init__(self, objects: Sized) -> None:
        self._objects = objects
        self._kept = LruFeatures(SPARE_FEATURES)

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, frame: int, window: Window) -> Any | None:
        """Return the features, and count them as used now; None when they are not here."""
        return self._kept.get((frame, window))

    def put(self, frame: int, window: Window, features: Any) -> None:
        """Keep features; of too many, forget those that were not used for longest."""
        self._kept.max_frames = len(self._objects) + SPARE_FEATURES
        self._kept.put((frame, window), features)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()


class SeenFeatures:
    """The image features of what one window shows, as a predictor's state asks for them: by frame.

    Parameters
    ----------
    shared
        What is kept for all windows.
    source
        The window.
    own
        The store that the predictor made. One that finds features on disk is asked where memory has none.
    """

    def __init__(self, shared: SharedFeatures, source: FollowingWindow, own: Any) -> None:
        self._shared = shared
        self._source = source
        self._own: Any = None if isinstance(own, LruFeatures) else own
        self._shown: dict[int, Window] = {}

    def __len__(self) -> int:
        """Return how many are kept in memory, for all windows."""
        return len(self._shared)

    def get(self, frame: int) -> Any | None:
        """Return the features of what the window shows on the frame, None when they are not here."""
        window = self._source.window(frame)
        features = self._shared.get(frame, window)
        if features is None and self._own is not None:
            features = self._own_of(frame, window).get(frame)
            if features is not None:
                self._shared.put(frame, window, features)
        return features

    def put(self, frame: int, features: Any) -> Any:
        """Keep the features of what the window shows on the frame; return them as `get` will."""
        window = self._source.window(frame)
        if self._own is not None:
            features = self._own_of(frame, window).put(frame, features)
        self._shared.put(frame, window, features)
        return features

    def key(self, frame: int) -> Hashable:
        """Return frame and window: whoever looks through the same one shares the features."""
        return frame, self._source.window(frame)

    def clear(self) -> None:
        """Forget everything, also what others see."""
        self._shown.clear()
        self._shared.clear()
        if self._own is not None:
            self._own.clear()

    def _own_of(self, frame: int, window: Window) -> Any:
        """Return the predictor's own store; it has forgotten what frames showed through a window that was moved."""
        if self._shown.setdefault(frame, window) != window:
            self._shown = {frame: window}
            self._own.clear()
        return self._own
