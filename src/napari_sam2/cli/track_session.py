"""`napari-sam2 track --session`: a session folder tracked without a window, its labels written; see `saved_job`.

What is asked for is checked before the model is loaded. The session can be opened in napari afterwards.
"""

from __future__ import annotations

import os
from pathlib import Path

from napari_sam2.cli.console import errors
from napari_sam2.cli.interrupt import STOPPED
from napari_sam2.cli.terminal_run import predictor_of, run_in_terminal, show_results
from napari_sam2.io import check_label_path
from napari_sam2.session.movie_job import write_results
from napari_sam2.session.saved_job import SavedJob, track_saved
from napari_sam2.session.session import Session
from sam2_core.errors import StackError


def labels_beside(folder: Path) -> Path:
    """Return where the labels of a session go if nothing else is said: beside its folder."""
    return folder.with_name(f"{folder.stem}_labels.tif")


def track_session(job: SavedJob, out: Path, overwrite: bool) -> int:
    """Return the exit code after the session is tracked and its labels written, or it was stopped."""
    check_label_path(out)
    if out.exists() and not overwrite:
        raise StackError(f"{out} exists; choose another name with --out, or replace it with --overwrite.")

    def write(session: Session) -> None:
        show_results(write_results(session, out), session.movie, session.view_sentence, out)

    if not track_saved(job, run_in_terminal, predictor_of, write):
        kept = f"What is finished is kept in {job.folder}; the same command goes on."
        lost = f"Nothing is kept, for {job.folder} can only be read; the same command begins again."
        errors().print(f"Stopped. {kept if os.access(job.folder, os.W_OK) else lost}")
        return STOPPED
    return 0
