"""Dock widgets: they read settings, call the session through its binding, and show its state. No logic lives here.

`panel.SegmentAndTrackPanel` and `models_panel.ModelsPanel` are what the manifest names; the rest are their parts.
Importing a module of this room imports neither torch nor scipy: what needs them runs in a worker (`runner`, `work`).
"""
