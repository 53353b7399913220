"""The side of ``transformers``' Sam2Video, run by that package's own Python, with random weights of the same size.

Boxes and clicks go to its session as its processor would hand them over; masks are brought to the size of the frame, as
the processor does. Its configuration of version 2.1, tiny, is its default one.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import torch
from side import FRAME, FRAMES, Action, Clock, Setting, boxes, growth, normalised
from torch.nn import functional as F
from transformers import Sam2Model, Sam2VideoConfig, Sam2VideoModel
from transformers.models.sam2.configuration_sam2 import Sam2Config
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

MODEL = "sam2.1_hiera_t"


class Side:
    """The video model; the image model is made when it is asked for."""

    def __init__(self, setting: Setting) -> None:
        if setting.model != MODEL:
            raise ValueError(f"transformers is measured with {MODEL}, not with {setting.model}")
        self.size, self.device = setting.image_size, setting.device
        torch.manual_seed(0)
        self.dtype = torch.bfloat16 if self.device == "cuda" else torch.float32
        self.model = self.made(Sam2VideoModel, Sam2VideoConfig())
        self.clock = Clock(setting.device)

    @staticmethod
    def versions() -> dict[str, str]:
        return {"transformers": version("transformers"), "torch of transformers": torch.__version__}

    def made(self, kind: Any, config: Any) -> Any:
        """Return a model of a configuration that was changed to the size of the input."""
        side = self.size
        config.image_size = side
        config.prompt_encoder_config.image_size = side
        config.vision_config.backbone_config.image_size = [side, side]
        config.vision_config.backbone_feature_sizes = [[side // s, side // s] for s in (4, 8, 16)]
        config.memory_attention_rope_feat_sizes = [side // 16, side // 16]
        return kind(config).to(self.device, self.dtype).eval()

    def save(self, path: str) -> Action:
        self.model.save_pretrained(path)
        return lambda: None

    def image_encoder(self) -> Action:
        pixels = self.pixels()[None]

        def encode() -> None:
            with torch.inference_mode():
                self.model.get_image_features(pixels)

        return encode

    def image_prompts(self, count: int) -> Action:
        model = self.made(Sam2Model, Sam2Config())
        asked = torch.from_numpy(boxes(count, self.size))[None].to(self.device, self.dtype)
        with torch.inference_mode():
            embeddings = model.get_image_embeddings(self.pixels()[None])

        def predict() -> None:
            with torch.inference_mode():
                masks = model(image_embeddings=embeddings, input_boxes=asked, multimask_output=False).pred_masks
                (F.interpolate(masks[0].float(), (self.size, self.size), mode="bilinear") > 0).cpu()

        return predict

    def object_frame(self, objects: int) -> Action:
        session = self.remembering(objects)

        def track() -> None:
            session.cache.clear_all()
            for _ in self.propagated(session, FRAME, 1):
                pass

        return track

    def correction(self, objects: int, frames: int) -> Action:
        def correct() -> dict[str, Any]:
            session = self.remembering(objects)
            began = self.clock()
            centre = torch.full((1, 1, 1, 2), self.size / 2)
            self.add(session, FRAME - 1, 1, centre, torch.ones(1, 1, 1, dtype=torch.int32))
            with torch.inference_mode():
                self.model(session, frame_idx=FRAME - 1)
            clicked = self.clock() - began
            return {"click": clicked, "frames": self.clock.each(self.propagated(session, FRAME, frames))}

        return correct

    def retained(self, objects: int, frames: int) -> Action:
        def track() -> dict[str, Any]:
            session = self.prompted(objects, frames, own_frames=True)
            parts = {"objects": session.output_dict_per_obj, "stack": session.processed_frames, "state": session}
            return growth(self.propagated(session, 0, frames), parts, frames)

        return track

    def propagated(self, session: Any, start: int, frames: int) -> Iterator[Any]:
        """Yield masks at the size of the frame."""
        run = self.model.propagate_in_video_iterator(session, start, frames - 1)
        while True:
            with torch.inference_mode():
                answer = next(run, None)
                if answer is None:
                    return
                masks = F.interpolate(answer.pred_masks.float(), (self.size, self.size), mode="bilinear")
            yield masks

    def prompted(self, objects: int, frames: int, own_frames: bool = False) -> Any:
        """Return a session with one box per object on frame 0, answered."""
        video = self.pixels().expand(frames, -1, -1, -1)
        session = Sam2VideoInferenceSession(
            video.clone() if own_frames else video,
            self.size,
            self.size,
            self.device,
            self.device,
            self.device,
            self.dtype,
        )
        for number, box in enumerate(boxes(objects, self.size), 1):
            corners = torch.from_numpy(box).reshape(1, 1, 2, 2)
            self.add(session, 0, number, corners, torch.tensor([[[2, 3]]], dtype=torch.int32))
        with torch.inference_mode():
            self.model(session, frame_idx=0)
        return session

    def add(self, session: Any, frame: int, number: int, points: torch.Tensor, labels: torch.Tensor) -> None:
        """Give a prompt to a session, as the processor does."""
        index = session.obj_id_to_idx(number)
        points = points.to(self.device, self.dtype)
        session.add_point_inputs(index, frame, {"point_coords": points, "point_labels": labels})
        session.remove_mask_inputs(index, frame)
        session.obj_with_new_inputs.append(number)

    def remembering(self, objects: int) -> Any:
        """Return a session whose objects remember frames 0 to 15: what frame 0 left, fifteen times more."""
        session = self.prompted(objects, FRAMES)
        for index, outputs in session.output_dict_per_obj.items():
            for frame in range(1, FRAME):
                outputs["non_cond_frame_outputs"][frame] = outputs["cond_frame_outputs"][0]
                session.frames_tracked_per_obj[index][frame] = {"reverse": False}
        return session

    def pixels(self) -> torch.Tensor:
        return normalised(self.size).to(self.device, self.dtype)
