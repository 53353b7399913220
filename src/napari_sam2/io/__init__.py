"""Files in and out: prompts (JSON, CSV), label stacks (TIFF, zarr), and the finished frames of a run under way."""

from __future__ import annotations

from napari_sam2.io.journal import Journal, RunInfo, journal_folder, prompts_fingerprint
from napari_sam2.io.label_files import LabelSpec, check_label_path, write_labels
from napari_sam2.io.prompt_files import read_prompts, write_prompts

__all__ = [
    "Journal",
    "LabelSpec",
    "RunInfo",
    "check_label_path",
    "journal_folder",
    "prompts_fingerprint",
    "read_prompts",
    "write_labels",
    "write_prompts",
]
