"""The room for training: synthetic movies, clips, simulated prompts, losses and the trainer.

Importing it imports nothing: the movie generator (``sam2_core.training.synthetic``) needs numpy and scipy only, the
rest torch.
"""
