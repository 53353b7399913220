"""What a prompt means to a predictor, call by call: its mask, then box and first click, then click after click.

Each call refines the mask that the one before it left (`clear_old_points=False`). So a click that is added to a prompt
is one more call, and the same prompt given anew makes the same calls. This is the door at which the session's (y, x)
becomes the (x, y) of the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from napari_sam2.document.prompt import Prompt


def extends(old: Prompt, new: Prompt) -> bool:
    """Return whether a prompt says what the old one says, and then has more clicks."""
    return new.extends(old)


def give(predictor: Any, state: Any, prompt: Prompt, said: int | None = None) -> Any:
    """Return the predictor's last answer (frame, object ids, logits) to a prompt.

    Parameters
    ----------
    predictor
        A video predictor.
    state
        With the prompt's object alone, so that nothing else is read out.
    prompt
        All that is said of the object on the frame.
    said
        So many clicks of it were given before, and the mask and the box; nothing was where None.
    """
    answer = None
    for points, labels, box in _calls(prompt, said):
        answer = (
            _call(predictor, state, prompt, points, labels, box)
            if points or box is not None
            else _mask(predictor, state, prompt)
        )
    return answer


def _calls(prompt: Prompt, said: int | None) -> Iterator[tuple[Any, Any, Any]]:
    """Yield points, labels and box of each call; without points and box it is the mask's."""
    points, labels = prompt.points_yx, prompt.labels
    first = said or 0
    if said is None:
        if prompt.mask is not None:
            yield (), (), None
        if prompt.box_yx is not None:
            yield points[:1], labels[:1], prompt.box_yx
            first = 1
    for index in range(first, len(points)):
        yield points[index : index + 1], labels[index : index + 1], None


def _mask(predictor: Any, state: Any, prompt: Prompt) -> Any:
    return predictor.add_new_mask(state, frame_idx=prompt.frame, obj_id=prompt.object_id, mask=prompt.mask)


def _call(predictor: Any, state: Any, prompt: Prompt, points: Any, labels: Any, box: Any) -> Any:
    given: dict[str, Any] = {}
    if points:
        given["points"] = np.array([(x, y) for y, x in points], dtype=np.float32)  # (1, 2) xy
        given["labels"] = np.array(labels, dtype=np.int32)
    if box is None:
        given["clear_old_points"] = False
    else:
        y0, x0, y1, x1 = box
        given["box"] = np.array([x0, y0, x1, y1], dtype=np.float32)  # xyxy
    return predictor.add_new_points_or_box(state, frame_idx=prompt.frame, obj_id=prompt.object_id, **given)
