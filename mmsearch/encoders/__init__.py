"""Items become vectors here: the dual encoders and the registry that finds them by name.

A leaf: encoders know nothing of storage. torch is imported only by the encoders that need it,
and only when they are used.
"""
