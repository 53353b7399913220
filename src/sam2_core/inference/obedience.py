"""Whether a mask obeys the clicks and the box that it answers, so that what a person says wins over what is remembered.

A correction on a tracked frame is answered from the object's memory and from the mask that was there before. Where both
hold on to the mistake, the answer may contradict the very click that was to mend it. Then the tracker asks again,
without the one and without the other, and takes the answer that contradicts least.
"""

from __future__ import annotations

from torch import Tensor

from sam2_core.modeling.prompt_encoder import BOX_BOTTOM_RIGHT, BOX_TOP_LEFT, PromptBatch

STRIDE = 4  # model pixels in one of the low resolution
NEAR = 3  # low-resolution pixels around a click outside
MOST_AROUND = 0.4  # of which so many may be in the mask; more are a hole around the click
BOX_MARGIN = 0.15  # of its side, by which a mask may reach out of a box on each side
OUTSIDE = 0.2  # of the mask may lie farther out


def contradictions(low_res_logits: Tensor, prompts: PromptBatch) -> float:
    """Return how much a mask contradicts its prompts: 1 for each click on its wrong side, and for one out of its box.

    A hole that just lets a click outside be outside counts half.

    Parameters
    ----------
    low_res_logits
        (1, h, w), above 0 in the mask.
    prompts
        Of this object alone, (1, N) points in model pixels; see `PromptBatch`.
    """
    inside = low_res_logits[0] > 0
    height, width = inside.shape
    points, labels = prompts.points_xy_model_px[0], prompts.point_labels[0].tolist()
    wrong = 0.0
    for (x, y), label in zip(points.tolist(), labels, strict=True):
        if label in (0, 1):
            row, column = (min(max(int(at // STRIDE), 0), size - 1) for at, size in ((y, height), (x, width)))
            around = inside[max(row - NEAR, 0) : row + NEAR + 1, max(column - NEAR, 0) : column + NEAR + 1]
            is_a_hole = label == 0 and float(around.float().mean()) > MOST_AROUND
            wrong += 1.0 if bool(inside[row, column]) is not bool(label) else 0.5 * is_a_hole
    if BOX_TOP_LEFT in labels and BOX_BOTTOM_RIGHT in labels:
        corners = (points[labels.index(corner)].tolist() for corner in (BOX_TOP_LEFT, BOX_BOTTOM_RIGHT))
        wrong += _leaves_box(inside, *corners)
    return wrong


def _leaves_box(inside: Tensor, first: list[float], last: list[float]) -> bool:
    (x0, y0), (x1, y1) = first, last
    margin_x, margin_y = BOX_MARGIN * (x1 - x0) + STRIDE, BOX_MARGIN * (y1 - y0) + STRIDE
    rows = slice(max(int((y0 - margin_y) // STRIDE), 0), int((y1 + margin_y) // STRIDE) + 1)
    columns = slice(max(int((x0 - margin_x) // STRIDE), 0), int((x1 + margin_x) // STRIDE) + 1)
    area, kept = int(inside.sum()), int(inside[rows, columns].sum())
    return area == 0 or area - kept > OUTSIDE * area
