"""What goes out of a session: its masks as labels, frame by frame, and what is known about its objects.

`Results` is made from an open session's parts, or of a session folder that may be open elsewhere (nothing is locked).
The exports take it: label stacks (`label_files`), tables (`object_table`), CTC folders (`ctc_files`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.document.document import Document
from napari_sam2.io.label_files import LabelSpec, write_labels
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.lineage.tracks import Track, tracks_of
from napari_sam2.masks.mask_store import MaskStore, Overlaps
from napari_sam2.masks.overlaps import label_dtype
from napari_sam2.stacks import Movie

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Results:
    """The masks of a session with its document and movie; `overlaps` says who gets a pixel that several masks hold."""

    document: Document
    masks: MaskStore
    movie: Movie
    overlaps: Overlaps = Overlaps.logits

    @property
    def spec(self) -> LabelSpec:
        """What the label stack looks like."""
        return LabelSpec.like(self.movie, label_dtype(self.object_ids))

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids of the objects that are known or have a mask, ascending."""
        return tuple(sorted({*self.document.objects, *self.masks.object_ids()}))

    def labels(self, frame: int) -> Array:
        """Return the labels of a frame, (H, W); hidden objects are among them."""
        here = dict.fromkeys((*self.document.objects, *self.masks.objects_on(frame)))
        return self.masks.labels(frame, here, self.overlaps, self.document.locked)

    def frames(self) -> Iterator[Array]:
        """Yield the labels of every frame in order, made one at a time."""
        return (self.labels(frame) for frame in range(len(self.movie)))

    def tracks(self, frames: Iterable[Array] | None = None) -> dict[int, Track]:
        """Return the tracks of objects as the labels show them: who lies under others is not there.

        Parameters
        ----------
        frames
            The labels of every frame, for who needs them besides.
        """
        shown = [set(np.unique(labels).tolist()) for labels in (self.frames() if frames is None else frames)]
        hidden = {key for key, _ in self.masks.items() if key[0] not in shown[key[1]]}
        return tracks_of(self.document, self.masks, hidden)


def export_labels(path: str | Path, results: Results) -> None:
    """Write the labels of all frames as a label stack, .tif or .zarr, one frame at a time.

    Raises
    ------
    StackError
        If the suffix is not known, the folder does not exist, or it is the stack itself.
    """
    check_not_raw(path, results.movie.stack, is_replaced=True)
    write_labels(path, results.frames(), results.spec)
