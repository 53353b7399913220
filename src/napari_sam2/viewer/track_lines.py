"""napari's Tracks layer with the tracks of a session and who comes from whom, in step with it; made when asked for.

Where an object is on a frame is the middle of its mask, measured once for each mask: what changes is noted (`mark`),
measured by `elsewhere` (a panel sets it to its worker) once nothing has changed for a moment, and handed to the layer.
A layer that was removed stays away until it is asked for again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Tracks
from psygnal import Signal

from napari_sam2.document.document import Document
from napari_sam2.document.prompt_parts import PointYX
from napari_sam2.masks.mask_store import MaskKey, StoredMask
from napari_sam2.review.views import centroid_yx
from napari_sam2.session.session import Session
from napari_sam2.viewer.coordinates import Grid, placement
from sam2_core.errors import PromptError

Array = np.ndarray[Any, Any]
Masks = Mapping[int, Mapping[int, StoredMask | None]]
"""Object id -> frame -> mask; None where there is none any more."""
REST_S = 0.3
"""Nothing is measured before nothing has changed for so long."""
TAIL_FRAMES = 10


@dataclass(frozen=True, slots=True)
class Lines:
    """What napari's Tracks layer takes: data (N, 1 + ndim) of object id and place, and child -> parents."""

    data: Array
    graph: dict[int, list[int]]


Elsewhere = Callable[[Callable[[], Lines], Callable[[Lines], None]], None]
"""Runs a function off the main thread, and hands over its result on the main thread."""


class TrackLines:
    """The Tracks layer of one session.

    `made` is emitted with the layer when it is there for the first time, or with None where there is nothing to draw.

    Attributes
    ----------
    layer
        None where it was not asked for, or was removed.
    elsewhere
        Runs what takes long; on the spot where nobody set it.
    clock
        Seconds.
    """

    made = Signal(object)

    def __init__(self, session: Session, image: Image, grid: Grid) -> None:
        self.grid = grid
        self.layer: Tracks | None = None
        self.elsewhere: Elsewhere = lambda function, then: then(function())
        self.clock = time.monotonic
        self._session = session
        self._image = image
        self._middles: dict[MaskKey, PointYX] = {}
        self._asked = False
        self._all_due = self._is_due = self._is_measuring = False
        self._due: set[MaskKey] = set()
        self._changed_at = -np.inf

    @property
    def is_asked(self) -> bool:
        """Whether there is a layer, or one is being made."""
        return self._asked

    def ask(self) -> None:
        """Have the layer made, with the next look.

        Raises
        ------
        PromptError
            If the image has no frames as its first axis.
        """
        if self.grid.frame_axis != 0:
            raise PromptError(
                "napari draws tracks along the first axis of an image; the frames of this one are another."
            )
        if not self._asked:
            self._asked = self._is_due = self._all_due = True
            self._changed_at = -np.inf

    def drop(self) -> None:
        """Follow the layer no longer, if there is one; nothing is measured for it any more."""
        self.layer, self._middles = None, {}
        self._asked = self._is_due = self._all_due = False
        self._due.clear()

    def mark(self, keys: Iterable[MaskKey] = ()) -> None:
        """Note that masks have changed, or what is known of their objects."""
        if self._asked:
            self._due.update(keys)
            self._is_due, self._changed_at = True, self.clock()

    def use_grid(self, grid: Grid) -> None:
        """Take other axes from now on."""
        self.grid = grid
        self._all_due = self._asked
        self.mark()

    def go_on(self) -> bool:
        """Have measured what has changed, if that was a moment ago; whether it was begun."""
        if not self._is_due or self._is_measuring or self.clock() - self._changed_at < REST_S:
            return False
        masks, document, grid = self._taken(), self._session.document, self.grid
        middles = self._middles
        self._is_due, self._is_measuring = False, True

        def measure() -> Lines:
            try:
                return _measured(masks, middles, document, grid)
            except BaseException:
                self._is_measuring, self._all_due = False, self._asked
                raise

        def measured(lines: Lines) -> None:
            self._is_measuring = False
            if self._middles is middles and self._asked:
                self._show(lines)

        self.elsewhere(measure, measured)
        return True

    def _taken(self) -> Masks:
        """Return the masks that are to be measured, which later changes leave alone."""
        store, due, self._due = self._session.masks, self._due, set()
        if self._all_due:
            self._all_due, self._middles = False, {}
            return {object_id: store.held(object_id) for object_id in store.object_ids()}
        taken: dict[int, dict[int, StoredMask | None]] = {}
        for object_id, frame in due:
            taken.setdefault(object_id, {})[frame] = store.get((object_id, frame))
        return taken

    def _show(self, lines: Lines) -> None:
        if not len(lines.data):
            if self.layer is None:
                self.drop()
                self.made.emit(None)
            else:
                self.layer.visible = False
        elif self.layer is None:
            name = f"{self._image.name}: tracks"
            self.layer = Tracks(
                lines.data, graph=lines.graph, name=name, tail_length=TAIL_FRAMES, **placement(self._image)
            )
            self.made.emit(self.layer)
        else:
            self.layer.data, self.layer.graph = lines.data, lines.graph


def _measured(masks: Masks, middles: dict[MaskKey, PointYX], document: Document, grid: Grid) -> Lines:
    """Bring the middles of masks up to date, and return the lines of them."""
    for object_id, frames in masks.items():
        for frame, mask in frames.items():
            if mask is None or mask.is_empty:
                middles.pop((object_id, frame), None)
            else:
                middles[object_id, frame] = centroid_yx(mask)
    keys = sorted(middles)
    places = grid.place(0, [middles[key] for key in keys])
    places[:, 0] = [frame for _, frame in keys]
    ids = np.array([object_id for object_id, _ in keys], float)
    there = {object_id for object_id, _ in keys}
    parents = {one: info.parent for one in sorted(there) if (info := document.objects.get(one)) is not None}
    graph = {one: [parent] for one, parent in parents.items() if parent is not None and parent in there}
    return Lines(np.column_stack([ids, places]), graph)
