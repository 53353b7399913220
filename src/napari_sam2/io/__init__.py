"""Files in and out: prompts, labels, sessions. Headless; no napari, no Qt."""
