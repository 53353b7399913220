"""The errors that a user can meet; each says what was wrong, the value seen and what to do."""

from __future__ import annotations


class CheckpointError(RuntimeError):
    """Weights could not be found, fetched, read or fitted to a model."""


class ConfigError(CheckpointError, ValueError):
    """The configuration of a model cannot be read, or says what cannot be."""


class DeviceMemoryError(CheckpointError):
    """A model and its objects do not fit into the memory of the device; shown like any trouble with a model."""


class PromptError(ValueError):
    """A point, box or mask cannot be used as it was given."""


class TooEarlyError(PromptError, RuntimeError):
    """Something is asked for before what it needs was given; officially a RuntimeError."""


class StackError(ValueError):
    """Frames or images cannot be read or are not of a usable shape."""
