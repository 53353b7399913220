"""Steps of a track from frame to frame that are unlike others: a jump of area or place, little overlap, runs that meet.

Only what a program linked or a run made is in doubt; what a person drew or prompted is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np

from napari_sam2.document.claims import LinkClaims
from napari_sam2.document.plain_values import counted
from napari_sam2.document.reviews import At, Place, ReviewKind
from napari_sam2.review.courses import Course, Memory, Usual, Verdict
from napari_sam2.review.items import Doubt
from napari_sam2.review.masks_alone import Masks, doubtful_masks
from napari_sam2.review.views import View, iou

AREA = 0.75
"""Doublings of area, up or down, above which a step is in doubt; twice that is as doubtful as can be."""
PLACE = 0.6
"""Diameters beyond the motion of all, likewise."""
OVERLAP = 0.25
"""IoU with the mask before, moved as all are, below which a step is in doubt."""
MISSED = 0.9
"""Degree of a link over frames on which the object was not found."""
SURE = 0.9
"""Confidence from which a link of a program is not in doubt."""
MOST = 0.6
"""Degree of the most doubtful step."""


def step_doubts(
    object_id: int, course: Course, views: Mapping[int, View], frames: Masks, usual: Usual, memory: Memory
) -> Iterator[Doubt]:
    """Yield what is in doubt of an object's masks and of the links between them; steps are remembered."""
    for one in doubtful_masks(frames):
        place, spoils = Place(At.step, object_id, one.frame), max(1, course.from_frame(one.frame))
        if one.reasons:
            yield Doubt(place, ReviewKind.doubtful_mask, one.degree, ", ".join(one.reasons), spoils)
    usual_before = True
    for index, (before, then) in enumerate(pairwise(course.frames.tolist())):
        first, second = views[before], views[then]
        place, spoils = Place(At.step, object_id, then), len(course) - index - 1
        found = list(_known(memory, first, second, index, course, usual)) if _is_judged(first, second) else []
        earlier = None if usual_before else views[int(course.frames[index - 1])]
        if earlier is not None and not any(_unlike(earlier, second, index - 1, course, usual, 2)):
            found = []  # one mask that went wrong is named once, and what comes back is not
        usual_before = not found
        if then > before + 1 and not second.mask.status.is_said:
            missed = f"missed on {counted(then - before - 1, 'frame')} before"
            yield Doubt(place, ReviewKind.doubtful_link, MISSED, missed, 2 * (then - before - 1))
        for kind, degree, reason in found:
            yield Doubt(place, kind, degree, reason, spoils)


def _known(memory: Memory, first: View, second: View, index: int, course: Course, usual: Usual) -> Verdict:
    """Return what is unusual about a step, as it was found before."""
    step = int(course.frames[index]), id(first.mask), id(second.mask)
    if step not in memory.verdicts:
        memory.verdicts[step] = tuple(_unlike(first, second, index, course, usual))
    return memory.verdicts[step]


def link_doubts(claims: LinkClaims, course: Course) -> Iterator[Doubt]:
    """Yield the links inside a track that the program which made them was not sure of."""
    for frame, confidence in zip(claims.frames, claims.confidences, strict=True):
        if confidence < SURE and course.begin < frame <= course.end:
            rivals = claims.rivals_at(frame)
            said = f"linked with a confidence of {confidence:.2f}" + (
                f", {rivals[0].object_id} instead" if rivals else ""
            )
            place = Place(At.step, claims.object_id, frame)
            yield Doubt(place, ReviewKind.doubtful_link, 1 - confidence, said, course.from_frame(frame))


def _is_judged(first: View, second: View) -> bool:
    """Return whether a step is a program's: one of both was seen without a prompt, or two runs meet there."""
    if first.mask.status.is_said and second.mask.status.is_said:
        return False
    legs = {first.mask.leg, second.mask.leg}
    return first.mask.status.is_evidence or second.mask.status.is_evidence or legs == {"forward", "backward"}


def _unlike(
    first: View, second: View, index: int, course: Course, usual: Usual, by: int = 1
) -> Iterator[tuple[ReviewKind, float, str]]:
    """Yield what is unusual about the step from the course's place `index` to one behind: kind, degree, reason."""
    before, then = int(course.frames[index]), int(course.frames[index + by])
    moved = usual.moved(before, then, course.yx[index])
    doublings = abs(float(np.log2(second.area / first.area)))
    if doublings > AREA:
        factor = second.area / first.area
        yield ReviewKind.jump_of_area, _share(doublings, AREA), f"{factor:.1f} times as large as before"
    away = float(np.hypot(*(course.yx[index + by] - course.yx[index] - moved))) / max(usual.diameter, 1.0)
    if away > PLACE * (then - before) ** 0.5:
        yield ReviewKind.jump_of_place, _share(away, PLACE), f"{away:.1f} diameters from where it should be"
    overlap = iou(first, second, (round(moved[0]), round(moved[1])))
    if overlap >= OVERLAP:
        return
    degree = MOST * (1 - overlap / OVERLAP) if then == before + 1 else MOST / 2
    if _meet(first, second):
        yield ReviewKind.runs_disagree, max(degree, MOST / 2), f"two runs meet with {overlap:.0%} overlap"
    else:
        yield ReviewKind.low_overlap, degree, f"{overlap:.0%} overlap with before"


def _meet(first: View, second: View) -> bool:
    """Return whether one of two masks came from a run that did not make the other."""
    return first.mask.leg != second.mask.leg or first.mask.status.is_evidence is not second.mask.status.is_evidence


def _share(value: float, least: float) -> float:
    return MOST * min(1.0, 0.3 + 0.7 * (value - least) / least)
