"""Makes docs/images/find.png: a frame of the sample movie, what is found on it, and the same cells tracked.

Run it in a development environment: python scripts/make_find_picture.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from napari_sam2 import samples
from napari_sam2.io.contact_sheet import contact_sheet, outlined
from napari_sam2.session import Session

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "find.png"
LATER = 20


def make_picture(path: Path) -> None:
    """Write the picture: seen, found with scores, tracked."""
    with Session.open(samples.sample_movie().images, axes="TYX") as session:
        session.proposals.find(frames=0)
        seen = outlined(session.movie[0], np.zeros(session.size, np.uint16))
        found = with_scores(session)
        session.proposals.accept()
        for _ in session.propagate(direction="forward"):
            pass
        tracked = outlined(session.movie[LATER], session.labels(LATER))
        panels = [("frame 0", seen), ("found, with scores", found), (f"accepted and tracked, frame {LATER}", tracked)]
        contact_sheet(panels).save(path)


def with_scores(session: Session) -> Image.Image:
    """Return frame 0 with the outlines and scores of what is proposed there."""
    proposals = list(session.proposals.shown(0).values())
    labels = np.zeros(session.size, np.uint16)
    for number, proposal in enumerate(proposals, start=1):
        labels[proposal.mask.mask] = number
    image = outlined(session.movie[0], labels)
    draw, factor = ImageDraw.Draw(image), image.width / session.size[1]
    for proposal in proposals:
        y, x = (np.argwhere(proposal.mask.mask).mean(axis=0) + 0.5) * factor
        draw.text(
            (x, y), f"{proposal.score:.2f}", fill=(255, 255, 255), anchor="mm", stroke_width=2, stroke_fill=(0, 0, 0)
        )
    return image


if __name__ == "__main__":
    make_picture(PICTURE)
