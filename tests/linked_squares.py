"""A session with squares that a program linked: each object in a row of its own, which moves to the right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from napari_sam2.document.objects import LinkStatus, ObjectInfo
from napari_sam2.masks.stored_masks import MaskStatus, StoredMask
from napari_sam2.session import Session

FRAMES, SIZE = 8, (140, 80)


def square(row: int, frame: int, side: int = 8, shift: int = 0) -> StoredMask:
    """Return a square of a row as it was found on a frame."""
    mask = np.zeros(SIZE, bool)
    y, x = 4 + 12 * row, 20 + 2 * frame + shift
    mask[y : y + side, x : x + side] = True
    return StoredMask.of_mask(mask, MaskStatus.found)


def linked_session(objects: Mapping[int, Iterable[int]], movie=None, predictor=None) -> Session:
    """Return a session with objects on frames, object n in row n."""
    images = np.zeros((FRAMES, *SIZE), np.uint8) if movie is None else movie
    session = Session.open(images, axes="TYX", predictor=predictor)
    take(session, {(one, frame): square(one, frame) for one, frames in objects.items() for frame in frames})
    return session


def take(session: Session, masks: Mapping[tuple[int, int], StoredMask]) -> None:
    """Give a session masks that were found and linked, in one step."""
    infos = {one: ObjectInfo(one, links=LinkStatus.linked) for one, _ in masks}
    known = session.document.objects
    infos = {one: replace(known[one], links=LinkStatus.linked) if one in known else info for one, info in infos.items()}
    put = session.masks.put
    session.edits._steps.make(
        session.document.with_objects(infos.values()),
        "link cells",
        list(infos),
        lambda _: [put(key, mask) for key, mask in masks.items()],
    )


def there(session: Session, object_id: int) -> list[int]:
    """Return the frames on which an object is there."""
    return [frame for frame, mask in session.masks.frames(object_id).items() if not mask.is_empty]
