"""One row per object as CSV: who it came from, its generation, from where to where it is there, and who came of it.

`io.track_files.read_parents` reads it as a table of parents.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from napari_sam2.io.atomic import write_atomically
from napari_sam2.io.raw_data import check_not_raw
from napari_sam2.io.results import Results
from napari_sam2.lineage.forest import Forest

COLUMNS = ("object_id", "name", "parent", "generation", "lineage", "begin", "end", "frames", "missing", "daughters")


def export_track_table(path: str | Path, results: Results) -> None:
    """Write one row per object that is there on some frame, by object.

    `generation` is 0 where it came from nobody; `lineage` is the id of the first of its ancestors; `frames` counts
    those on which it is there, `missing` those between its begin and end on which it is not; `daughters` are ids with
    spaces between them.

    Raises
    ------
    StackError
        If the file cannot be written, or is the stack itself.
    """
    check_not_raw(path, results.movie.stack)
    tracks = results.tracks()
    forest = Forest.of({object_id: track.parent for object_id, track in tracks.items()})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for object_id, track in tracks.items():
        info, count = results.document.objects.get(object_id), len(track.frames)
        writer.writerow(
            [
                object_id,
                "" if info is None else info.name,
                forest.parent.get(object_id, ""),
                forest.generation[object_id],
                forest.lineage[object_id],
                track.begin,
                track.end,
                count,
                track.end - track.begin + 1 - count,
                " ".join(map(str, forest.daughters.get(object_id, ()))),
            ]
        )
    write_atomically(Path(path), text.getvalue().encode("utf-8"))
