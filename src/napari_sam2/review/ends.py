"""How tracks begin, end and divide, as far as a program said so: inside the field, out of nothing, into two.

How likely each is wrong was counted on automatic results of T98G and yeast and on the first divisions of the breast
cancer nuclei: these numbers are not those of unseen data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from napari_sam2.document.plain_values import counted
from napari_sam2.document.reviews import At, Place, ReviewKind
from napari_sam2.document.track_events import Division
from napari_sam2.masks.stored_masks import StoredMask
from napari_sam2.review.courses import Course, Usual
from napari_sam2.review.items import Doubt
from napari_sam2.review.scene import Scene

SHORT = 3
"""Frames of a track that is short."""
INSIDE, AT_THE_BORDER = 0.9, 0.5
"""How likely a track that begins or ends inside the field, or at its border, should not."""
SHORT_DEGREE = 0.9
DIVISION = 0.5
UNLIKELY = 0.65
"""Of a division into daughters that are not like halves of their mother."""
MARGIN = 0.5
"""Diameters from the border that count as at the border."""


def end_doubts(object_id: int, course: Course, scene: Scene, usual: Usual) -> Iterator[Doubt]:
    """Yield what is in doubt of the beginning and the end of an object that a program linked."""
    begins = course.begin > usual.first and scene.document.objects[object_id].parent is None
    ends = course.end < usual.last and object_id not in scene.divisions
    if len(course) <= SHORT and (begins or ends):
        place = Place(At.track, object_id, course.begin)
        said = f"it is there on {counted(len(course), 'frame')} only"
        yield Doubt(place, ReviewKind.short_track, SHORT_DEGREE, said, len(course))
        return
    for is_so, at, frame, kind in (
        (begins, At.begin, course.begin, ReviewKind.begins_inside),
        (ends, At.end, course.end, ReviewKind.ends_inside),
    ):
        mask = scene.masks[object_id][frame]
        if not is_so or mask.status.is_said:
            continue
        inside = not at_border(mask, scene.size, MARGIN * usual.diameter)
        spoils = len(course) if at is At.begin else usual.last - frame
        where = "inside the field" if inside else "near the border"
        yield Doubt(
            Place(at, object_id, frame), kind, INSIDE if inside else AT_THE_BORDER, f"it {at.value}s {where}", spoils
        )


def division_doubts(mother: int, courses: Mapping[int, Course], scene: Scene) -> Iterator[Doubt]:
    """Yield the divisions of an object."""
    for division in scene.divisions.get(mother, ()):
        there = [courses[one] for one in division.daughters if one in courses]
        before = courses[mother].frames < division.frame if mother in courses else np.zeros(0, bool)
        if not there or not before.any():
            continue
        degree, reason = _unlikely(courses[mother], int(np.count_nonzero(before)) - 1, division, there)
        sure = [
            claims.confidence(division.frame)
            for one in division.daughters
            if (claims := scene.document.claims.get(one)) is not None
        ]
        said = [one for one in sure if one is not None]
        if said:
            degree, reason = 1 - min(said), f"{reason}, claimed with a confidence of {min(said):.2f}"
        spoils = max(1, min(map(len, there)) // 2)  # whom it calls a daughter stays one object, with a wrong mother
        yield Doubt(Place(At.division, mother, division.frame), ReviewKind.division, degree, reason, spoils)


def at_border(mask: StoredMask, size: tuple[int, int], margin: float) -> bool:
    """Return whether a mask is nearer than a margin to the border of a frame (H, W)."""
    y0, x0, y1, x1 = mask.box_yx
    return min(y0, x0, size[0] - y1, size[1] - x1) < margin


def like_halves(areas: Sequence[float], mother: float) -> bool:
    """Return whether areas of daughters are like those of two halves of a mother of an area."""
    return max(areas) <= 2 * min(areas) and 0.5 < sum(areas) / mother < 1.6


def _unlikely(mother: Course, last: int, division: Division, daughters: list[Course]) -> tuple[float, str]:
    """Return how likely a division is wrong, and why."""
    areas = [course.areas[0] for course in daughters]
    total = sum(areas) / mother.areas[last]
    short = min(map(len, daughters))
    said = f"{len(daughters)} daughters on frame {division.frame}"
    if not like_halves(areas, mother.areas[last]):
        return UNLIKELY, f"{said}, {total:.1f} times as large as their mother"
    if short <= 2:
        return UNLIKELY, f"{said}, one of them there on {counted(short, 'frame')} only"
    return DIVISION, said
