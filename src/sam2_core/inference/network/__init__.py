"""The network run for one frame and many objects: chunks that fit into memory, precision, compiled parts."""
