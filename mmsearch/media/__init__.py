"""Files become items here: discovery, decoding, metadata.

A leaf: media knows nothing of storage or encoders.
"""
