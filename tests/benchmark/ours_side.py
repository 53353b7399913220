"""This project's side: the tasks through its public interface, states filled through their banks."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from side import (
    FRAME,
    FRAMES,
    Action,
    Clock,
    Setting,
    boxes,
    growth,
    image,
    normalised,
    save_masks,
)
from stand_ins import fill_with_stand_ins

from sam2_core import SAM2AutomaticMaskGenerator, SAM2ImagePredictor, SAM2VideoPredictor, build_sam2
from sam2_core.inference.feature_folder import FeatureFolder
from sam2_core.inference.memory.inference_state import InferenceState
from sam2_core.inference.network.precision import pick_precision, running

SHIPPED = ("cells-nano",)
"""Models whose weights are here; others get stand-ins."""


class Side:
    """The model, and the predictors that share it."""

    def __init__(self, setting: Setting) -> None:
        self.size = setting.image_size
        self.precision = setting.precision if setting.device == "cpu" else "auto"
        shipped = setting.model if setting.model in SHIPPED else None
        self.model = build_sam2(setting.model, shipped, device="cpu", image_size=self.size)
        if shipped is None:
            fill_with_stand_ins(self.model)
        self.model.to(setting.device)
        self.clock = Clock(setting.device)
        self.video = self.tracking()

    @staticmethod
    def versions() -> dict[str, str]:
        return {"napari-sam2": version("napari-sam2"), "torch": torch.__version__}

    def save(self, path: str) -> Action:
        torch.save({"model": self.model.state_dict()}, path)
        return lambda: None

    def image_encoder(self) -> Action:
        pixels = normalised(self.size)[None].to(self.model.device)
        precision = pick_precision(self.precision, self.model.device, exact=False)

        def encode() -> None:
            with running(self.model.device, precision):
                self.model.encode_image(pixels)

        return encode

    def image_prompts(self, count: int) -> Action:
        predictor = SAM2ImagePredictor(self.model)
        predictor.set_image(image(self.size))
        asked = boxes(count, self.size)
        return lambda: void(predictor.predict(box=asked, multimask_output=False))

    def all_masks(self, **settings: Any) -> Action:
        generator = SAM2AutomaticMaskGenerator(self.model, **settings)

        def generate() -> None:
            self.found = generator.generate(image(self.size))

        return generate

    def saved_masks(self, path: str) -> Action:
        return lambda: save_masks(self.found, path)

    def object_frame(self, objects: int) -> Action:
        state = self.remembering(objects, self.video)

        def track() -> None:
            for tracked in state.objects.values():
                if FRAME in tracked.bank.tracked:
                    tracked.bank.forget(FRAME)
                    tracked.bank.recent.remove(FRAME)
            state.features.clear()
            for _ in self.video.propagate_in_video(state, FRAME, 1):
                pass

        return track

    def correction(self, objects: int, frames: int, cache: str | None = None) -> Action:
        """Correct one object and carry on; image features are made again, or kept in a folder on disk."""
        predictor = self.video if cache is None else self.tracking(feature_cache=FeatureFolder(cache))

        def correct() -> dict[str, Any]:
            state = self.remembering(objects, predictor)
            part = state.select([1])
            began = self.clock()
            predictor.add_new_points_or_box(part, FRAME - 1, 1, points=[[self.size / 2, self.size / 2]], labels=[1])
            clicked = self.clock() - began
            return {"click": clicked, "frames": self.clock.each(predictor.propagate_in_video(part, FRAME, frames))}

        return correct

    def retained(self, objects: int, frames: int) -> Action:
        def track() -> dict[str, Any]:
            state = self.prompted(objects, frames, self.video)
            parts = {"objects": state.objects, "stack": state.frames, "state": state}
            return growth(self.video.propagate_in_video(state, 0), parts, frames)

        return track

    def tracking(self, feature_cache: bool | FeatureFolder = False, **options: Any) -> SAM2VideoPredictor:
        """Return a predictor that does the work of the peers: prompted masks are thresholded, no hole is filled.

        All frames of the stack are the same here, so features are kept on disk only where that is what is measured.
        """
        options |= {"binarize_prompted_masks": True, "feature_cache": feature_cache, "precision": self.precision}
        return SAM2VideoPredictor(self.model, **options)

    def prompted(self, objects: int, frames: int, predictor: SAM2VideoPredictor) -> InferenceState:
        """Return a state with one box per object on frame 0."""
        stack = np.broadcast_to(image(self.size), (frames, self.size, self.size, 3))
        state = predictor.init_state(stack)
        for number, box in enumerate(boxes(objects, self.size), 1):
            predictor.add_new_points_or_box(state, 0, number, box=box)
        return state

    def remembering(self, objects: int, predictor: SAM2VideoPredictor) -> InferenceState:
        """Return a state whose objects remember frames 0 to 15: what frame 0 left, fifteen times more."""
        state = self.prompted(objects, FRAMES, predictor)
        for _ in predictor.propagate_in_video(state, 0, 1):
            pass
        for tracked in state.objects.values():
            entry = tracked.bank.conditioning[0]
            for frame in range(1, FRAME):
                tracked.bank.track(frame, entry)
                tracked.bank.direction[frame] = False
        return state

    def many_cells(self, movie: str, count: int, frames: int, windows: bool) -> Action:
        """Prompt cells of a saved movie and track them; in windows that follow them, or on whole frames."""
        from sam2_core import WindowedPredictor

        with np.load(movie) as saved:
            images, clicks, diameter = saved["images"][: frames + 1], saved["clicks_xy"][:count], saved["diameter_px"]
        predictor: Any = WindowedPredictor(self.video, float(diameter)) if windows else self.video

        def track() -> dict[str, Any]:
            state = predictor.init_state(images)
            began = self.clock()
            for number, click in enumerate(clicks.tolist(), 1):
                predictor.add_new_points_or_box(state, 0, number, points=[click], labels=[1])
            prompted = self.clock() - began
            return {"prompts": prompted, "frames": self.clock.each(propagated(predictor, state, frames))}

        return track


def propagated(predictor: Any, state: Any, frames: int) -> Iterator[Any]:
    """Return the frames behind the prompted one."""
    return predictor.propagate_in_video(state, start_frame_idx=1, max_frame_num_to_track=frames, reverse=False)


def void(_: object) -> None:
    """Forget a result."""
