"""What is shown and saved: the mask of each object on each frame with its status, packed; overlaps; what turns stale.

Nothing here knows a model or a file.
"""
