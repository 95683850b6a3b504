"""Aligns an encoder to captioned photos.

``python -m mmsearch.training.embedded`` makes the weights of the embedded encoder. What is here
needs the extra ``train`` and imports torch; nothing of it is used at query time.
"""
