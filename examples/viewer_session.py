"""A session in napari's viewer as a script: what a person does with the layers, step by step, and what comes of it.

Run it with ``python examples/viewer_session.py [FOLDER]``. It needs no window: `ViewerModel` is napari's viewer without
one. With a window, take `viewer = napari.current_viewer()` and let the panel "Segment and track" make the session and
the binding; every other line stays as it is. Each step ends with what then holds.
"""

import numpy as np
import tifffile
from drawing import output_folder, overlay, save_row
from napari.components import ViewerModel

from napari_sam2 import Session
from napari_sam2.evaluation import farthest_pixel, metrics
from napari_sam2.samples import sample_movie
from napari_sam2.viewer import InlineRunner, bind, image_source

PROMPTED, TRACKED, EDITED, STALE, ABSENT = 1, 2, 3, 4, 5  # codes of session.status(object_id), 0 for no mask

folder = output_folder()
sample = sample_movie()
movie, truth = sample.images[14:22], sample.labels[14:22]  # one cell divides, another leaves
cells = {1: 1, 2: 3, 3: 6, 4: 4, 5: 5, 6: 8}  # our object ids -> ids in the truth
messages: list[str] = []


def middle(object_id: int, frame: int) -> tuple[int, int]:
    """The pixel (y, x) where a person would click on a cell."""
    return farthest_pixel(truth[frame] == cells[object_id])


def iou(object_id: int, frame: int) -> float:
    """How well a mask covers its cell, 0 to 1."""
    return metrics.iou(session.labels(frame) == object_id, truth[frame] == cells[object_id])


def status(object_id: int) -> list[int]:
    """What is known of an object, frame by frame."""
    return session.status(object_id).tolist()


def all_labels() -> np.ndarray:
    """All masks as they are shown, (T, H, W)."""
    return np.stack([session.labels(frame) for frame in range(session.frame_count)])


# --- Opening

# 1. An Image layer says what its axes are, and its contrast limits are those that the model gets.
viewer = ViewerModel()
image = viewer.add_image(movie, name="cells", axis_labels=("t", "y", "x"), scale=(1, 0.5, 0.5))
source = image_source(image, point=viewer.dims.point)
assert source.stack.axes == "TYX"
assert source.settings.contrast_limits == (tuple(image.contrast_limits),)

# 2. A session on it; the model that ships, which is loaded by the first click.
session = Session.open(source.stack, settings=source.settings, model="cells-nano")
assert (session.frame_count, session.size) == (8, (256, 256))

# 3. Binding it to the viewer makes three layers, which lie where the image lies. Its first frame is shown.
binding = bind(viewer, session, image, InlineRunner(session), notify=messages.append)
points, shapes, masks = binding.prompts.points, binding.prompts.shapes, binding.labels.layers[0]
assert [layer.name for layer in binding.layers()] == ["cells: masks", "cells: points", "cells: boxes and outlines"]
assert all(np.array_equal(layer.scale, image.scale) for layer in binding.layers())
binding.show_frame(0)
assert binding.frame == 0
assert not masks.data[0].any()

# --- Clicks, boxes, outlines

# 4. A click is a row of the Points layer: (frame, y, x) in pixels. It is for the current object.
y, x = middle(1, 0)
points.add((0, y, x))
assert session.document.prompts[1, 0].points_yx == ((y, x),)

# 5. Its mask is there at once. The frame in view is drawn at most 20 times a second, or at once by `flush`.
assert masks.data[0, y, x] == 1
binding.flush()
assert masks.get_value((0, y, x)) == 1
assert iou(1, 0) > 0.8

# 6. The next object.
binding.new_object()
points.add((0, *middle(2, 0)))
assert binding.current.object_id == 2
assert iou(2, 0) > 0.8

# 7. An object may have any positive number; the current one can be chosen.
binding.current.choose(3)
points.add((0, *middle(3, 0)))
assert sorted(session.document.objects) == [1, 2, 3]
assert points.features["object_id"].tolist() == [1, 2, 3]

# 8. A box is a rectangle of the Shapes layer.
binding.new_object()
rows, columns = np.nonzero(truth[0] == cells[4])
y0, x0, y1, x1 = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
corners = np.array([(0, y0, x0), (0, y0, x1), (0, y1, x1), (0, y1, x0)])
shapes.add(corners, shape_type="rectangle")
assert session.document.prompts[4, 0].box_yx == (y0, x0, y1, x1)
assert iou(4, 0) > 0.8

# 9. An outline, a polygon or a lasso, is the mask itself.
binding.new_object()
rows, columns = np.nonzero(truth[0] == cells[5])
turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
y, x = rows.mean() + 2 * rows.std() * np.sin(turn), columns.mean() + 2 * columns.std() * np.cos(turn)
shapes.add(np.column_stack([np.zeros(24), y, x]), shape_type="polygon")
assert np.array_equal(session.labels(0) == 5, session.document.prompts[5, 0].mask)
assert iou(5, 0) > 0.8

# 10. A click outside the object: flip the sign of the next click, and back.
binding.current.choose(1)
binding.flip_polarity()
y, x = middle(1, 0)
points.add((0, y, x + 26))
assert session.document.prompts[1, 0].labels == (1, 0)
assert not session.masks.mask(1, 0)[y, x + 26]
binding.flip_polarity()
assert binding.current.polarity == "in"

# --- Editing prompts

# 11. Moving a point moves the prompt, and its mask is computed anew.
moved = points.data.copy()
moved[-1] = (0, y + 30, x)
points.data = moved
assert session.document.prompts[1, 0].points_yx[-1] == (y + 30, x)
assert not session.needs_preview

# 12. Selecting a row makes its object and its sign those of the next click.
points.selected_data = {3}
assert (binding.current.object_id, binding.current.polarity) == (1, "out")

# 13. Deleting it.
points.remove_selected()
binding.flip_polarity()
assert session.document.prompts[1, 0].points_yx == ((y, x),)

# 14. Undo brings it back, whatever layer the edit was made in.
binding.undo()
assert session.document.prompts[1, 0].labels == (1, 0)
assert len(points.data) == 4

# 15. Redo.
binding.redo()
assert len(points.data) == 3
assert iou(1, 0) > 0.8

# 16. The features table says whom a row is for. In a window a timer looks at it; a script calls `poll`.
row = points.features["object_id"].tolist().index(2)
points.features.loc[row, "object_id"] = 9
binding.poll()
assert sorted(session.document.objects) == [1, 2, 3, 4, 5, 9]
assert masks.data[0, *middle(2, 0)] == 9

# 17. What cannot be a prompt is told of, and goes back to what it was.
points.features.loc[row, "object_id"] = 0
binding.poll()
assert "object id 0 cannot be a label" in messages[-1]
assert (9, 0) in session.document.prompts

# 18. Setting it right.
row = points.features["object_id"].tolist().index(9)
points.features.loc[row, "object_id"] = 2
binding.poll()
assert session.document.prompts[2, 0].points_yx == (middle(2, 0),)
assert iou(2, 0) > 0.8

# 19. The object that was made by mistake has no prompts left; it can go.
session.remove_object(9)
assert sorted(session.document.objects) == [1, 2, 3, 4, 5]

# --- Propagating

# 20. Forward over a range of frames.
binding.propagate("forward", frames=range(4))
assert status(1) == [PROMPTED, TRACKED, TRACKED, TRACKED, 0, 0, 0, 0]

# 21. To the end. The cell that leaves is absent on the last frames.
binding.propagate_forward()
assert status(1) == [PROMPTED] + [TRACKED] * 7
assert status(5)[-1] == ABSENT
assert messages[-1].startswith("Propagated over")

# 22. The masks follow their cells.
assert all(iou(object_id, frame) > 0.8 for object_id in (1, 2, 3, 4) for frame in range(8))

# 23. An object that begins later: both ways from frame 2, and for it alone.
binding.show_frame(2)
binding.current.choose(6)
points.add((binding.frame, *middle(6, 2)))
before = all_labels()
binding.propagate("both", object_ids=(6,))
assert status(6) == [TRACKED, TRACKED, PROMPTED] + [TRACKED] * 5
assert min(iou(6, frame) for frame in range(3)) > 0.8
assert np.array_equal(session.masks.mask(1, 7), before[7] == 1)

# 24. A correction makes stale what was tracked past it; it stays to be seen until it is found anew.
binding.go_to(3, 4)
y, x = middle(3, 4)
points.add((4, y, x))
assert status(3) == [PROMPTED, TRACKED, TRACKED, TRACKED, PROMPTED, STALE, STALE, STALE]

# 25. Only what is stale.
frames_seen: list[int] = []
session.events.masks_changed.connect(lambda frame, object_ids: frames_seen.append(frame))
binding.propagate("both", only_stale=True)
assert frames_seen == [5, 6, 7]
assert status(3)[5:] == [TRACKED] * 3

# 26. Until the next prompted frame: nothing behind it is touched.
frames_seen.clear()
binding.propagate("forward", frames=range(1, 8), object_ids=(3,), only_stale=False, until_next_prompt=True)
assert frames_seen == [1, 2, 3]


# 27. Stopping a run: what was found is kept. A button does this; here, the second frame that comes.
def stop_at_second(frame: int, object_ids: tuple[int, ...]) -> None:
    """Do what the button does."""
    if frame == 2:
        binding.stop()


session.add_points(2, 0, [middle(2, 0)])
session.events.masks_changed.connect(stop_at_second)
binding.propagate("forward", object_ids=(2,))
session.events.masks_changed.disconnect(stop_at_second)
assert messages[-1] == "Stopped after 3 of 8 frames; they are kept. Resume goes on with the rest."
assert status(2) == [PROMPTED, TRACKED, TRACKED] + [STALE] * 5

# 28. Going on with it.
binding.resume()
assert status(2) == [PROMPTED] + [TRACKED] * 7

# --- Painting

# 29. A stroke of the brush in the Labels layer is an edit of the mask, and a prompt.
binding.go_to(2, 3)
y, x = middle(2, 3)
masks.brush_size = 9
masks.paint((3, y, x + 18), 2)
assert status(2)[3] == EDITED
assert session.masks.mask(2, 3)[y, x + 18]

# 30. The eraser.
masks.paint((3, y, x), 0)
assert masks.data[3, y, x] == 0

# 31. Both are steps of the same undo.
binding.undo()
assert masks.data[3, y, x] == 2
painted = session.masks.mask(2, 3)

# 32. No run overwrites what was painted.
binding.propagate_both()
assert np.array_equal(session.masks.mask(2, 3), painted)
assert status(2) == [PROMPTED, TRACKED, TRACKED, EDITED] + [TRACKED] * 4

# --- Objects

# 33. A name.
session.rename_object(2, "nucleus with a bud")
assert session.document.objects[2].name == "nucleus with a bud"

# 34. Hiding an object hides its masks, and loses none.
session.set_visible(2, False)
assert masks.data[3, y, x] == 0
assert session.masks.mask(2, 3).any()

# 35. Showing it again.
binding.undo()
assert masks.data[3, y, x] == 2

# 36. A locked object stays as it is; a click on it goes away at once, and why is told.
session.set_locked(2, True)
rows = len(points.data)
points.add((3, y, x))
assert "Object 2 is locked" in messages[-1]
assert session.document.prompts[2, 3].points_yx == ()
assert len(points.data) == rows

# 37. Unlocked, it counts.
session.set_locked(2, False)
points.add((3, y, x))
assert session.document.prompts[2, 3].points_yx == ((y, x),)

# 38. Taken back by deleting its row.
points.selected_data = {len(points.data) - 1}
points.remove_selected()
binding.propagate("both", only_stale=True)
assert np.array_equal(session.masks.mask(2, 3), painted)

# 39. Merging: one object gets the masks and prompts of another.
both = session.masks.mask(1, 7) | session.masks.mask(4, 7)
session.merge_objects(1, 4)
assert np.array_equal(session.masks.mask(1, 7), both)
assert 4 not in session.document.objects

# 40. Undo parts them again.
binding.undo()
assert np.array_equal(session.masks.mask(4, 7) & session.masks.mask(1, 7), np.zeros((256, 256), dtype=bool))

# 41. Swapping two objects from frame 5 on.
before = all_labels()
session.swap_objects(1, 3, from_frame=5)
assert np.array_equal(session.masks.mask(1, 6), before[6] == 3)
assert np.array_equal(all_labels()[:5], before[:5])

# 42. Undo.
binding.undo()
assert np.array_equal(all_labels(), before)

# 43. Deleting an object takes its masks and its rows.
session.remove_object(1)
assert 1 not in points.features["object_id"].tolist()
assert not (all_labels() == 1).any()

# 44. Undo brings both back.
binding.undo()
assert points.features["object_id"].tolist().count(1) == 1
assert np.array_equal(all_labels(), before)

# --- Looking around

# 45. From prompt to prompt, and from object to object.
binding.go_to(3, 0)
binding.next_prompted_frame()
assert binding.frame == 4
binding.next_object()
assert binding.current.object_id == 4

# 46. To the mask that looks most like a mistake of the run: the cell that divides, or the one that leaves.
binding.next_suspicious()
assert binding.current.object_id in (5, 6)
assert messages[-1].startswith(f"Object {binding.current.object_id} on frame {binding.frame}: ")

# 47. A layer may be deleted; what it said is kept, and it can be made again.
viewer.layers.remove(points)
binding.make_layers()
points = binding.prompts.points
assert points.features["object_id"].tolist().count(3) == 2

# --- Settings

# 48. Where masks may overlap, every object has a Labels layer of its own.
session.change_settings(overlaps="allowed")
assert sorted(binding.labels.layers) == [1, 2, 3, 4, 5, 6]
session.change_settings(overlaps="logits")
assert list(binding.labels.layers) == [0]

# 49. Settings that change what the model sees make masks stale; those of prompts are found anew at once.
session.change_settings(even_out=True)
assert set(status(1)) == {PROMPTED, STALE}
assert status(2)[3] == PROMPTED

# 50. Back, and found anew: the same prompts give the same masks, but for a correction's, which refined an older one.
session.change_settings(even_out=False)
binding.propagate_both()
assert STALE not in {code for object_id in session.document.objects for code in status(object_id)}
assert (all_labels() != before).mean() < 1e-4
before = all_labels()

# --- Keeping

# 51. Saving; from then on it is saved as the work goes on.
session.save(folder / "viewer_session.sam2")
assert not session.is_dirty
assert session.folder == folder / "viewer_session.sam2"

# 52. One more edit, which needs no saving.
session.rename_object(6, "mother")
assert not session.is_dirty

# 53. Closing lets go of layers and model; the layers stay in the viewer.
binding.unbind()
session.close()
assert len(viewer.layers) == 4

# 54. Reopening in another viewer, on the same images: prompts, masks and names are as they were, and shown.
viewer = ViewerModel()
image = viewer.add_image(movie, name="cells", axis_labels=("t", "y", "x"))
session = Session.open(folder / "viewer_session.sam2", images=image_source(image).stack)
binding = bind(viewer, session, image, InlineRunner(session), notify=messages.append)
assert session.document.objects[6].name == "mother"
assert np.array_equal(np.asarray(binding.labels.layers[0].data), before)
assert sorted(binding.prompts.points.features["object_id"]) == [1, 2, 2, 3, 3, 6]

# 55. A label stack, for any other program.
session.export_labels(folder / "viewer_session_masks.tif")
reopened = tifffile.imread(folder / "viewer_session_masks.tif")
assert np.array_equal(reopened, before)

binding.unbind()
session.close()
pictures = [
    overlay(movie[frame], {value: reopened[frame] == value for value in np.unique(reopened[frame]) if value})
    for frame in (0, 3, 7)
]
save_row(folder / "viewer_session.png", pictures, ["frame 0", "frame 3, one nucleus painted", "frame 7"])
