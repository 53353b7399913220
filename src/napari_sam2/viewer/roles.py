"""Who is who at a place that is looked at, and in which colour each is outlined: in the image and in the film strip.

The cell in question is yellow; what the alternatives 1, 2, 3 would make of it is cyan, pink and green, so that a key
can be chosen by looking; cells chosen by hand are white.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum

from napari_sam2.document.reviews import At, Place
from napari_sam2.review.fixes import Fix


class Role(IntEnum):
    """What a cell is at a place; the value is its label in the layer of outlines."""

    chief = 1
    first = 2
    second = 3
    third = 4
    chosen = 5


COLORS = {
    Role.chief: "#ffdd00",
    Role.first: "#00e5ff",
    Role.second: "#ff7ad9",
    Role.third: "#7dff5a",
    Role.chosen: "#ffffff",
}

Roles = dict[int, Role]
"""By object id."""


def roles_at(place: Place | None, fixes: Sequence[Fix] = (), chosen: Iterable[int] = ()) -> Roles:
    """Return who is outlined as what at a place, by object id; a proposal has none."""
    roles = dict.fromkeys(chosen, Role.chosen)
    if place is None or place.at is At.proposal:
        return roles
    for role, fix in reversed(list(zip((Role.first, Role.second, Role.third), fixes, strict=False))):
        roles |= {object_id: role for object_id, _ in fix.keys}
    if place.at is At.overlap:
        roles[place.other] = Role.second
    return {**roles, place.object_id: Role.chief}
