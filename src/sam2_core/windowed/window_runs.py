"""Windows on the run: many states go forward frame by frame in step, and each window follows what is seen in it.

`in_step` asks the predictor for one frame of all states after the other; `Followed` brings the logits of one view back
to where its window was, and places the window for the next frame before the caller gets to see this one. So a run that
is stopped between two frames goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from contextlib import ExitStack, closing
from typing import Any

from sam2_core.windowed.patches import Patch, as_numpy
from sam2_core.windowed.windowed_state import View


class Followed:
    """One view during one run.

    Parameters
    ----------
    view
        Its window is placed on the first frame, if it is not yet.
    prompted
        Frames on which its objects have prompts: there the window stays where the prompt was answered.
    start, reverse
        Where the run begins, and whether it goes towards frame 0.
    """

    def __init__(self, view: View, prompted: Collection[int], start: int, reverse: bool) -> None:
        self.view = view
        self._prompted = prompted
        self._reverse = reverse
        if self._meets(start) and not view.source.is_placed(start):
            view.source.put(start, view.source.placed(start))

    def seen(self, frame: int, answer: tuple[Sequence[int], Any]) -> dict[int, Patch]:
        """Return patches by object id for a frame's ids and logits (O, 1, h, w), and place the window behind it."""
        object_ids, logits = answer
        planes = as_numpy(logits)
        patches = self.view.patches(frame, object_ids, planes)
        following = frame + (-1 if self._reverse else 1)
        source = self.view.source
        is_free = self._meets(following) and following not in self._prompted and not source.shows_all
        if is_free and 0 <= following < len(source):
            self.view.follow(frame, following, planes)
        return patches

    def _meets(self, frame: int) -> bool:
        """Return whether the run has come to a prompt by that frame."""
        return frame <= max(self._prompted) if self._reverse else frame >= min(self._prompted)


def in_step(
    predictor: Any, states: Sequence[Any], start: int, count: int | None, reverse: bool
) -> Generator[tuple[int, list[tuple[Sequence[int], Any]]], None, None]:
    """Yield frame by frame the object ids and logits of each state.

    All states are run as one batch where the predictor can do that (`propagate_together`), else one after another.
    """
    limits = {"start_frame_idx": start, "max_frame_num_to_track": count, "reverse": reverse}
    if hasattr(predictor, "propagate_together"):
        with closing(predictor.propagate_together(states, **limits)) as run:
            for frame, logits in run:
                yield frame, [(state.obj_ids, planes) for state, planes in zip(states, logits, strict=True)]
        return
    with ExitStack() as open_runs:
        runs = [open_runs.enter_context(closing(predictor.propagate_in_video(state, **limits))) for state in states]
        for answers in zip(*runs, strict=True):
            yield answers[0][0], [(object_ids, logits) for _, object_ids, logits in answers]
