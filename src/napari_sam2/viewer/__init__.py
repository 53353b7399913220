"""A session as napari layers, without Qt: works on a ViewerModel with or without a window.

`image_source` turns Image layers into the stack and settings of a session; `bind` shows a session in a viewer and
brings what a person does to its layers back into the session. `KEYS` is what is bound on those layers, `REVIEW_KEYS`
what a panel has in its window while it shows the review.
"""

from __future__ import annotations

from napari_sam2.viewer.binding import SessionBinding, bind
from napari_sam2.viewer.current import Current
from napari_sam2.viewer.image_source import ImageSource, axes_of, image_source
from napari_sam2.viewer.inline_runner import InlineRunner
from napari_sam2.viewer.keys import KEYS, Key
from napari_sam2.viewer.review_keys import REVIEW_KEYS
from napari_sam2.viewer.running import Runner, Work

__all__ = [
    "KEYS",
    "REVIEW_KEYS",
    "Current",
    "ImageSource",
    "InlineRunner",
    "Key",
    "Runner",
    "SessionBinding",
    "Work",
    "axes_of",
    "bind",
    "image_source",
]
