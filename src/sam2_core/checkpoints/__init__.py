"""Weights on disk: which models have a name, where their files are, how a file is fetched, read, fitted and written.

`registry` knows the models, `download` brings a file here, `load` reads it and fits it to a model, `save` writes one.
Only this room speaks to the network, and never for a path on this machine.
"""
