"""The network of SAM 2, one file per box of the paper's figure.

``nn.Module`` s without state between calls, without ``inference_mode`` and without device moves: what a module needs
comes in as an argument. Attribute names spell the official state-dict keys.
"""
