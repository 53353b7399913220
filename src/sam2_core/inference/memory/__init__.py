"""What the objects of a movie remember: memory banks, the state of a run, and snapshots of it."""
