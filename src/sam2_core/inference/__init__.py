"""Prompts and frames in, masks out: predictors that have a model, and the doors through which their input comes.

Files of images and videos are opened in ``frames``, prompts are checked in ``prompts``, both are brought to the model's
space in ``transforms``. ``memory_bank`` and ``frame_step`` track; the predictors hold the state.
"""
