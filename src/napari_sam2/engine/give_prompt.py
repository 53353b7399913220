"""What a prompt means to a predictor, call by call: its mask, then its box, then click after click.

Each call refines the mask that the one before it left (`clear_old_points=False`): a click answers the mask that was
there. So a click that is added to a prompt is one more call, and the same prompt given anew makes the same calls.
Whoever gives prompts to a predictor, be it for a session or to measure it, does so here, at the door at which (y, x)
becomes the (x, y) of the model.
"""

from __future__ import annotations

import numpy as np

from napari_sam2.document.prompt import Prompt
from sam2_core.errors import PromptError
from sam2_core.inference.video_calls import Answer, TrackingState, VideoPredictor


def give_prompt(predictor: VideoPredictor, state: TrackingState, prompt: Prompt, said: int | None = None) -> Answer:
    """Return the predictor's last answer (frame, object ids, logits) to a prompt that is given to it.

    Parameters
    ----------
    state
        With the prompt's object alone, so that nothing else is read out.
    said
        So many clicks of it were given before, and the mask and the box; nothing was where None.

    Raises
    ------
    PromptError
        If there is nothing to give, or the predictor cannot use it.
    """
    answer: Answer | None = None
    where = (state, prompt.frame, prompt.object_id)
    if said is None and prompt.drawn is not None:
        answer = predictor.add_new_mask(*where, prompt.drawn.mask)
    if said is None and prompt.box_yx is not None:
        y0, x0, y1, x1 = prompt.box_yx
        answer = predictor.add_new_points_or_box(*where, box=np.array([x0, y0, x1, y1], dtype=np.float32))
    for (y, x), label in list(zip(prompt.points_yx, prompt.labels, strict=True))[said or 0 :]:
        points, labels = np.array([(x, y)], dtype=np.float32), np.array([label], dtype=np.int32)
        answer = predictor.add_new_points_or_box(*where, points=points, labels=labels, clear_old_points=False)
    if answer is None:
        raise PromptError(
            f"object {prompt.object_id}, frame {prompt.frame}: nothing is said; add a point, box or mask."
        )
    return answer
