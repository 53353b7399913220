"""State and work of one piece of tracking: prompts, objects, masks, jobs. Headless, scriptable; no napari, no Qt."""
