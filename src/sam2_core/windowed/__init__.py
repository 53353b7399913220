"""Small objects: a video predictor that looks through windows: tiles that are shared, or one for each object."""
