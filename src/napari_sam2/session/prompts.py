"""The name under which scripts of 0.1 import prompts; they are in `document.prompt`."""

from __future__ import annotations

from napari_sam2.document.prompt import Prompt, check_prompts, gathered, typical_diameter

__all__ = ["Prompt", "check_prompts", "gathered", "typical_diameter"]
