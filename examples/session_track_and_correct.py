"""A session in a script: clicks, tracking both ways, one correction, undo, saving, reopening, and a label stack.

Run it with ``python examples/session_track_and_correct.py [FOLDER]``.
"""

import numpy as np
import tifffile
from drawing import output_folder, overlay, save_row

from napari_sam2 import Session
from napari_sam2.samples import first_clicks, sample_movie

folder = output_folder()
movie = sample_movie()
images = movie.images[:12]
tifffile.imwrite(folder / "session_movie.tif", images, metadata={"axes": "TYX"})
clicks = first_clicks(movie)[:3]

session = Session.open(folder / "session_movie.tif", axes="TYX", model="cells-nano")
for click in clicks:
    session.add_points(object_id=click.object_id, frame=click.frame, points_yx=[(click.y, click.x)])
for update in session.propagate(direction="both"):
    scores = ", ".join(f"{score:.1f}" for score in update.object_score_logits)
    print(f"{update.leg} {update.frame_index}: objects {update.object_ids}, scores {scores}")
first = np.stack([session.labels(frame) for frame in range(session.frame_count)])

# A correction on frame 6: what lies behind it is stale until it is tracked again, and nothing else is.
corrected = clicks[0].object_id
rows, columns = np.nonzero(session.masks.mask(corrected, 6))
place = (float(np.median(rows)), float(np.median(columns)) - 6)
session.add_points(corrected, 6, [place])
stale = np.flatnonzero(session.status(corrected) == 4)
visited = [update.frame_index for update in session.propagate(objects="stale") if update.leg != "prompt"]
second = np.stack([session.labels(frame) for frame in range(session.frame_count)])

# Undo takes the correction back, with the masks as they were.
session.undo()
undone = np.stack([session.labels(frame) for frame in range(session.frame_count)])
session.redo()
again = [update.frame_index for update in session.propagate(objects="stale")]

session.save(folder / "session.sam2")
session.close()

session = Session.open(folder / "session.sam2")
reopened = np.stack([session.labels(frame) for frame in range(session.frame_count)])
session.export_labels(folder / "session_masks.tif")
session.close()

pictures = [
    overlay(images[frame], {value: labels[frame] == value for value in np.unique(labels[frame]) if value}, *dots)
    for labels, frame, dots in (
        (first, 0, ([(click.x, click.y) for click in clicks], [1] * len(clicks))),
        (first, 6, ((), ())),
        (second, 6, ([place[::-1]], [1])),
        (reopened, 11, ((), ())),
    )
]
save_row(folder / "session_track_and_correct.png", pictures, ["frame 0", "frame 6", "corrected", "frame 11, reopened"])
