"""What the session needs of a video predictor, as a protocol: `sam2_core` answers it, tests fake it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol


class VideoPredictor(Protocol):
    """What a job needs of `sam2_core.inference.SAM2VideoPredictor`."""

    @property
    def image_size(self) -> int:
        """Side of the square model input in pixels."""

    def init_state(self, video_path: Any) -> Any:
        """Return the state of a new run over frames."""

    def add_new_points_or_box(  # noqa: PLR0913 - the official signature
        self,
        inference_state: Any,
        frame_idx: int,
        obj_id: int,
        points: Any = None,
        labels: Any = None,
        *,
        box: Any = None,
        need_output: bool = True,
    ) -> Any:
        """Prompt one object on one frame with points (x, y) or a box; without output the others are not looked at."""

    def add_new_mask(
        self, inference_state: Any, frame_idx: int, obj_id: int, mask: Any, *, need_output: bool = True
    ) -> Any:
        """Prompt one object on one frame with a mask (H, W)."""

    def propagate_in_video(
        self, inference_state: Any, start_frame_idx: int, max_frame_num_to_track: int, reverse: bool
    ) -> Iterator[tuple[int, Sequence[int], Any]]:
        """Yield frame, object ids and logits (O, 1, H, W), dense or windowed (see `patches`)."""
