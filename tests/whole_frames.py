"""What stand-ins for a video predictor have in common: they answer all calls of a `WholeFramePredictor`."""

from __future__ import annotations

from contextlib import ExitStack, closing

from sam2_core.inference.features import LruFeatures


class StandInState:
    """A state that remembers nothing which a caller could read."""

    def __init__(self):
        self.features = LruFeatures()
        self.shift = None

    def memory_of(self, object_id):
        return None

    def put_back(self, object_id, frame, visit):
        pass

    def sort_objects(self):
        pass


class StandInPredictor:
    """Runs that go side by side, one step of each after the other."""

    def propagate_together(self, inference_states, *limits, **named):
        with ExitStack() as stack:
            runs = [
                stack.enter_context(closing(self.propagate_in_video(state, *limits, **named)))
                for state in inference_states
            ]
            for answers in zip(*runs, strict=True):
                yield answers[0][0], [logits for _, _, logits in answers]
