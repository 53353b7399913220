"""Tracks of a document and its masks, as values: what exports, layers and scores read.

Nothing here knows models, files or viewers.
"""
