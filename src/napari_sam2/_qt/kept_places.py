"""Where sessions were saved that worked on one image at other places, a Z each: they are opened again there."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2.session.session import Session

Place: TypeAlias = tuple[Hashable, str | None, tuple[tuple[str, int], ...]]
"""An image layer, along which axis it is followed, and where other axes are held."""


class KeptPlaces:
    """Session folders by image and place."""

    def __init__(self) -> None:
        self._folders: dict[Place, Path] = {}

    def keep(self, image: Image | None, session: Session, held: Mapping[str, int]) -> None:
        """Remember where a session is saved that works on an image at a place, if it is."""
        if session.folder is not None:
            self._folders[_place(image, session, held)] = session.folder

    def folder(self, image: Image | None, session: Session | None, held: Mapping[str, int]) -> Path | None:
        """Return where the session was saved that worked on an image at a place, as long as it is there."""
        folder = self._folders.get(_place(image, session, held))
        return folder if folder is not None and folder.is_dir() else None


def _place(image: Image | None, session: Session | None, held: Mapping[str, int]) -> Place:
    """Return what tells the sessions of one image from each other."""
    tracked = None if session is None else session.settings.track_axis
    return None if image is None else image.unique_id, tracked, tuple(sorted(held.items()))
