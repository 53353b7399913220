"""The panel in napari's window from a script, in two viewers at once: what the panel does, and what a script adds.

Run it with ``python examples/window_panel.py [FOLDER]``. The windows are not shown here; without ``show=False`` you see
them, and go on by hand where the script ends, if it ends with ``napari.run()``.
"""

import napari
import numpy as np
from drawing import output_folder, overlay, save_row

import napari_sam2
from napari_sam2.samples import first_clicks, sample_movie

folder = output_folder()
sample = sample_movie()
click = first_clicks(sample)[0]

# 1. Two viewers, a panel in each. `open_panel` comes back when the session is open.
viewers = [napari.Viewer(show=False), napari.Viewer(show=False)]
for viewer, first in zip(viewers, (0, 8), strict=True):
    viewer.add_image(sample.images[first : first + 8], name=f"from {first}", axis_labels=("t", "y", "x"))
panels = [napari_sam2.open_panel(viewer) for viewer in viewers]
one, other = panels

# 2. A click, as a row of the Points layer: (frame, y, x). `wait` comes back when its mask is there.
one.binding.prompts.points.add((0, click.y, click.x))
one.wait()
assert one.session.labels(0)[click.y, click.x] == 1
assert not other.session.document.prompts

# 3. Or by the session itself; the layers follow. What a button does is in `binding`.
one.session.add_points(object_id=2, frame=0, points_yx=[(click.y, click.x)])
one.binding.undo()
one.binding.propagate("forward")
one.wait()
assert one.session.status(1).tolist() == [1] + [2] * 7

# 4. Saving, and the labels as an array.
one.session.save(folder / "window_panel.sam2")
labels = np.stack([one.session.labels(frame) for frame in range(one.session.frame_count)])

# 5. A panel that is asked for again is the same one.
assert napari_sam2.open_panel(viewers[0]) is one

for viewer in viewers:
    viewer.close()
pictures = [overlay(sample.images[frame], {1: labels[frame] == 1}) for frame in (0, 3, 7)]
save_row(folder / "window_panel.png", pictures, ["frame 0", "frame 3", "frame 7"])
