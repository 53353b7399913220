"""Tracks the session folder that it is given with the model that ships, and says each frame; made to be killed."""

from __future__ import annotations

import sys

from napari_sam2.session.session import Session

session = Session.open(sys.argv[1])
for update in session.propagate("both"):
    print(update.leg, update.frame_index, flush=True)
session.close()
