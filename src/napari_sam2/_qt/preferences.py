"""What a person set in napari's Preferences, as settings for a new session.

napari builds the page from `configurations` in the manifest and keeps the values in its own folder.
"""

from __future__ import annotations

from typing import Any

from napari.settings import get_plugin_settings

PLUGIN = "napari-sam2"


def preferred_settings() -> dict[str, Any]:
    """Return fields of `SessionSettings` by name."""
    chosen: dict[str, Any] = get_plugin_settings(PLUGIN).defaults.model_dump()
    return {**chosen, "object_diameter_px": chosen["object_diameter_px"] or None}
