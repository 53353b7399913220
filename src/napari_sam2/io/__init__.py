"""Files in and out: prompts (JSON, CSV), label stacks (TIFF, zarr), session folders, exports."""

from __future__ import annotations

from napari_sam2.io.autosave import Autosaver
from napari_sam2.io.label_files import LabelSpec, check_label_path, write_labels
from napari_sam2.io.mask_log import FrameDone
from napari_sam2.io.prompt_files import read_prompts, write_prompts
from napari_sam2.io.saved_session import RunRecord, SavedSession, SavedSnapshot, StackRecord
from napari_sam2.io.session_files import is_session_folder, load_session, save_session

__all__ = [
    "Autosaver",
    "FrameDone",
    "LabelSpec",
    "RunRecord",
    "SavedSession",
    "SavedSnapshot",
    "StackRecord",
    "check_label_path",
    "is_session_folder",
    "load_session",
    "read_prompts",
    "save_session",
    "write_labels",
    "write_prompts",
]
