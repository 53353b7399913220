"""What a person said: prompts and objects, as immutable values that know how to compare, join and check themselves.

Nothing here knows masks, models or files.
"""
