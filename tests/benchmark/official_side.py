"""The side of PyPI's ``sam2`` 1.1.0, run by that package's own Python.

Holes are not filled: on a CPU the package cannot, and we do not either. On a GPU it runs under bfloat16 autocast, as
its README does.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib.metadata import version
from typing import Any

import sam2.automatic_mask_generator as generator_module
import sam2.sam2_video_predictor as official
import torch
from plain_suppression import batched_nms
from sam2.build_sam import build_sam2_video_predictor
from sam2.sam2_image_predictor import SAM2ImagePredictor
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


class Side:
    """The video predictor, which is the model."""

    def __init__(self, setting: Setting) -> None:
        self.size = setting.image_size
        self.device = setting.device
        overrides = [f"++model.image_size={self.size}", "++model.fill_hole_area=0"]
        config = f"configs/{setting.model.partition('_')[0]}/{setting.model}.yaml"
        self.model = build_sam2_video_predictor(config, None, device=setting.device, hydra_overrides_extra=overrides)
        fill_with_stand_ins(self.model)
        self.clock = Clock(setting.device)

    @staticmethod
    def versions() -> dict[str, str]:
        return {"sam2": version("sam2"), "torch of sam2": torch.__version__}

    def precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.device == "cuda")

    def image_encoder(self) -> Action:
        pixels = normalised(self.size)[None].to(self.device)

        def encode() -> None:
            with torch.inference_mode(), self.precision():
                self.model.forward_image(pixels)

        return encode

    def image_prompts(self, count: int) -> Action:
        predictor = SAM2ImagePredictor(self.model)
        predictor._bb_feat_sizes = [(self.size // stride, self.size // stride) for stride in (4, 8, 16)]
        with self.precision():
            predictor.set_image(image(self.size))
        asked = boxes(count, self.size)

        def predict() -> None:
            with torch.inference_mode(), self.precision():
                predictor.predict(box=asked, multimask_output=False)

        return predict

    def all_masks(self, **settings: Any) -> Action:
        generator_module.batched_nms = batched_nms  # torchvision's compiled one needs a torch of its own build
        generator = generator_module.SAM2AutomaticMaskGenerator(self.model, **settings)
        generator.predictor._bb_feat_sizes = [(self.size // stride, self.size // stride) for stride in (4, 8, 16)]

        def generate() -> None:
            with torch.inference_mode(), self.precision():
                self.found = generator.generate(image(self.size))

        return generate

    def saved_masks(self, path: str) -> Action:
        return lambda: save_masks(self.found, path)

    def object_frame(self, objects: int) -> Action:
        state = self.remembering(objects)

        def track() -> None:
            state["cached_features"] = {}
            with self.precision():
                for _ in self.model.propagate_in_video(state, FRAME, 0):
                    pass

        return track

    def correction(self, objects: int, frames: int) -> Action:
        def correct() -> dict[str, Any]:
            state = self.remembering(objects)
            with self.precision():
                began = self.clock()
                self.model.add_new_points_or_box(
                    state, FRAME - 1, 1, points=[[self.size / 2, self.size / 2]], labels=[1]
                )
                clicked = self.clock() - began
                run = self.model.propagate_in_video(state, FRAME, frames - 1)
                return {"click": clicked, "frames": self.clock.each(run)}

        return correct

    def retained(self, objects: int, frames: int) -> Action:
        def track() -> dict[str, Any]:
            state = self.prompted(objects, frames, own_frames=True)
            parts = {"objects": state["output_dict_per_obj"], "stack": state["images"], "state": state}
            with self.precision():
                return growth(self.model.propagate_in_video(state, 0), parts, frames)

        return track

    def prompted(self, objects: int, frames: int, own_frames: bool = False) -> dict[str, Any]:
        """Return a state with one box per object on frame 0; the same image at all times, or one in memory for each, as
        the package keeps them.
        """
        images = normalised(self.size).expand(frames, -1, -1, -1)
        images = images.clone() if own_frames else images
        official.load_video_frames = lambda **_: (images, self.size, self.size)
        with self.precision():
            state = self.model.init_state("frames")
            for number, box in enumerate(boxes(objects, self.size), 1):
                self.model.add_new_points_or_box(state, 0, number, box=box)
        return state

    def remembering(self, objects: int) -> dict[str, Any]:
        """Return a state whose objects remember frames 0 to 15: what frame 0 left, fifteen times more."""
        state = self.prompted(objects, FRAMES)
        with self.precision():
            for _ in self.model.propagate_in_video(state, 0, 0):
                pass
        for index, outputs in state["output_dict_per_obj"].items():
            for frame in range(1, FRAME):
                outputs["non_cond_frame_outputs"][frame] = outputs["cond_frame_outputs"][0]
                state["frames_tracked_per_obj"][index][frame] = {"reverse": False}
        return state
